/** The program: builds the real host, runs the command, exits with its number. */
import { main } from "./lib/cli/main.ts";
import { createHost } from "./lib/io/host.ts";

if (import.meta.main) {
  const host = createHost();
  const code = await main(Deno.args, host);
  await host.flush();
  Deno.exit(code);
}

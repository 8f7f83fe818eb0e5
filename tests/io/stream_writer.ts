/** A process of its own for `std_streams_test.ts`: writes numbered lines to a standard stream, so many bytes at a time. */
import { createHost } from "../../lib/io/host.ts";

const [stream, total = "0", step = "0"] = Deno.args;
const host = createHost();
let text = "";
for (let line = 0; text.length < Number(total); line++) text += `${line}\n`;
const bytes = new TextEncoder().encode(text);
for (let at = 0; at < bytes.length; at += Number(step)) {
  const part = bytes.subarray(at, at + Number(step));
  if (stream === "stdout") await host.stdout.write(part);
  else if (stream === "stderr") await host.stderr.write(part);
  else host.stderr.print(new TextDecoder().decode(part));
}
await host.flush();
Deno.exit(7);

/** A deployment that has a name at proxies only, and its people's desk. */
import { Sandbox } from "../../lib/sandbox/mod.ts";
import { Desk } from "../command/support.ts";
import { startTlsFront } from "../io/proxies.ts";
import { tlsFixture } from "../io/support.ts";
import { FAR_HOST } from "./real_proxies.ts";

/** By the name by which it may be run here. */
const WORKSPACE = { name: "myworkspace", agents: [{ name: "dev", shell: "sh" }] };
/** What `echo in` leaves behind. */
export const HAD_SHELL = { code: 0, stdout: "in\n" };

/** A deployment behind TLS, and a folder with what clients of it need. */
export interface Company extends AsyncDisposable {
  readonly desk: Desk;
  readonly sandbox: Sandbox;
  readonly tlsPort: number;
  readonly url: string;
  readonly folder: string;
}

export async function openCompany(): Promise<Company> {
  await using stack = new AsyncDisposableStack();
  const sandbox = stack.use(await Sandbox.start({ user: "myuser", workspaces: [WORKSPACE] }));
  const front = stack.use(startTlsFront(Number(sandbox.url.port)));
  const folder = await Deno.makeTempDir({ prefix: "hawser-company-" });
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  for (const name of ["ca.crt", "intercept.crt", "client.crt", "client.key"]) {
    await Deno.writeTextFile(`${folder}/${name}`, tlsFixture(name));
  }
  const kept = stack.move();
  return {
    desk: new Desk(sandbox),
    sandbox,
    tlsPort: front.port,
    url: `https://${FAR_HOST}:${front.port}`,
    folder,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

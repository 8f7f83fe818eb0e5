/** `port-forward` against the Go peer: every byte both ways, half-closes, refusals, and a workspace that is built anew meanwhile. */
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { MEGABYTE, randomBytes } from "../live/data.ts";
import type { Process } from "../live/process.ts";
import { siteTest } from "./site.ts";

const LOOPBACK = "127.0.0.1";
const ECHO = 7003;
const BULK_BYTES = 8 * MEGABYTE;
const LIMIT_MS = 120_000;

function freePort(): number {
  using listener = Deno.listen({ hostname: LOOPBACK, port: 0 });
  return listener.addr.port;
}

/** What comes back for `bytes`, to the end that follows ours. */
async function echoed(port: number, bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  using connection = await Deno.connect({ hostname: LOOPBACK, port });
  const back = new Uint8Array(bytes.length + 1);
  let length = 0;
  const reading = (async () => {
    for (let n = await connection.read(back); n !== null;) {
      length += n;
      n = await connection.read(back.subarray(length));
    }
  })();
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
  await connection.closeWrite();
  await reading;
  return back.subarray(0, length);
}

async function readToEnd(port: number): Promise<void> {
  using connection = await Deno.connect({ hostname: LOOPBACK, port });
  try {
    while (await connection.read(new Uint8Array(64)) !== null);
  } catch (error) {
    if (!(error instanceof Deno.errors.ConnectionReset)) throw error;
  }
}

async function endOf(process: Process): Promise<void> {
  process.kill("SIGINT");
  const { code, stdout, stderr } = await process.exit();
  strictEqual(code, 0, stderr);
  strictEqual(stdout, "");
}

siteTest("port-forward: every byte both ways, over a relay that restarts and a new build", {
  peer: ["--relay-only"],
}, async ({ desk, peer }) => {
  const [echo, closed] = [freePort(), freePort()];
  await using process = desk.startCommand([
    "port-forward",
    desk.workspace,
    "--tcp",
    `${LOOPBACK}:${echo}:${ECHO},${LOOPBACK}:${closed}:${freePort()}`,
  ], { limitMs: LIMIT_MS });
  await process.stderr.until(/Ready!\n/);
  const bytes = randomBytes(BULK_BYTES);
  deepStrictEqual(await echoed(echo, bytes), bytes);
  const during = echoed(echo, bytes);
  await peer.command("restart-relay");
  deepStrictEqual(await during, bytes);
  await readToEnd(closed);
  await process.stderr.until(/Failed to dial 'tcp:\/\/127\.0\.0\.1:\d+' in workspace: /);
  await peer.command("new-build");
  await process.stderr.until(/was (stopped|started anew): [^]*Ready!\n/);
  const few = randomBytes(MEGABYTE);
  deepStrictEqual(await echoed(echo, few), few);
  await endOf(process);
});

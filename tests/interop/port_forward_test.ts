/** `port-forward` against the Go peer: every byte both ways, half-closes, refusals, and a workspace that is built anew meanwhile. */
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { MEGABYTE, randomBytes } from "../live/data.ts";
import type { Process } from "../live/process.ts";
import { loopbackUdp } from "../support/loopback_udp.ts";
import { freePort } from "../support/free_port.ts";
import { siteTest } from "./site.ts";

const LOOPBACK = "127.0.0.1";
const ECHO = 7003;
const BULK_BYTES = 8 * MEGABYTE;
const LIMIT_MS = 120_000;

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

/** What comes back for each datagram, which is asked again until it does. */
async function answered(port: number, datagrams: readonly Uint8Array[]): Promise<Uint8Array[]> {
  using socket = loopbackUdp();
  const back: Uint8Array[] = [];
  for (const datagram of datagrams) {
    const send = () => socket.conn.send(datagram, { transport: "udp", hostname: LOOPBACK, port });
    const again = setInterval(() => void send(), 1_000);
    try {
      await send();
      for (;;) {
        const [data] = await socket.conn.receive(new Uint8Array(2_048));
        // An answer to a question that was asked twice may come late.
        if (data.length !== datagram.length) continue;
        back.push(data.slice());
        break;
      }
    } finally {
      clearInterval(again);
    }
  }
  return back;
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
  const [echo, closed] = [await freePort(), await freePort()];
  await using process = desk.startCommand([
    "port-forward",
    desk.workspace,
    "--tcp",
    `${LOOPBACK}:${echo}:${ECHO},${LOOPBACK}:${closed}:${await freePort()}`,
  ], { limitMs: LIMIT_MS });
  await process.stderr.until(/Ready!\n/);
  const bytes = randomBytes(BULK_BYTES);
  const first = await echoed(echo, bytes).catch((cause: unknown) => {
    throw new Error(`It was cut, and the program said: ${process.stderr.text()}`, { cause });
  });
  deepStrictEqual(first, bytes);
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

siteTest(
  "port-forward --udp: datagrams of every length through another stack's forwarder, and after a new build",
  {
    peer: ["--relay-only"],
  },
  async ({ desk, peer }) => {
    using service = loopbackUdp();
    const serving = (async () => {
      for await (const [data, from] of service.conn) await service.conn.send(data.slice(), from);
    })();
    const remote = service.port;
    const port = await freePort();
    await using process = desk.startCommand([
      ...["port-forward", desk.workspace, "--udp", `${LOOPBACK}:${port}:${remote}`],
    ], { limitMs: LIMIT_MS });
    await process.stderr.until(/Ready!\n/);
    const datagrams = [1, 2, 3, 500, 1_231, 1_232].map((length) => randomBytes(length));
    const back = await Promise.all([answered(port, datagrams), answered(port, datagrams)]);
    deepStrictEqual(back, [datagrams, datagrams]);
    await peer.command("new-build");
    await process.stderr.until(/was (stopped|started anew): [^]*Ready!\n/);
    deepStrictEqual(await answered(port, datagrams), datagrams);
    await endOf(process);
    service[Symbol.dispose]();
    await serving;
  },
);

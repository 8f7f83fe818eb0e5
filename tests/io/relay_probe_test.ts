/** The latency probe against relays on loopback: who answers counts, everybody else is left out. */
import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { MAX_PROBES, probeRelays } from "../../lib/io/relay_probe.ts";
import { derpMapOf, rewriteEmbeddedRelay } from "../../lib/tailnet/derp_map.ts";
import { ManualClock } from "../support/manual_clock.ts";
import {
  bytesOf,
  envOf,
  LOOPBACK,
  LoopbackServer,
  readHead,
  relayNode,
  stayDumb,
  writeAll,
} from "./support.ts";

function mapOf(ports: readonly number[], avoid: readonly number[] = []) {
  return derpMapOf(ports.map((port, at) => ({
    id: at + 1,
    code: "r",
    name: `Region ${at + 1}`,
    embeddedRelay: false,
    avoid: avoid.includes(at + 1),
    nodes: [relayNode({ derpPort: port })],
  })));
}

/** An answer, byte by byte; the clock goes on by `ms` first. */
function answering(answer: string, clock: ManualClock, ms: number, heads: string[] = []) {
  return async (conn: Deno.Conn) => {
    heads.push(await readHead(conn));
    clock.advance(ms);
    for (const byte of bytesOf(answer)) await writeAll(conn, new Uint8Array([byte]));
    await stayDumb(conn);
  };
}

Deno.test("probeRelays() measures those that answer with 2xx, wherever the answer is cut", async () => {
  const clock = new ManualClock();
  const heads: string[] = [];
  await using good = new LoopbackServer(answering("HTTP/1.1 200 OK\r\n\r\n", clock, 7, heads));
  await using sorry = new LoopbackServer(answering("HTTP/1.1 503 No\r\n\r\n", clock, 0));
  await using nonsense = new LoopbackServer(answering("SSH-2.0-x\r\n", clock, 0));
  await using rude = new LoopbackServer(async (conn) => void await readHead(conn));
  await using avoided = new LoopbackServer(stayDumb);
  const gone = Deno.listen({ hostname: LOOPBACK, port: 0 });
  gone.close();
  const ports = [good.port, sorry.port, nonsense.port, rude.port, gone.addr.port, avoided.port];
  const latencies = await probeRelays(mapOf(ports, [6]), {
    clock,
    dial: { env: envOf() },
    headers: [["X-Mine", "yes"]],
    timeoutMs: 10_000,
    signal: new AbortController().signal,
  });
  deepStrictEqual([...latencies], [[1, 7]]);
  match(heads[0] ?? "", /^GET \/derp\/latency-check HTTP\/1\.1\r\nHost: 127\.0\.0\.1:\d+\r\n/);
  match(heads[0] ?? "", /\r\nX-Mine: yes\r\n/);
  strictEqual(avoided.count, 0);
  for (const server of [good, sorry, nonsense, rude]) await server.allClosed();
});

Deno.test("probeRelays() waits for nobody beyond its time, nor when it is called off", async (t) => {
  for (const timeoutMs of [50, 60_000]) {
    await t.step(`limit ${timeoutMs}`, async () => {
      await using dumb = new LoopbackServer(stayDumb);
      const off = new AbortController();
      const probing = probeRelays(mapOf([dumb.port]), {
        clock: new ManualClock(),
        dial: { env: envOf() },
        headers: [],
        timeoutMs,
        signal: off.signal,
      });
      while (dumb.count === 0) await new Promise((resolve) => setTimeout(resolve));
      if (timeoutMs > 50) off.abort();
      strictEqual((await probing).size, 0);
      await dumb.allClosed();
    });
  }
});

Deno.test("probeRelays() asks no relay whose name would not stay on its line", async () => {
  for (
    const hostName of ["x\r\nX-Injected: 1", "a b", "evil\r\n\r\nGET /second HTTP/1.1\r\nHost: y"]
  ) {
    await using server = new LoopbackServer(stayDumb);
    const map = derpMapOf([{
      id: 1,
      code: "r",
      name: "Region 1",
      embeddedRelay: false,
      avoid: false,
      nodes: [relayNode({ derpPort: server.port, hostName, ipv4: LOOPBACK })],
    }]);
    const latencies = await probeRelays(map, {
      clock: new ManualClock(),
      dial: { env: envOf() },
      headers: [],
      timeoutMs: 200,
      signal: new AbortController().signal,
    });
    strictEqual(latencies.size, 0);
    strictEqual(server.count, 0);
  }
});

Deno.test("probeRelays() asks no more relays than a bound, however many a map names", async () => {
  const clock = new ManualClock();
  await using server = new LoopbackServer(answering("HTTP/1.1 200 OK\r\n\r\n", clock, 0));
  const ports = new Array<number>(400).fill(server.port);
  const latencies = await probeRelays(mapOf(ports, [1, 2, 3]), {
    clock,
    dial: { env: envOf() },
    headers: [],
    timeoutMs: 10_000,
    signal: new AbortController().signal,
  });
  strictEqual(server.count, MAX_PROBES);
  deepStrictEqual([...latencies.keys()].sort((a, b) => a - b).slice(0, 2), [4, 5]);
});

Deno.test("the user's headers stay at home when a relay is to be asked in the clear, the deployment not", async () => {
  for (
    const [url, isTold] of [["http://[::1]:3000", true], ["https://[::1]:3000", false]] as const
  ) {
    const clock = new ManualClock();
    const heads: string[] = [];
    await using server = new LoopbackServer(answering("HTTP/1.1 200 OK\r\n\r\n", clock, 3, heads));
    const map = rewriteEmbeddedRelay(mapOf([server.port]), new URL(url));
    const latencies = await probeRelays(map, {
      clock,
      dial: { env: envOf() },
      headers: [["CF-Access-Client-Secret", "users-own-secret"]],
      timeoutMs: 10_000,
      signal: new AbortController().signal,
    });
    deepStrictEqual([...latencies], [[1, 3]]);
    strictEqual(heads[0]?.includes("users-own-secret"), isTold, url);
  }
});

Deno.test("a map of a deployment elsewhere has nobody of this machine asked, by literal or by name", async () => {
  for (const hostName of [LOOPBACK, "localhost", "this.localhost"]) {
    await using server = new LoopbackServer(stayDumb);
    const map = derpMapOf([...mapOf([server.port]).regions.values()].map((region) => ({
      ...region,
      nodes: [relayNode({ derpPort: server.port, hostName })],
    })));
    const latencies = await probeRelays(rewriteEmbeddedRelay(map, new URL("https://a.test")), {
      clock: new ManualClock(),
      dial: { env: envOf() },
      headers: [],
      timeoutMs: 5_000,
      signal: new AbortController().signal,
    });
    strictEqual(latencies.size, 0);
    strictEqual(server.count, 0);
  }
});

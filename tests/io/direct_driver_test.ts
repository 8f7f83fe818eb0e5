/** The platform's side of direct paths: what cannot be sent is told once, and everything ends. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { type Log, SILENT_LOG } from "../../lib/base/log.ts";
import { generatePrivateKey, loadAead } from "../../lib/crypto/mod.ts";
import { SystemClock } from "../../lib/io/clock.ts";
import { DirectDriver } from "../../lib/io/direct_driver.ts";
import { randomAddress } from "../../lib/tailnet/address.ts";
import type { Direct } from "../../lib/tailnet/direct.ts";
import { parseEndpoint } from "../../lib/tailnet/endpoint_text.ts";
import { TunnelNode } from "../../lib/tailnet/node.ts";
import { SeededRandom } from "../support/seeded_random.ts";

function newNode(): TunnelNode {
  const random = new SeededRandom(1);
  return new TunnelNode({
    addresses: [randomAddress(random)],
    nodePrivateKey: generatePrivateKey(random),
    discoPrivateKey: generatePrivateKey(random),
    random,
    aead: loadAead(),
    wallMsAtZero: 0,
  });
}

Deno.test("DirectDriver tells each address that cannot be sent to once, listens where it is told, and ends", async () => {
  const node = newNode();
  const told: unknown[] = [];
  const log: Log = { ...SILENT_LOG, debug: (message, fields) => told.push([message, fields?.to]) };
  let used: Direct | undefined;
  let turns = 0;
  const driver = new DirectDriver({
    node,
    use: (make, now) => used = node.useDirect(make, now),
    clock: new SystemClock(),
    log,
    bind: { ipv4: "127.0.0.1" },
    onTurn: () => turns++,
    onFault: (error) => {
      throw error;
    },
  });
  ok(used?.port.isOpen);
  const [own, ...more] = used.paths.endpoints;
  strictEqual(more.length, 0);
  deepStrictEqual(own?.address, parseEndpoint("127.0.0.1:1")?.address);
  // Nobody can be at port 0: the system says so.
  const nowhere = { address: own?.address ?? new Uint8Array(16), port: 0 };
  for (let i = 0; i < 20; i++) ok(used.port.send(new Uint8Array(10), nowhere));
  await driver.drained();
  deepStrictEqual(told, [["cannot send by UDP", "127.0.0.1:0"]]);
  ok(turns >= 20);
  await driver.close();
  await driver.close();
  ok(!used.port.isOpen);
});

Deno.test("a flood through a real socket is counted and answered with nothing, and the socket goes on", async () => {
  const node = newNode();
  let used: Direct | undefined;
  let onTurn = () => {};
  const driver = new DirectDriver({
    node,
    use: (make, now) => used = node.useDirect(make, now),
    clock: new SystemClock(),
    log: SILENT_LOG,
    bind: { ipv4: "127.0.0.1" },
    onTurn: () => onTurn(),
    onFault: (error) => {
      throw error;
    },
  });
  ok(used);
  const to = {
    transport: "udp",
    hostname: "127.0.0.1",
    port: used.paths.endpoints[0]?.port ?? 0,
  } as const;
  const flooder = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  const disco = [0x54, 0x53, 0xf0, 0x9f, 0x92, 0xac];
  const heads = [[1, 0, 0, 0], [2, 0, 0, 0], [3, 0, 0, 0], [4, 0, 0, 0], disco, [1, 1], []];
  const random = new SeededRandom(2);
  let sentBytes = 0;
  const counted = () => Object.values(used?.paths.counters ?? {}).reduce((sum, n) => sum + n, 0);
  /** Sends some, and waits until the last of them was handled: loopback keeps their order, and drops none of so few. */
  const send = async (count: number) => {
    for (let i = 0; i < count; i++) {
      const datagram = new Uint8Array(1 + random.below(1_400));
      random.fill(datagram);
      datagram.set((heads[i % heads.length] ?? []).slice(0, datagram.length));
      sentBytes += await flooder.send(datagram, to);
    }
    while (node.counters.bytesIn < sentBytes) {
      const turn = Promise.withResolvers<void>();
      onTurn = turn.resolve;
      if (node.counters.bytesIn < sentBytes) await turn.promise;
    }
  };
  for (let round = 0; round < 100; round++) await send(32);
  strictEqual(node.counters.bytesIn, sentBytes);
  strictEqual(counted(), 3_200);
  await driver.drained();
  strictEqual(node.counters.bytesOut, 0);
  strictEqual(used.paths.endpoints.length, 1);
  flooder.close();
  await driver.close();
});

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

Deno.test("DirectDriver tells each address that cannot be sent to once, listens where it is told, and ends", async () => {
  const random = new SeededRandom(1);
  const node = new TunnelNode({
    addresses: [randomAddress(random)],
    nodePrivateKey: generatePrivateKey(random),
    discoPrivateKey: generatePrivateKey(random),
    random,
    aead: loadAead(),
    wallMsAtZero: 0,
  });
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

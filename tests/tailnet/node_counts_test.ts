import { deepStrictEqual } from "node:assert/strict";
import { Netstack } from "../../lib/netstack/mod.ts";
import { nodeCounts } from "../../lib/tailnet/node_counts.ts";
import { loadAead } from "../../lib/crypto/mod.ts";
import { WireguardDevice } from "../../lib/wireguard/mod.ts";
import { SeededRandom } from "../support/seeded_random.ts";

Deno.test("nodeCounts() names what happened, drops by their reason, and nothing else", () => {
  const random = new SeededRandom(1);
  const netstack = new Netstack({ addresses: [new Uint8Array(16).fill(1)], random });
  const privateKey = new Uint8Array(32).fill(7);
  const wireguard = new WireguardDevice({ privateKey, random, aead: loadAead(), wallMsAtZero: 0 });
  netstack.handlePacket(new Uint8Array(3), 0);
  wireguard.handleDatagram(new Uint8Array(5), 0);
  const counters = { unroutable: 0, unsendable: 2, unknown: 0, bytesIn: 10, bytesOut: 0 };
  const links = [{ name: "relay 1", droppedFrames: 0 }, { name: "relay 2", droppedFrames: 4 }];
  deepStrictEqual(nodeCounts({ counters, netstack, relays: { links: () => links } }, wireguard), {
    "node.unsendable": 2,
    "node.bytesIn": 10,
    "netstack.packetsIn": 1,
    "wireguard.dropped malformed": 1,
    [`netstack.dropped ${[...netstack.counters.drops.keys()][0]}`]: 1,
    "relay 2.dropped frames": 4,
  });
});

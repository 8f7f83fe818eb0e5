/** Nodes and identities for tests of the control plane. */
import { addressOfUuid, formatUuid, randomUuid } from "../../lib/tailnet/address.ts";
import type { TailnetNode } from "../../lib/tailnet/node_message.ts";
import { SeededRandom } from "../support/seeded_random.ts";

export function testUuid(seed: number): string {
  return formatUuid(randomUuid(new SeededRandom(seed)));
}

/** A node whose keys and address follow from `seed`, or whose address is that of `uuid`. */
export function testNode(seed: number, uuid?: Uint8Array): TailnetNode {
  const random = new SeededRandom(seed);
  const key = new Uint8Array(32);
  const disco = new Uint8Array(32);
  random.fill(key);
  random.fill(disco);
  const address = addressOfUuid(uuid ?? randomUuid(random));
  return {
    id: BigInt(seed) + 1n,
    asOfMs: 1_700_000_000_000 + seed,
    key,
    disco,
    preferredDerp: 999,
    derpLatency: new Map(),
    derpForcedWebsocket: new Map(),
    addresses: [address],
    allowedIps: [address],
    endpoints: [],
  };
}

/** What a node of the tailnet takes from whoever describes its peers, and what it leaves alone. */
import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { generatePrivateKey, loadAead, publicKey } from "../../lib/crypto/mod.ts";
import { randomAddress } from "../../lib/tailnet/address.ts";
import { TunnelNode, type TunnelPeer } from "../../lib/tailnet/node.ts";
import { RelayLink } from "../../lib/tailnet/relay_link.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { mapOf } from "./sim/world.ts";

const random = new SeededRandom(5);
const AEAD = loadAead();

function newNode(): TunnelNode {
  return new TunnelNode({
    addresses: [randomAddress(random)],
    nodePrivateKey: generatePrivateKey(random),
    discoPrivateKey: generatePrivateKey(random),
    random,
    aead: AEAD,
    wallMsAtZero: 0,
  });
}

function newPeer(over: Partial<TunnelPeer> = {}): TunnelPeer {
  return {
    id: "peer",
    nodeKey: publicKey(generatePrivateKey(random)),
    discoKey: publicKey(generatePrivateKey(random)),
    addresses: [randomAddress(random)],
    homeRegion: 999,
    ...over,
  };
}

function dialledRegions(node: TunnelNode): number[] {
  const regions: number[] = [];
  for (let e = node.relays.pollEvent(); e; e = node.relays.pollEvent()) {
    if (e.kind === "dial" && e.line instanceof RelayLink) regions.push(e.line.region);
  }
  return regions;
}

Deno.test("TunnelNode.upsertPeer() tells a peer that is new, the same, or another under the same id", () => {
  const node = newNode();
  const peer = newPeer();
  strictEqual(node.upsertPeer(peer, 0), "added");
  strictEqual(node.upsertPeer({ ...peer, homeRegion: 5 }, 0), "updated");
  strictEqual(node.upsertPeer({ ...newPeer(), discoKey: peer.discoKey }, 0), "replaced");
});

Deno.test("TunnelNode.upsertPeer() takes a peer with more addresses than it keeps", () => {
  const node = newNode();
  const addresses = Array.from({ length: 100 }, () => randomAddress(random));
  strictEqual(node.upsertPeer(newPeer({ addresses }), 0), "added");
});

Deno.test("TunnelNode.upsertPeer() refuses one peer too many, and no known one", () => {
  const node = newNode();
  const { nodeKey, discoKey, addresses } = newPeer();
  const peer = (id: number) => ({ id: String(id), nodeKey, discoKey, addresses, homeRegion: 0 });
  for (let id = 0; id < 4_096; id++) node.upsertPeer(peer(id), 0);
  throws(() => node.upsertPeer(peer(5_000), 0), /4096 peers are the limit/);
  strictEqual(node.upsertPeer(peer(7), 0), "updated");
});

Deno.test("TunnelNode.setMap() connects to relays of peers that were not on the map before", () => {
  const node = newNode();
  node.setMap(mapOf([999]), { forcesWebsocket: false }, 0);
  node.upsertPeer(newPeer({ homeRegion: 5 }), 0);
  deepStrictEqual(dialledRegions(node), []);
  node.setMap(mapOf([999, 5]), { forcesWebsocket: false }, 0);
  deepStrictEqual(dialledRegions(node), [5]);
});

Deno.test("TunnelNode.initiate() begins nothing that could not leave", () => {
  const node = newNode();
  node.upsertPeer(newPeer(), 0);
  node.initiate("peer", 0);
  node.initiate("nobody", 0);
  node.pump(0);
  strictEqual(node.counters.unsendable, 0);
  ok(!node.canSend("peer", 0));
});

Deno.test("TunnelNode.close() forgets its peers", () => {
  const node = newNode();
  node.upsertPeer(newPeer(), 0);
  node.close();
  strictEqual(node.pollTimeout(), undefined);
  strictEqual(node.wireguardOf("peer")?.lastHandshakeAt, undefined);
});

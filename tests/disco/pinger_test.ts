/** Two `DiscoPinger`s face to face, and what a stranger, a liar or a late answer achieve. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { toHex } from "../../lib/base/bytes.ts";
import { precomputeBox } from "../../lib/crypto/box.ts";
import { generatePrivateKey, publicKey } from "../../lib/crypto/x25519.ts";
import { relayEndpoint } from "../../lib/disco/endpoint.ts";
import { mapIpv4 } from "../../lib/wire/endpoint.ts";
import {
  MAX_OUTSTANDING_PINGS,
  OutstandingPings,
  PING_LIFETIME_MS,
} from "../../lib/disco/outstanding_pings.ts";
import { encodePong } from "../../lib/disco/message.ts";
import { PADDED_PACKET_BYTES, sealDisco } from "../../lib/disco/packet.ts";
import { type DiscoPath, DiscoPinger, type DiscoSource } from "../../lib/disco/pinger.ts";
import { SeededRandom } from "../support/seeded_random.ts";

const OUR_ENDPOINT = { address: mapIpv4(new Uint8Array([192, 0, 2, 1])), port: 1111 };
const THEIR_ENDPOINT = { address: mapIpv4(new Uint8Array([192, 0, 2, 2])), port: 2222 };
const TO_THEM: DiscoPath = { kind: "udp", endpoint: THEIR_ENDPOINT };
const FROM_US: DiscoSource = { kind: "udp", endpoint: OUR_ENDPOINT };
const FROM_THEM: DiscoSource = { kind: "udp", endpoint: THEIR_ENDPOINT };
const RELAY: DiscoPath = { kind: "relay", regionId: 999 };

interface Side {
  readonly pinger: DiscoPinger;
  readonly nodeKey: Uint8Array;
}

function makeSide(random: SeededRandom): Side {
  const nodeKey = publicKey(generatePrivateKey(random));
  const privateKey = generatePrivateKey(random);
  return { pinger: new DiscoPinger({ privateKey, nodePublicKey: nodeKey, random }), nodeKey };
}

function meet(us: Side, them: Side): void {
  assert(us.pinger.addPeer("them", { discoKey: them.pinger.publicKey, nodeKey: them.nodeKey }));
  assert(them.pinger.addPeer("us", { discoKey: us.pinger.publicKey, nodeKey: us.nodeKey }));
}

function makePair(seed = 1): { us: Side; them: Side; random: SeededRandom } {
  const random = new SeededRandom(seed);
  const us = makeSide(random);
  const them = makeSide(random);
  meet(us, them);
  return { us, them, random };
}

/** Our ping and their pong, both as packets. */
function exchange(us: Side, them: Side, path: DiscoPath, seen: DiscoSource, now: number) {
  const ping = us.pinger.ping("them", path, now);
  assert(ping);
  const answer = them.pinger.handlePacket(ping, seen, now);
  assert(answer.kind === "ping", JSON.stringify(answer));
  return { ping, pong: answer.pong };
}

Deno.test("DiscoPinger measures latency over UDP with full-sized packets (magicsock endpoint.go handlePongConnLocked)", () => {
  const { us, them } = makePair();
  const { ping, pong } = exchange(us, them, TO_THEM, FROM_US, 1_000);
  assert.equal(ping.length, PADDED_PACKET_BYTES);
  assert.equal(pong.length, 110);
  const elsewhere: DiscoSource = { kind: "udp", endpoint: { ...THEIR_ENDPOINT, port: 3333 } };
  assert.deepEqual(us.pinger.handlePacket(pong, elsewhere, 1_042), {
    kind: "pong",
    peerId: "them",
    path: TO_THEM,
    latencyMs: 42,
    packetBytes: PADDED_PACKET_BYTES,
    observed: OUR_ENDPOINT,
  });
});

Deno.test("DiscoPinger pings over a relay with small packets, which report the region", () => {
  const { us, them } = makePair();
  const seen: DiscoSource = { kind: "relay", regionId: 999, nodeKey: us.nodeKey };
  const { ping, pong } = exchange(us, them, RELAY, seen, 0);
  assert.deepEqual([ping.length, pong.length], [124, 110]);
  const back: DiscoSource = { kind: "relay", regionId: 999, nodeKey: them.nodeKey };
  const result = us.pinger.handlePacket(pong, back, 80);
  assert(result.kind === "pong");
  assert.deepEqual(result.path, RELAY);
  assert.deepEqual(result.observed, relayEndpoint(999));
});

Deno.test("DiscoPinger takes a pong once and not after its lifetime", () => {
  const { us, them } = makePair();
  const unknown = { kind: "dropped", reason: "unknown-ping" };
  const first = exchange(us, them, TO_THEM, FROM_US, 0).pong;
  assert.equal(us.pinger.handlePacket(first, FROM_THEM, 1).kind, "pong");
  assert.deepEqual(us.pinger.handlePacket(first, FROM_THEM, 2), unknown);
  const intime = exchange(us, them, TO_THEM, FROM_US, 10).pong;
  assert.equal(us.pinger.handlePacket(intime, FROM_THEM, 9 + PING_LIFETIME_MS).kind, "pong");
  const late = exchange(us, them, TO_THEM, FROM_US, 6_000).pong;
  assert.deepEqual(us.pinger.handlePacket(late, FROM_THEM, 6_000 + PING_LIFETIME_MS), unknown);
});

Deno.test("DiscoPinger takes a pong from the pinged peer only, as it was when pinged", () => {
  const random = new SeededRandom(4);
  const them = makeSide(random);
  const otherKey = generatePrivateKey(random);
  const sameEachTime = { fill: (bytes: Uint8Array) => void bytes.fill(7) };
  const us = new DiscoPinger({
    privateKey: generatePrivateKey(random),
    nodePublicKey: them.nodeKey,
    random: sameEachTime,
  });
  us.addPeer("them", { discoKey: them.pinger.publicKey, nodeKey: them.nodeKey });
  us.addPeer("other", { discoKey: publicKey(otherKey), nodeKey: publicKey(otherKey) });
  them.pinger.addPeer("us", { discoKey: us.publicKey, nodeKey: them.nodeKey });
  const key = precomputeBox(otherKey, us.publicKey);
  assert(key);
  const message = encodePong({ transactionId: new Uint8Array(12).fill(7), source: OUR_ENDPOINT });
  const nonce = new Uint8Array(24);
  const forged = sealDisco(key, { senderKey: publicKey(otherKey), nonce, message });
  const unknown = { kind: "dropped", reason: "unknown-ping" };

  const ping = us.ping("them", TO_THEM, 0);
  assert(ping);
  const answer = them.pinger.handlePacket(ping, FROM_US, 0);
  assert(answer.kind === "ping");
  assert.deepEqual(us.handlePacket(forged, FROM_THEM, 1), unknown);
  us.removePeer("them");
  us.addPeer("them", { discoKey: them.pinger.publicKey, nodeKey: them.nodeKey });
  assert.deepEqual(us.handlePacket(answer.pong, FROM_THEM, 2), unknown);
});

Deno.test("DiscoPinger ignores whom it does not know, and whom the relay knows by another name", () => {
  const { us, them, random } = makePair();
  const stranger = makeSide(random);
  stranger.pinger.addPeer("them", { discoKey: them.pinger.publicKey, nodeKey: them.nodeKey });
  const ping = stranger.pinger.ping("them", TO_THEM, 0);
  assert(ping);
  const unknown = { kind: "dropped", reason: "unknown-sender" };
  assert.deepEqual(them.pinger.handlePacket(ping, FROM_US, 0), unknown);
  const ours = us.pinger.ping("them", RELAY, 0);
  assert(ours);
  const liar: DiscoSource = { kind: "relay", regionId: 1, nodeKey: stranger.nodeKey };
  assert.deepEqual(them.pinger.handlePacket(ours, liar, 0), unknown);
});

Deno.test("DiscoPinger drops with a reason what it cannot use", () => {
  const random = new SeededRandom(3);
  const them = makeSide(random);
  const privateKey = generatePrivateKey(random);
  const senderKey = publicKey(privateKey);
  assert(them.pinger.addPeer("us", { discoKey: senderKey, nodeKey: senderKey }));
  const key = precomputeBox(privateKey, them.pinger.publicKey);
  assert(key);
  const seal = (...message: number[]) =>
    sealDisco(key, { senderKey, nonce: new Uint8Array(24), message: new Uint8Array(message) });
  const reasonOf = (packet: Uint8Array) => {
    const result = them.pinger.handlePacket(packet, FROM_US, 0);
    return result.kind === "dropped" ? result.reason : result.kind;
  };
  assert.equal(reasonOf(new Uint8Array(100)), "not-disco");
  assert.equal(reasonOf(seal(1, 0, 7)), "malformed");
  assert.equal(reasonOf(seal(9, 0)), "malformed");
  assert.equal(reasonOf(seal(1, 0, ...new Array<number>(12).fill(0))), "short-ping");
  const forged = seal(1, 0, ...new Array<number>(44).fill(0));
  assert.equal(reasonOf(forged), "ping");
  forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1;
  assert.equal(reasonOf(forged), "unauthentic");
});

Deno.test("DiscoPinger answers an address with no more than it asked with", () => {
  const { us, them } = makePair();
  for (const paddedBytes of [0, 125, 600, PADDED_PACKET_BYTES - 1, PADDED_PACKET_BYTES, 9_000]) {
    const ping = us.pinger.ping("them", TO_THEM, 0, { paddedBytes });
    assert(ping);
    assert.equal(ping.length, Math.max(124, paddedBytes));
    const answer = them.pinger.handlePacket(ping, FROM_US, 0);
    assert(answer.kind === "ping");
    assert.equal(answer.packetBytes, ping.length);
    assert(answer.pong.length <= ping.length);
    const pong = us.pinger.handlePacket(answer.pong, FROM_THEM, 1);
    assert(pong.kind === "pong");
    assert.equal(pong.packetBytes, ping.length);
  }
});

Deno.test("DiscoPinger answers a ping once for each address it comes from", () => {
  const { us, them } = makePair();
  const repeated = { kind: "dropped", reason: "repeated-ping" };
  const elsewhere: DiscoSource = { kind: "udp", endpoint: { ...OUR_ENDPOINT, port: 3 } };
  const { ping } = exchange(us, them, TO_THEM, elsewhere, 0);
  // Who was faster from another address does not keep the true one from its answer.
  assert.equal(them.pinger.handlePacket(ping, FROM_US, 1).kind, "ping");
  assert.deepEqual(them.pinger.handlePacket(ping, FROM_US, 2), repeated);
  for (let i = 0; i < 40; i++) exchange(us, them, TO_THEM, FROM_US, 3);
  assert.deepEqual(them.pinger.handlePacket(ping, FROM_US, 4), repeated);
});

Deno.test("DiscoPinger takes no pong over a relay for a ping to an address, nor the other way", () => {
  const { us, them } = makePair();
  const unknown = { kind: "dropped", reason: "unknown-ping" };
  const relayed: DiscoSource = { kind: "relay", regionId: 1, nodeKey: them.nodeKey };
  const { pong } = exchange(us, them, TO_THEM, FROM_US, 0);
  assert.deepEqual(us.pinger.handlePacket(pong, relayed, 1), unknown);
  assert.equal(us.pinger.handlePacket(pong, FROM_THEM, 2).kind, "pong");
  const seen: DiscoSource = { kind: "relay", regionId: 1, nodeKey: us.nodeKey };
  const over = exchange(us, them, RELAY, seen, 3).pong;
  assert.deepEqual(us.pinger.handlePacket(over, FROM_THEM, 4), unknown);
});

Deno.test("DiscoPinger believes call-me-maybe over a relay only", () => {
  const { us, them } = makePair();
  const packet = us.pinger.callMeMaybe("them", [OUR_ENDPOINT]);
  assert(packet);
  const relay: DiscoSource = { kind: "relay", regionId: 1, nodeKey: us.nodeKey };
  assert.deepEqual(them.pinger.handlePacket(packet, relay, 0), {
    kind: "callMeMaybe",
    peerId: "us",
    endpoints: [OUR_ENDPOINT],
  });
  assert.deepEqual(them.pinger.handlePacket(packet, FROM_US, 0), {
    kind: "dropped",
    reason: "wrong-path",
  });
});

Deno.test("DiscoPinger.addPeer() is idempotent, replaces other keys and refuses the zero key", () => {
  const { us, them, random } = makePair();
  const keys = { discoKey: them.pinger.publicKey, nodeKey: them.nodeKey };
  const { pong } = exchange(us, them, TO_THEM, FROM_US, 0);
  assert(us.pinger.addPeer("them", keys));
  assert.equal(us.pinger.handlePacket(pong, FROM_THEM, 1).kind, "pong");
  const reborn = makeSide(random);
  meet(us, reborn);
  assert.equal(exchange(us, reborn, TO_THEM, FROM_US, 2).ping.length, PADDED_PACKET_BYTES);
  assert(!us.pinger.addPeer("them", { ...keys, discoKey: new Uint8Array(32) }));
  assert.equal(us.pinger.ping("them", RELAY, 3), undefined);
  assert.equal(us.pinger.callMeMaybe("them", []), undefined);
});

Deno.test("DiscoPinger never sends the same transaction id or nonce twice", () => {
  const { us } = makePair();
  const packets = Array.from({ length: 50 }, (_, now) => us.pinger.ping("them", RELAY, now));
  assert.equal(new Set(packets.map((packet) => packet && toHex(packet.subarray(38, 62)))).size, 50);
  assert.equal(new Set(packets.map((packet) => packet && toHex(packet.subarray(62)))).size, 50);
});

Deno.test("OutstandingPings forgets the oldest beyond its bound", () => {
  const pings = new OutstandingPings<number>();
  const idOf = (i: number) => new Uint8Array([i >> 8, i & 255]);
  const isAny = () => true;
  for (let i = 0; i <= MAX_OUTSTANDING_PINGS; i++) pings.add(idOf(i), i, i);
  assert.equal(pings.size, MAX_OUTSTANDING_PINGS);
  assert.equal(pings.take(idOf(0), isAny, 300), undefined);
  assert.equal(pings.take(idOf(1), isAny, 300)?.subject, 1);
  pings.expire(300 + PING_LIFETIME_MS);
  assert.equal(pings.size, 0);
});

Deno.test("DiscoPinger.handlePacket() throws for no bytes at all", () => {
  const { us, them } = makePair();
  const real = us.pinger.ping("them", RELAY, 0);
  assert(real);
  const mutated = fc.tuple(fc.nat(real.length - 1), fc.nat(255)).map(([at, value]) => {
    const bytes = new Uint8Array(real);
    bytes[at] = value;
    return bytes;
  });
  fc.assert(fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), mutated), (bytes) => {
    them.pinger.handlePacket(bytes, FROM_US, 0);
  }));
});

import { ok, strictEqual, throws } from "node:assert";
import { toHex } from "../../lib/base/bytes.ts";
import { generatePrivateKey } from "../../lib/crypto/x25519.ts";
import type { DropReason } from "../../lib/wireguard/counters.ts";
import type { WireguardDevice } from "../../lib/wireguard/device.ts";
import type { InboundNone } from "../../lib/wireguard/inbound.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import {
  address,
  idOf,
  ipv6Packet,
  Pair,
  type PairOptions,
  sealCopy,
  sharedAead,
  WALL_MS_AT_ZERO,
} from "./support.ts";

function required<Type>(value: Type | undefined): Type {
  if (value === undefined) throw new Error("Value is undefined");
  return value;
}

/** A pair whose devices are driven by hand; nothing goes over its links. */
function byHand(options: PairOptions = {}) {
  const pair = new Pair(new SeededRandom(7), options);
  const a = pair.a.device;
  const b = pair.b.device;
  const peerB = required(pair.a.peer);
  const peerA = required(pair.b.peer);
  return { pair, a, b, peerA, peerB };
}

function transmitted(device: WireguardDevice): Uint8Array {
  return required(device.pollTransmit()).datagram;
}

/** Both devices with a session that both can send with, at instant `now`; all queues empty. */
function connected(options: PairOptions = {}, now = 1_000) {
  const hand = byHand(options);
  hand.a.initiate(hand.peerB, now);
  hand.b.handleDatagram(transmitted(hand.a), now);
  hand.a.handleDatagram(transmitted(hand.b), now);
  hand.b.handleDatagram(transmitted(hand.a), now);
  ok(hand.a.canSeal(hand.peerB, now) && hand.b.canSeal(hand.peerA, now));
  while (hand.a.pollEvent() !== undefined || hand.b.pollEvent() !== undefined);
  return hand;
}

function assertDropped(
  device: WireguardDevice,
  reason: DropReason,
  datagram: Uint8Array,
  now: number,
): InboundNone {
  const before = device.counters.drops[reason];
  const total = device.counters.dropsTotal;
  const inbound = device.handleDatagram(datagram, now);
  if (inbound.kind !== "none") throw new Error(`Not dropped: ${inbound.kind}`);
  strictEqual(inbound.reason, reason);
  strictEqual(device.counters.drops[reason], before + 1);
  strictEqual(device.counters.dropsTotal, total + 1);
  return inbound;
}

Deno.test("WireguardDevice.seal() works in place at an offset, and the peer gets the packet", () => {
  const { a, b, peerB } = connected();
  for (const payloadBytes of [0, 4, 5, 60, 1239, 1240]) {
    const packet = ipv6Packet({ payloadBytes });
    const buffer = new Uint8Array(5 + 16 + packet.length + 31).fill(0xee);
    buffer.set(packet, 5 + 16);
    const length = a.seal(peerB, buffer, 5, packet.length, 1_000);
    strictEqual(toHex(buffer.subarray(0, 5)), "eeeeeeeeee");
    const inbound = b.handleDatagram(buffer.subarray(5, 5 + length), 1_000);
    ok(inbound.kind === "data");
    strictEqual(toHex(inbound.packet), toHex(packet));
    strictEqual(inbound.packet.buffer, buffer.buffer); // a view, not a copy
  }
  strictEqual(a.counters.packetsSent, 6);
  strictEqual(b.counters.packetsReceived, 6);
});

Deno.test("WireguardDevice.seal() throws when the buffer has no room for padding and tag", () => {
  const { a, peerB } = connected();
  throws(() => a.seal(peerB, new Uint8Array(16 + 33 + 15 + 15), 0, 33, 1_000), RangeError);
  throws(() => a.seal(peerB, new Uint8Array(100), -1, 10, 1_000), RangeError);
  strictEqual(a.seal(peerB, new Uint8Array(16 + 33 + 15 + 16), 0, 33, 1_000), 80);
});

Deno.test("WireguardDevice.seal() begins a handshake when there is no session, once", () => {
  const { a, peerB } = byHand();
  strictEqual(sealCopy(a, peerB, ipv6Packet(), 1_000), undefined);
  strictEqual(sealCopy(a, peerB, ipv6Packet(), 1_100), undefined);
  strictEqual(transmitted(a).length, 148);
  strictEqual(a.pollTransmit(), undefined);
});

Deno.test("WireguardDevice.initiate() keeps its gap: 250 ms without a session, 5 s with one", () => {
  const { a, peerB } = byHand();
  a.initiate(peerB, 1_000);
  a.initiate(peerB, 1_249);
  transmitted(a);
  strictEqual(a.pollTransmit(), undefined);
  a.initiate(peerB, 1_250);
  transmitted(a);

  const hand = connected({}, 1_000);
  hand.a.initiate(hand.peerB, 5_999);
  strictEqual(hand.a.pollTransmit(), undefined);
  hand.a.initiate(hand.peerB, 6_000);
  strictEqual(transmitted(hand.a).length, 148);
});

Deno.test("WireguardDevice.initiate() within its gap is made up for when the gap is over", () => {
  const { a, peerB } = byHand();
  a.initiate(peerB, 1_000, { minGapMs: 40 });
  transmitted(a);
  a.initiate(peerB, 1_010, { minGapMs: 40 });
  strictEqual(a.pollTransmit(), undefined);
  strictEqual(a.pollTimeout(), 1_040);
  a.handleTimeout(1_040);
  strictEqual(transmitted(a).length, 148);
  // Asked for once: the next one is the first of the quick retries, which the early one did not use up.
  const retryAt = required(a.pollTimeout());
  ok(retryAt >= 1_540 && retryAt < 1_590, `at ${retryAt}`);
});

Deno.test("WireguardDevice.initiate() right after an answer to somebody who has gone on since is made up for", () => {
  const { a, b, peerA, peerB } = byHand();
  a.initiate(peerB, 1_000);
  const stale = transmitted(a); // waits in a socket while the machine of b sleeps
  b.handleDatagram(stale, 100_000);
  transmitted(b); // nobody waits for this answer any more
  b.initiate(peerA, 100_020);
  strictEqual(b.pollTransmit(), undefined);
  strictEqual(b.pollTimeout(), 100_250);
  b.handleTimeout(100_250);
  strictEqual(transmitted(b).length, 148);
});

Deno.test("WireguardDevice.seal() gives an initiator a second to show that it has our answer, and no more", () => {
  const { a, b, peerA, peerB } = byHand();
  a.initiate(peerB, 1_000);
  b.handleDatagram(transmitted(a), 100_000);
  transmitted(b);
  strictEqual(sealCopy(b, peerA, ipv6Packet(), 100_010), undefined);
  strictEqual(b.pollTransmit(), undefined);
  b.handleTimeout(100_999);
  strictEqual(b.pollTransmit(), undefined);
  b.handleTimeout(101_000);
  strictEqual(transmitted(b).length, 148);
});

Deno.test("WireguardDevice.seal() begins nothing beside an initiator that shows in time that it has our answer", () => {
  const { a, b, peerA, peerB } = byHand();
  a.initiate(peerB, 1_000);
  b.handleDatagram(transmitted(a), 1_020);
  a.handleDatagram(transmitted(b), 1_040);
  strictEqual(sealCopy(b, peerA, ipv6Packet(), 1_050), undefined);
  b.handleDatagram(transmitted(a), 1_060);
  b.handleTimeout(5_000);
  strictEqual(b.pollTransmit(), undefined);
  ok(b.canSeal(peerA, 5_000));
});

Deno.test("WireguardDevice.handleDatagram() drops replayed data (whitepaper §5.4.6)", () => {
  const { a, b, peerB } = connected();
  const datagram = required(sealCopy(a, peerB, ipv6Packet({ id: 5 }), 1_000));
  const copy = new Uint8Array(datagram);
  ok(b.handleDatagram(datagram, 1_000).kind === "data");
  assertDropped(b, "replayed", copy, 1_000);
});

Deno.test("WireguardDevice.handleDatagram() drops data that was changed, and takes the original", () => {
  const { a, b, peerB } = connected();
  const datagram = required(sealCopy(a, peerB, ipv6Packet({ id: 5 }), 1_000));
  for (const at of [8, 15, 16, 40, datagram.length - 1]) {
    const forged = new Uint8Array(datagram);
    forged[at] = (forged[at] ?? 0) ^ 0x10;
    const reason = at === 15 ? "counter-limit" : "bad-tag";
    strictEqual(assertDropped(b, reason, forged, 1_000).peer, undefined);
  }
  const elsewhere = new Uint8Array(datagram);
  elsewhere[4] = (elsewhere[4] ?? 0) ^ 1;
  assertDropped(b, "unknown-index", elsewhere, 1_000);
  const inbound = b.handleDatagram(datagram, 1_000);
  ok(inbound.kind === "data" && idOf(inbound.packet) === 5);
});

Deno.test("WireguardDevice.handleDatagram() drops data older than 180 s (whitepaper §6.2)", () => {
  const { a, b, peerB } = connected();
  const early = required(sealCopy(a, peerB, ipv6Packet(), 1_000));
  const late = new Uint8Array(early);
  ok(b.handleDatagram(early, 180_999).kind === "data");
  assertDropped(b, "expired-session", late, 181_000);
});

Deno.test("WireguardDevice.handleDatagram() drops sources that are not allowed (whitepaper §2)", () => {
  const { a, b, peerA, peerB } = connected();
  b.addPeer({ publicKey: a.publicKey, allowedAddresses: [address(1)] }, 1_000);
  const good = required(sealCopy(a, peerB, ipv6Packet({ source: address(1) }), 1_000));
  ok(b.handleDatagram(good, 1_000).kind === "data");
  const bad = required(sealCopy(a, peerB, ipv6Packet({ source: address(3) }), 1_000));
  strictEqual(assertDropped(b, "source-not-allowed", bad, 1_000).peer, peerA);
});

Deno.test("WireguardDevice.handleDatagram() drops an initiation that came before (whitepaper §5.1)", () => {
  const { a, b, peerB } = byHand();
  a.initiate(peerB, 1_000);
  const first = transmitted(a);
  a.initiate(peerB, 2_000);
  const second = transmitted(a);
  strictEqual(b.handleDatagram(second, 2_000).kind, "none");
  transmitted(b);
  assertDropped(b, "old-timestamp", new Uint8Array(second), 3_000);
  assertDropped(b, "old-timestamp", first, 3_000);
  strictEqual(b.pollTransmit(), undefined);
});

Deno.test("WireguardDevice.handleDatagram() wants more than 20 ms between initiations", () => {
  const { a, b, peerB } = byHand();
  a.initiate(peerB, 1_000);
  const first = transmitted(a);
  a.initiate(peerB, 2_000);
  const second = transmitted(a);
  b.handleDatagram(first, 2_000);
  assertDropped(b, "initiation-flood", new Uint8Array(second), 2_020);
  const inbound = b.handleDatagram(second, 2_021);
  ok(inbound.kind === "none" && inbound.reason === "initiation");
});

Deno.test("WireguardDevice.handleDatagram() says nothing to strangers (whitepaper §5.1)", () => {
  const { pair, a, b } = byHand();
  const stranger = pair.makeDevice();
  stranger.initiate(stranger.addPeer({ publicKey: b.publicKey }, 1_000), 1_000);
  const initiation = transmitted(stranger);
  assertDropped(a, "bad-mac1", new Uint8Array(initiation), 1_000); // made for b
  assertDropped(b, "unknown-peer", initiation, 1_000);
  strictEqual(b.pollTransmit(), undefined);
});

Deno.test("WireguardDevice.handleDatagram() drops responses to nothing", () => {
  const { a, b, peerB } = byHand();
  a.initiate(peerB, 1_000);
  b.handleDatagram(transmitted(a), 1_000);
  const response = transmitted(b);
  const forged = new Uint8Array(response);
  forged[30] = (forged[30] ?? 0) ^ 1;
  assertDropped(a, "bad-mac1", forged, 1_000);
  const copy = new Uint8Array(response);
  a.handleDatagram(response, 1_000);
  assertDropped(a, "unexpected-response", copy, 1_000); // the index is a session's by now
});

Deno.test("WireguardDevice limits the key exchanges of a second", () => {
  const { a, b, peerB } = byHand({ b: { maxPerSecond: 2, underLoadAbovePerSecond: 100 } });
  const initiations = [0, 1, 2].map((i) => {
    a.initiate(peerB, 1_000 + 300 * i);
    return transmitted(a);
  });
  const [first, second, third] = initiations;
  b.handleDatagram(required(first), 2_000);
  b.handleDatagram(required(second), 2_030);
  assertDropped(b, "rate-limited", new Uint8Array(required(third)), 2_060);
  const inbound = b.handleDatagram(required(third), 3_000);
  ok(inbound.kind === "none" && inbound.reason === "initiation");
});

Deno.test("WireguardDevice.addPeer() is idempotent by key, removePeer() forgets and wipes", () => {
  const { a, b, peerB } = connected();
  strictEqual(a.addPeer({ publicKey: b.publicKey }, 1_000), peerB);
  const datagram = required(sealCopy(b, required(b.peerOf(a.publicKey)), ipv6Packet(), 1_000));
  a.removePeer(peerB);
  strictEqual(a.peerOf(b.publicKey), undefined);
  ok(!a.canSeal(peerB, 1_000));
  assertDropped(a, "unknown-index", datagram, 1_000);
  a.initiate(peerB, 9_000);
  strictEqual(sealCopy(a, peerB, ipv6Packet(), 9_000), undefined);
  strictEqual(a.pollTransmit(), undefined);
  strictEqual(a.pollTimeout(), undefined);
});

Deno.test("WireguardDevice.removePeer() leaves a peer alone that was added again under the same key", () => {
  const { a, b, peerB } = connected();
  a.removePeer(peerB);
  const again = a.addPeer({ publicKey: b.publicKey }, 1_000);
  a.removePeer(peerB);
  strictEqual(a.peerOf(b.publicKey), again);
});

Deno.test("WireguardDevice.close() removes every peer and takes no handshake any more", () => {
  const { a, b, peerA, peerB } = connected();
  b.close();
  strictEqual(b.peerOf(a.publicKey), undefined);
  ok(!b.canSeal(peerA, 1_000));
  a.initiate(peerB, 9_000);
  assertDropped(b, "bad-initiation", transmitted(a), 9_000);
  strictEqual(b.pollTimeout(), undefined);
});

Deno.test("WireguardDevice neither throws nor sends for a peer whose key is of small order", () => {
  const { a } = byHand();
  const peer = a.addPeer({ publicKey: new Uint8Array(32) }, 1_000);
  a.initiate(peer, 1_000);
  strictEqual(sealCopy(a, peer, ipv6Packet(), 1_000), undefined);
  strictEqual(a.pollTransmit(), undefined);
});

Deno.test("WireguardDevice renews a session by counter in either role (whitepaper §6.2)", () => {
  const { a, b, peerA, peerB } = connected({
    a: { rekeyAfterMessages: 10 },
    b: { rekeyAfterMessages: 10 },
  }, 1_000);
  for (let i = 0; i < 9; i++) sealCopy(a, peerB, ipv6Packet(), 7_000); // the keepalive was the first
  strictEqual(a.pollTransmit(), undefined);
  sealCopy(a, peerB, ipv6Packet(), 7_000);
  strictEqual(transmitted(a).length, 148);
  for (let i = 0; i < 10; i++) sealCopy(b, peerA, ipv6Packet(), 7_000);
  strictEqual(b.pollTransmit(), undefined);
  sealCopy(b, peerA, ipv6Packet(), 7_000);
  strictEqual(transmitted(b).length, 148);
});

Deno.test("WireguardDevice refuses a private key of the wrong length", () => {
  const { pair } = byHand();
  throws(() => pair.makeDevice({ privateKey: new Uint8Array(31) }), RangeError);
  throws(() => pair.makeDevice({ maxPerSecond: 0 }), RangeError);
  const random = new SeededRandom(1);
  const device = pair.makeDevice({
    privateKey: generatePrivateKey(random),
    random,
    aead: sharedAead(),
    wallMsAtZero: WALL_MS_AT_ZERO,
  });
  throws(() => device.addPeer({ publicKey: new Uint8Array(33) }, 0), RangeError);
  const publicKey = new Uint8Array(32).fill(9);
  throws(
    () => device.addPeer({ publicKey, allowedAddresses: [new Uint8Array(4)] }, 0),
    RangeError,
  );
});

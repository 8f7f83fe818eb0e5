/** What strangers, a hostile coordinator and a hostile peer achieve against direct paths: counted, bounded, nothing more. */
import assert from "node:assert/strict";
import { ByteWriter } from "../../../lib/base/bytes.ts";
import { encodeStunResponse } from "../../../lib/disco/mod.ts";
import { generatePrivateKey, publicKey } from "../../../lib/crypto/x25519.ts";
import { DiscoPinger } from "../../../lib/disco/mod.ts";
import { MAX_ANNOUNCED, MAX_CALLED, MAX_HEARD } from "../../../lib/tailnet/paths/limits.ts";
import { DirectPaths } from "../../../lib/tailnet/paths/direct_paths.ts";
import { type Endpoint, endpointKey } from "../../../lib/wire/endpoint.ts";
import { SeededRandom } from "../../support/seeded_random.ts";
import { endpointOf } from "./sim_udp.ts";

const OURS = endpointOf("10.1.0.2:41001");
const PEER = "peer";

interface Scene {
  readonly paths: DirectPaths;
  readonly peer: DiscoPinger;
  readonly ourDisco: DiscoPinger;
  readonly random: SeededRandom;
  /** Datagrams that left, since the last call, by destination. */
  sent(): Map<string, Uint8Array[]>;
  /** Runs all timers until then. */
  runTo(until: number, from: number): void;
}

function makeScene(options: { readonly isSameHost?: boolean } = {}): Scene {
  const random = new SeededRandom(7);
  const makeDisco = () => {
    const nodePublicKey = publicKey(generatePrivateKey(random));
    const privateKey = generatePrivateKey(random);
    return {
      disco: new DiscoPinger({ privateKey, nodePublicKey, random }),
      nodeKey: nodePublicKey,
    };
  };
  const us = makeDisco();
  const them = makeDisco();
  us.disco.addPeer(PEER, { discoKey: them.disco.publicKey, nodeKey: them.nodeKey });
  them.disco.addPeer("us", { discoKey: us.disco.publicKey, nodeKey: us.nodeKey });
  const paths = new DirectPaths({ disco: us.disco, random, ...options }, 0);
  const interfaces = [{ name: "eth0", address: OURS.address }];
  paths.setLocal({ ports: { ipv4: OURS.port, ipv6: OURS.port }, interfaces }, 0);
  paths.addPeer(PEER, 0);
  const sent = () => {
    const byTarget = new Map<string, Uint8Array[]>();
    for (let out = paths.pollTransmit(); out !== undefined; out = paths.pollTransmit()) {
      if (out.kind !== "udp") continue;
      const key = endpointKey(out.endpoint);
      byTarget.set(key, [...byTarget.get(key) ?? [], out.datagram]);
    }
    return byTarget;
  };
  const runTo = (until: number, from: number) => {
    let now = from;
    for (;;) {
      const next = paths.pollTimeout();
      if (next === undefined || next > until) return;
      now = Math.max(now, next);
      paths.handleTimeout(now);
    }
  };
  return { paths, peer: them.disco, ourDisco: us.disco, random, sent, runTo };
}

const bytesOf = (datagrams: readonly Uint8Array[] | undefined) =>
  (datagrams ?? []).reduce((sum, { length }) => sum + length, 0);

const REFUSED = [
  "224.0.0.1:1",
  "239.255.255.250:1900",
  "255.255.255.255:9",
  "0.0.0.0:80",
  "240.1.1.1:1",
  "127.0.0.1:631",
  "127.3.3.40:999",
  "169.254.169.254:80",
  "10.1.0.2:41001",
  "[::1]:631",
  "[ff02::1]:5353",
  "[fe80::1]:1",
  "[fd7a:115c:a1e0::1]:1",
  "[fd60:627a:a42b::1]:1",
];

Deno.test("addresses that no peer can have are not pinged, whoever names them", () => {
  for (const source of ["coordinator", "peer"]) {
    const { paths, sent, runTo } = makeScene();
    paths.seek(PEER, 0);
    const endpoints = REFUSED.map(endpointOf);
    if (source === "coordinator") paths.setAnnounced(PEER, endpoints, 0);
    else paths.handleCallMeMaybe(PEER, endpoints, 0);
    runTo(60_000, 0);
    assert.equal(sent().size, 0);
    assert.equal(paths.counters.refusedAddresses, REFUSED.length);
  }
});

Deno.test("loopback is pinged where the deployment is on this machine, and the relays' address never", () => {
  for (const isSameHost of [true, false]) {
    const { paths, sent } = makeScene({ isSameHost });
    paths.seek(PEER, 0);
    // That the peer has our own address proves nothing: it was told.
    const named = ["127.0.0.1:77", "127.3.3.40:1", "10.1.0.2:5", "127.0.0.1:41001"];
    paths.setAnnounced(PEER, named.map(endpointOf), 0);
    const expected = isSameHost ? ["127.0.0.1:77", "10.1.0.2:5"] : ["10.1.0.2:5"];
    assert.deepEqual([...sent().keys()], expected.map((text) => endpointKey(endpointOf(text))));
  }
});

Deno.test("an address that never answers gets a few pings, then one in half a minute, and none while idle", () => {
  const { paths, sent, runTo } = makeScene();
  paths.seek(PEER, 0);
  paths.setAnnounced(PEER, [endpointOf("192.0.2.1:1")], 0);
  let now = 0;
  for (; now < 120_000; now += 1_000) {
    runTo(now, now);
    paths.handleSent(PEER, now);
  }
  const busy = sent().values().next().value?.length ?? 0;
  assert(busy >= 8 && busy <= 12, `${busy} pings`);
  runTo(now + 3_600_000, now);
  assert((sent().values().next().value?.length ?? 0) <= 2);
});

Deno.test("a flood of address lists leaves the rate of pings what it is", () => {
  const { paths, sent, random } = makeScene();
  paths.seek(PEER, 0);
  const anywhere = (): Endpoint => ({
    address: endpointOf(`192.0.${random.below(256)}.${random.below(256)}:1`).address,
    port: 1 + random.below(65_000),
  });
  for (let now = 0; now < 10_000; now += 10) {
    paths.setAnnounced(PEER, Array.from({ length: 64 }, anywhere), now);
    paths.handleCallMeMaybe(PEER, Array.from({ length: 64 }, anywhere), now);
    paths.handleTimeout(now);
  }
  const count = [...sent().values()].reduce((sum, { length }) => sum + length, 0);
  assert(count <= 160, `${count} pings in ten seconds`);
  assert(paths.counters.excessDisco > 900);
  assert(paths.candidateCount(PEER) <= MAX_ANNOUNCED + MAX_CALLED + MAX_HEARD);
});

Deno.test("an address known only by a ping is sent no more bytes than came from it", () => {
  for (const paddedBytes of [0, 200, 1_310]) {
    const { paths, peer, sent, runTo } = makeScene();
    paths.seek(PEER, 0);
    let heard = 0;
    for (let now = 0; now < 20_000; now += 500) {
      const spoofed = endpointOf("192.0.2.66:6");
      const path = { kind: "udp", endpoint: OURS } as const;
      const ping = peer.ping("us", path, now, { paddedBytes });
      assert(ping);
      heard += ping.length;
      paths.handleDatagram(ping, spoofed, now);
      runTo(now + 499, now);
      paths.handleSent(PEER, now + 499);
      // Played again from elsewhere: answered, but with less than was played.
      const elsewhere = endpointOf(`192.0.2.67:${1 + now}`);
      paths.handleDatagram(ping, elsewhere, now + 499);
      const out = sent();
      heard -= bytesOf(out.get(endpointKey(spoofed)));
      assert(heard >= 0, `more than asked for after ${now} ms`);
      assert(bytesOf(out.get(endpointKey(elsewhere))) <= ping.length);
    }
    assert(paths.candidateCount(PEER) <= MAX_HEARD);
  }
});

Deno.test("a ping that is played again is not answered again", () => {
  const { paths, peer, sent } = makeScene();
  const ping = peer.ping("us", { kind: "udp", endpoint: OURS }, 0);
  assert(ping);
  for (let i = 0; i < 1_000; i++) paths.handleDatagram(ping, endpointOf("192.0.2.1:1"), i);
  const pongs = [...sent().values()].flat().filter(({ length }) => length === 110);
  assert.equal(pongs.length, 1);
  // A thousand in a second are more than are opened.
  assert.equal(paths.counters.badDisco + paths.counters.excessDisco, 999);
  assert(paths.counters.excessDisco > 300);
});

Deno.test("WireGuard is looked at only from where a peer has shown itself", () => {
  const { paths, peer } = makeScene();
  const data = new Uint8Array(64);
  new ByteWriter(data).u32le(4);
  const from = endpointOf("192.0.2.1:1");
  paths.setAnnounced(PEER, [from], 0);
  assert.equal(paths.handleDatagram(data, from, 0).kind, "handled");
  const ping = peer.ping("us", { kind: "udp", endpoint: OURS }, 0);
  assert(ping);
  paths.handleDatagram(ping, from, 0);
  assert.deepEqual(paths.handleDatagram(data, from, 0), { kind: "wireguard", peerId: PEER });
  const otherPort = { ...from, port: 2 };
  assert.equal(paths.handleDatagram(data, otherPort, 0).kind, "handled");
  paths.removePeer(PEER);
  assert.equal(paths.handleDatagram(data, from, 0).kind, "handled");
  assert.equal(paths.counters.strangers, 3);
});

Deno.test("STUN answers that nobody asked for change nothing", () => {
  const { paths } = makeScene();
  const answer = encodeStunResponse(new Uint8Array(12), endpointOf("203.0.113.9:9"));
  const before = paths.endpoints;
  for (let i = 0; i < 100; i++) paths.handleDatagram(answer, endpointOf("192.0.2.1:3478"), i);
  assert.deepEqual(paths.endpoints, before);
  assert.equal(paths.counters.unaskedStun, 100);
});

Deno.test("a million datagrams of garbage a second are counted and leave nothing behind", () => {
  const { paths, sent, random, ourDisco } = makeScene();
  const datagram = new Uint8Array(1_312);
  const disco = ourDisco.ping(PEER, { kind: "udp", endpoint: OURS }, 0);
  assert(disco);
  for (let i = 0; i < 100_000; i++) {
    const from = { address: OURS.address, port: 1 + (i % 60_000) };
    if (i % 4 === 0) paths.handleDatagram(disco, from, i / 1_000);
    else {
      datagram[0] = random.below(256);
      datagram[i % 64] = random.below(256);
      paths.handleDatagram(datagram, from, i / 1_000);
    }
  }
  const { unknown, strangers, badDisco, excessDisco } = paths.counters;
  assert.equal(unknown + strangers + badDisco + excessDisco, 100_000);
  assert.equal(sent().size, 0);
  assert.equal(paths.candidateCount(PEER), 0);
});

Deno.test("no bytes at all make handleDatagram throw", () => {
  const { paths, random } = makeScene();
  for (let length = 0; length < 1_400; length += 7) {
    const datagram = new Uint8Array(length);
    random.fill(datagram);
    if (length % 2 === 0) datagram.set([0x54, 0x53, 0xf0, 0x9f, 0x92, 0xac].slice(0, length));
    paths.handleDatagram(datagram, endpointOf("192.0.2.1:1"), length);
  }
});

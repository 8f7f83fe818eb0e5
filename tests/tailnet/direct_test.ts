/** The ways of a peer's packets: straight, over the relay, both; and the batches that datagrams leave in. */
import assert from "node:assert/strict";
import { ByteWriter } from "../../lib/base/bytes.ts";
import { generatePrivateKey, publicKey } from "../../lib/crypto/x25519.ts";
import { DiscoPinger } from "../../lib/disco/mod.ts";
import {
  BATCH_PACKETS,
  DatagramPort,
  MAX_DATAGRAM_BYTES,
} from "../../lib/tailnet/datagram_port.ts";
import { Direct, type RelayedPacket } from "../../lib/tailnet/direct.ts";
import type { PacketSlot, Path } from "../../lib/tailnet/path.ts";
import type { Endpoint } from "../../lib/wire/endpoint.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { endpointOf } from "./paths/sim_udp.ts";

const PEER = "peer";
const THERE = endpointOf("192.0.2.1:1");

class FakeRelay implements Path {
  readonly where = { kind: "relay", regionId: 1 } as const;
  readonly sent: Uint8Array[] = [];
  isReady = true;
  hasRoom = true;
  readonly #buffer = new Uint8Array(MAX_DATAGRAM_BYTES);

  slot(): PacketSlot | undefined {
    return this.hasRoom ? { buffer: this.#buffer, offset: 0 } : undefined;
  }

  commit(packetBytes: number): boolean {
    return this.send(this.#buffer.subarray(0, packetBytes));
  }

  send(packet: Uint8Array): boolean {
    if (this.hasRoom) this.sent.push(packet.slice());
    return this.hasRoom;
  }
}

/** A peer that is looked for at `THERE`, has said nothing yet, and pings us when it is told to. */
function met() {
  const random = new SeededRandom(3);
  const make = () => {
    const nodeKey = publicKey(generatePrivateKey(random));
    const privateKey = generatePrivateKey(random);
    return { nodeKey, disco: new DiscoPinger({ privateKey, nodePublicKey: nodeKey, random }) };
  };
  const us = make();
  const them = make();
  us.disco.addPeer(PEER, { discoKey: them.disco.publicKey, nodeKey: them.nodeKey });
  them.disco.addPeer("us", { discoKey: us.disco.publicKey, nodeKey: us.nodeKey });
  const direct = new Direct({ disco: us.disco, random }, 0);
  direct.port.isOpen = true;
  const interfaces = [{ name: "eth0", address: endpointOf("198.51.100.1:7").address }];
  direct.paths.setLocal({ ports: { ipv4: 7 }, interfaces }, 0);
  direct.addPeer(PEER, [THERE], 0);
  const pinged = (now: number) => {
    const path = { kind: "udp", endpoint: endpointOf("198.51.100.1:7") } as const;
    const ping = them.disco.ping("us", path, now);
    assert(ping !== undefined);
    direct.handleDatagram(ping, THERE, now);
  };
  return { direct, them, pinged };
}

/** A peer that has answered at `THERE` at instant 0. */
function answered(): {
  readonly direct: Direct;
  readonly relay: FakeRelay;
  readonly relayed: readonly RelayedPacket[];
} {
  const { direct, them } = met();
  direct.paths.seek(PEER, 0);
  const relayed: RelayedPacket[] = [];
  for (let out = direct.flush(); out !== undefined; out = direct.flush()) relayed.push(out);
  const batch = direct.port.takeBatch();
  assert.equal(batch?.count, 1);
  const from = { kind: "udp", endpoint: endpointOf("198.51.100.1:7") } as const;
  const result = them.disco.handlePacket(batch.datagram(0), from, 0);
  assert(result.kind === "ping");
  direct.port.release(batch);
  assert.equal(direct.handleDatagram(result.pong, THERE, 0).kind, "handled");
  return { direct, relay: new FakeRelay(), relayed };
}

function write(path: Path | undefined, value: number, now: number): boolean {
  const slot = path?.slot(100);
  if (path === undefined || slot === undefined) return false;
  slot.buffer.fill(value, slot.offset, slot.offset + 100);
  return path.commit(100, now);
}

const firstBytes = (packets: readonly Uint8Array[]) => packets.map((packet) => packet[0]);

function taken(
  port: DatagramPort,
): { readonly to: Endpoint | undefined; readonly byte?: number }[] {
  const batch = port.takeBatch();
  if (batch === undefined) return [];
  const out = Array.from({ length: batch.count }, (_, i) => ({
    to: batch.endpoints[i],
    byte: batch.datagram(i)[0] ?? 0,
  }));
  port.release(batch);
  return out;
}

Deno.test("Direct sends straight while the address is trusted, both ways when not, and over the relay without a port", () => {
  const { direct, relay } = answered();
  const trusted = direct.pathTo(PEER, relay, 1);
  assert.deepEqual(trusted?.where, { kind: "udp", endpoint: THERE });
  assert(write(trusted, 1, 1));
  assert.deepEqual(firstBytes(relay.sent), []);
  const doubted = direct.pathTo(PEER, relay, 7_000);
  assert(write(doubted, 2, 7_000));
  assert(doubted?.send(new Uint8Array([3]), 7_000));
  assert.deepEqual(firstBytes(relay.sent), [2, 3]);
  assert.deepEqual(taken(direct.port).map(({ byte }) => byte), [1, 2, 3]);
  direct.port.isOpen = false;
  assert.equal(direct.pathTo(PEER, relay, 1), relay);
  assert.equal(direct.pathTo("stranger", relay, 1), relay);
  assert.equal(direct.pathTo("stranger", undefined, 1), undefined);
});

Deno.test("Direct knows what its socket holds as soon as the peer may send straight", () => {
  // From its ping on, before anything of it answered: our pong is what makes it send straight.
  const { direct, pinged } = met();
  assert.equal(direct.receiveWay(PEER, 1), undefined, "nobody was met yet");
  pinged(2);
  assert.deepEqual(direct.receiveWay(PEER, 2), { burstBytes: 72 * 1024, rttMs: undefined });
  assert.equal(direct.receiveWay(PEER, 20_000), undefined, "it does not hear us");
  const { direct: used } = answered();
  assert.deepEqual(used.receiveWay(PEER, 20_000), { burstBytes: 72 * 1024, rttMs: 0 });
  used.port.isOpen = false;
  assert.equal(used.receiveWay(PEER, 1), undefined);
});

Deno.test("Direct keeps to one way where the other is not there or has no room", () => {
  const { direct, relay } = answered();
  assert(write(direct.pathTo(PEER, undefined, 7_000), 1, 7_000));
  relay.hasRoom = false;
  assert(write(direct.pathTo(PEER, relay, 7_000), 2, 7_000));
  assert(direct.pathTo(PEER, relay, 7_000)?.send(new Uint8Array([3]), 7_000));
  assert.deepEqual(taken(direct.port).map(({ byte }) => byte), [1, 2, 3]);
});

Deno.test("Direct hands out the same way until it is another", () => {
  const { direct, relay } = answered();
  const first = direct.pathTo(PEER, relay, 1);
  assert.equal(direct.pathTo(PEER, relay, 2), first);
  const both = direct.pathTo(PEER, relay, 7_000);
  assert.notEqual(both, first);
  assert.equal(direct.pathTo(PEER, relay, 8_000), both);
  assert.notEqual(direct.pathTo(PEER, new FakeRelay(), 8_000), both);
  direct.removePeer(PEER);
  assert.equal(direct.pathTo(PEER, relay, 1), relay);
});

Deno.test("Direct gives call-me-maybes to the relay, and pings to the port", () => {
  const { direct, relayed } = answered();
  assert.deepEqual(relayed.map(({ peerId }) => peerId), [PEER]);
  assert.deepEqual(taken(direct.port), []);
  direct.paths.handleNetworkChange(10_000);
  assert.equal(direct.flush()?.peerId, PEER);
  assert.equal(direct.flush(), undefined);
  assert.deepEqual(taken(direct.port).map(({ to }) => to), [THERE]);
});

Deno.test("Direct tells data of a peer from everything else", () => {
  const { direct } = answered();
  const data = new Uint8Array(64);
  new ByteWriter(data).u32le(4);
  assert.deepEqual(direct.handleDatagram(data, THERE, 1), { kind: "wireguard", peerId: PEER });
  assert.equal(direct.handleDatagram(data, { ...THERE, port: 2 }, 1).kind, "handled");
  assert.equal(direct.handleDatagram(new Uint8Array(64), THERE, 1).kind, "handled");
});

Deno.test("DatagramPort packs datagrams without a gap, and swaps two batches", () => {
  const port = new DatagramPort();
  assert.equal(port.slot(10), undefined, "closed");
  port.isOpen = true;
  for (let i = 0; i < BATCH_PACKETS; i++) {
    const slot = port.slot(MAX_DATAGRAM_BYTES);
    assert(slot);
    assert.equal(slot.offset, i * MAX_DATAGRAM_BYTES);
    // Sealing may write padding and tag behind what it is given.
    assert(slot.buffer.length >= slot.offset + MAX_DATAGRAM_BYTES + 31);
    port.commit(MAX_DATAGRAM_BYTES, { ...THERE });
  }
  assert.equal(port.slot(1), undefined);
  const first = port.takeBatch();
  assert.equal(first?.count, BATCH_PACKETS);
  assert.equal(first.endpoints[0], first.endpoints[47], "one object for equal ones");
  assert.equal(port.takeBatch(), undefined);
  assert(port.send(new Uint8Array([9]), THERE));
  assert.equal(port.takeBatch(), undefined, "one at a time");
  port.release(first);
  assert.deepEqual(taken(port).map(({ byte }) => byte), [9]);
});

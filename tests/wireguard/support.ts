/** What the tests of the WireGuard core share: scripted randomness, inner packets, and devices on simulated links. */
import { fromHex } from "../../lib/base/bytes.ts";
import type { Instant, Random } from "../../lib/base/core.ts";
import { earlier } from "../../lib/base/deadlines.ts";
import { type Aead, loadAead } from "../../lib/crypto/aead.ts";
import { generatePrivateKey } from "../../lib/crypto/x25519.ts";
import { WireguardDevice, type WireguardDeviceOptions } from "../../lib/wireguard/device.ts";
import type { WireguardEvent, WireguardPeer } from "../../lib/wireguard/peer.ts";
import type { SeededRandom } from "../support/seeded_random.ts";
import { Link, type LinkOptions, type Party, Simulation } from "../sim/link.ts";

const HEADER_BYTES = 16;
const TRAILER_BYTES = 15 + 16;
const IPV6_HEADER_BYTES = 40;
/** Unix time at instant 0 of all simulations. */
export const WALL_MS_AT_ZERO = 1_700_000_000_000;

/** Hands out the given bytes in order, then throws. */
export class ScriptedRandom implements Random {
  readonly #script: Uint8Array[];

  constructor(...script: readonly (string | Uint8Array)[]) {
    this.#script = script.map((part) => typeof part === "string" ? fromHex(part) : part);
  }

  fill(bytes: Uint8Array): void {
    const next = this.#script.shift();
    if (next?.length !== bytes.length) {
      throw new Error(`Script has ${next?.length} bytes where ${bytes.length} are wanted`);
    }
    bytes.set(next);
  }
}

/** An IPv6 packet with `payloadBytes` behind its header; `id` is in the first four of them. */
export function ipv6Packet(
  options: { id?: number; payloadBytes?: number; source?: Uint8Array } = {},
): Uint8Array {
  const payloadBytes = options.payloadBytes ?? 60;
  const packet = new Uint8Array(IPV6_HEADER_BYTES + payloadBytes);
  const view = new DataView(packet.buffer);
  packet[0] = 0x60;
  view.setUint16(4, payloadBytes);
  packet.set(options.source ?? address(1), 8);
  packet.set(address(2), 24);
  if (payloadBytes >= 4) view.setUint32(IPV6_HEADER_BYTES, options.id ?? 0);
  for (let i = 4; i < payloadBytes; i++) packet[IPV6_HEADER_BYTES + i] = i;
  return packet;
}

/** The number that `ipv6Packet` put in. */
export function idOf(packet: Uint8Array): number {
  return new DataView(packet.buffer, packet.byteOffset).getUint32(IPV6_HEADER_BYTES);
}

/** An IPv6 address of the tailnet that ends in `last`. */
export function address(last: number): Uint8Array {
  const bytes = fromHex("fd7a115ca1e000000000000000000000");
  bytes[15] = last;
  return bytes;
}

/** `packet` sealed to `peer` as a datagram of its own; `undefined` when no session can send. */
export function sealCopy(
  device: WireguardDevice,
  peer: WireguardPeer,
  packet: Uint8Array,
  now: Instant,
): Uint8Array | undefined {
  const buffer = new Uint8Array(HEADER_BYTES + packet.length + TRAILER_BYTES);
  buffer.set(packet, HEADER_BYTES);
  const length = device.seal(peer, buffer, 0, packet.length, now);
  return length === 0 ? undefined : buffer.subarray(0, length);
}

let aead: Aead | undefined;

/** The AEAD of all simulated devices; it holds no state. */
export function sharedAead(): Aead {
  aead ??= loadAead();
  return aead;
}

/** A device at one end of a pair of links, with one peer at the other end. */
export class Node implements Party {
  device: WireguardDevice;
  peer: WireguardPeer | undefined;
  readonly incoming: Link;
  readonly outgoing: Link;
  readonly received: number[] = [];
  readonly events: WireguardEvent["kind"][] = [];
  readonly source: Uint8Array;

  constructor(device: WireguardDevice, incoming: Link, outgoing: Link, source: Uint8Array) {
    this.device = device;
    this.incoming = incoming;
    this.outgoing = outgoing;
    this.source = source;
  }

  /** Seals packet number `id` and puts it on the link; false when there is no session. */
  send(id: number, now: Instant, payloadBytes = 60): boolean {
    if (this.peer === undefined) throw new Error("Node has no peer");
    const datagram = sealCopy(this.device, this.peer, ipv6Packet({ id, payloadBytes }), now);
    if (datagram !== undefined) this.outgoing.send(datagram, now);
    this.flush(now);
    return datagram !== undefined;
  }

  step(now: Instant): void {
    for (let got = this.incoming.receive(now); got; got = this.incoming.receive(now)) {
      const inbound = this.device.handleDatagram(got, now, this.source);
      if (inbound.kind === "data") this.received.push(idOf(inbound.packet));
      else if (inbound.reply !== undefined) this.outgoing.send(inbound.reply, now);
    }
    const due = this.device.pollTimeout();
    if (due !== undefined && due <= now) this.device.handleTimeout(now);
    this.flush(now);
  }

  flush(now: Instant): void {
    for (let out = this.device.pollTransmit(); out; out = this.device.pollTransmit()) {
      this.outgoing.send(out.datagram, now);
    }
    for (let event = this.device.pollEvent(); event; event = this.device.pollEvent()) {
      this.events.push(event.kind);
    }
  }

  pollTimeout(): Instant | undefined {
    return earlier(this.device.pollTimeout(), this.incoming.pollTimeout());
  }
}

export interface PairOptions {
  readonly link?: LinkOptions;
  readonly a?: Partial<WireguardDeviceOptions>;
  readonly b?: Partial<WireguardDeviceOptions>;
}

/** Two nodes, peers of each other, over two links. */
export class Pair {
  readonly simulation = new Simulation();
  readonly a: Node;
  readonly b: Node;
  readonly #random: SeededRandom;

  constructor(random: SeededRandom, options: PairOptions = {}) {
    this.#random = random;
    const toB = new Link(random, options.link);
    const toA = new Link(random, options.link);
    this.a = new Node(this.makeDevice(options.a), toA, toB, new Uint8Array([1]));
    this.b = new Node(this.makeDevice(options.b), toB, toA, new Uint8Array([2]));
    this.introduce();
    this.simulation.add(this.a);
    this.simulation.add(this.b);
  }

  get now(): Instant {
    return this.simulation.now;
  }

  makeDevice(options: Partial<WireguardDeviceOptions> = {}): WireguardDevice {
    return new WireguardDevice({
      privateKey: generatePrivateKey(this.#random),
      random: this.#random,
      aead: sharedAead(),
      wallMsAtZero: WALL_MS_AT_ZERO,
      ...options,
    });
  }

  /** Makes each the peer of the other, as after one of them got a new device. */
  introduce(): void {
    this.a.peer = this.a.device.addPeer({ publicKey: this.b.device.publicKey }, this.now);
    this.b.peer = this.b.device.addPeer({ publicKey: this.a.device.publicKey }, this.now);
  }

  /** Runs until both can seal, with a packet from `a`; whether they could within `limitMs`. */
  connect(limitMs = 30_000): boolean {
    this.a.send(0, this.now);
    return this.simulation.runUntil(() => this.canBothSeal(), limitMs);
  }

  canBothSeal(): boolean {
    return canSeal(this.a, this.now) && canSeal(this.b, this.now);
  }
}

export function canSeal(node: Node, now: Instant): boolean {
  return node.peer !== undefined && node.device.canSeal(node.peer, now);
}

/** Sends numbered packets from a node at a steady pace; what finds no session is counted, not kept. */
export class Traffic implements Party {
  sent = 0;
  refused = 0;
  isPaused = false;
  readonly #node: Node;
  readonly #intervalMs: number;
  #nextAt: Instant;

  constructor(node: Node, options: { readonly intervalMs: number; readonly startAt: Instant }) {
    this.#node = node;
    this.#intervalMs = options.intervalMs;
    this.#nextAt = options.startAt;
  }

  step(now: Instant): void {
    if (now < this.#nextAt) return;
    this.#nextAt = now + this.#intervalMs;
    if (this.isPaused) return;
    if (this.#node.send(this.sent, now)) this.sent++;
    else this.refused++;
  }

  pollTimeout(): Instant {
    return this.#nextAt;
  }
}

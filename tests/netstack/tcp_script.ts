/**
 * A stack and a peer made by hand: scripts of send, receive and receive-nothing at time t, in the manner of smoltcp.
 * Sequence numbers are relative: ours to our initial one, the peer's to its own, so a SYN has 0 and the first byte 1.
 */
import assert from "node:assert/strict";
import { seqAdd, seqDiff } from "../../lib/base/seq.ts";
import type { Instant } from "../../lib/base/core.ts";
import {
  type ConnectOptions,
  Netstack,
  type NetstackEvent,
  type NetstackOptions,
} from "../../lib/netstack/mod.ts";
import { TcpSocket } from "../../lib/netstack/socket.ts";
import type { Tcb } from "../../lib/netstack/tcb.ts";
import { sumBytes } from "../../lib/wire/checksum.ts";
import {
  IPV6_ADDRESS_BYTES,
  IPV6_HEADER_BYTES,
  IPV6_SOURCE_OFFSET,
  Ipv6Header,
  NextHeader,
  parseIpv6,
  writeIpv6,
} from "../../lib/wire/ipv6.ts";
import {
  isTcpIntact,
  parseTcp,
  TcpFlag,
  TcpHeader,
  writeTcp,
  writeTcpChecksum,
} from "../../lib/wire/tcp.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { assertRules, LEFT, RIGHT } from "./stack_pair.ts";

export const PEER_ISN = 0xffff_fff0; // soon wraps, so every script crosses zero
export const PEER_PORT = 22;
const PEER_EPHEMERAL_PORT = 50_000;
const PEER_WINDOW = 60_000;
const FLAG_LETTERS: Readonly<Record<string, TcpFlag>> = {
  S: TcpFlag.syn,
  A: TcpFlag.ack,
  F: TcpFlag.fin,
  R: TcpFlag.rst,
  P: TcpFlag.psh,
};

/** What the peer sends; all that is left out has its default. */
export interface Sent {
  /** Letters of S, A, F, R, P. @default "A" */
  readonly flags?: string;
  readonly seq: number;
  /** @default 0, or what `peerAck` was set to */
  readonly ack?: number;
  /** As on the wire. @default 60000 */
  readonly window?: number;
  readonly payload?: Uint8Array;
  readonly mss?: number;
  readonly windowScale?: number;
  readonly sackPermitted?: boolean;
  /** Blocks of our data, relative. */
  readonly sack?: readonly (readonly [number, number])[];
}

/** What we must send; only the fields given are compared. */
export interface Expected {
  /** PSH is compared only when named. */
  readonly flags?: string;
  readonly seq?: number;
  readonly ack?: number;
  readonly window?: number;
  readonly payloadBytes?: number;
  readonly payload?: Uint8Array;
  readonly mss?: number;
  readonly windowScale?: number;
  readonly sackPermitted?: boolean;
  /** Blocks of the peer's data, relative, in order. */
  readonly sack?: readonly (readonly [number, number])[];
}

interface Outgoing {
  readonly at: Instant;
  readonly packet: Uint8Array;
  readonly header: TcpHeader;
  readonly payload: Uint8Array;
}

export class TcpScript {
  readonly stack: Netstack;
  now: Instant = 0;
  #outgoing: Outgoing[] = [];
  #socket: TcpSocket | undefined;
  #iss: number | undefined;
  #peerPort = PEER_PORT;
  #ownPort = 0;
  readonly #buffer = new Uint8Array(2048);

  constructor(options: Partial<NetstackOptions> = {}) {
    this.stack = new Netstack({ addresses: [LEFT], random: new SeededRandom(77), ...options });
  }

  get socket(): TcpSocket {
    assert.ok(this.#socket !== undefined, "no socket yet");
    return this.#socket;
  }

  /** What is behind the socket: for segments that are nearly right. */
  get tcb(): Tcb {
    return TcpSocket.connectionOf(this.socket).tcb;
  }

  /** Begins a connection of ours at time 0. */
  connect(options: Partial<ConnectOptions> = {}): this {
    this.#socket = this.stack.connect({ remote: RIGHT, port: PEER_PORT, ...options }, this.now);
    this.#ownPort = this.#socket.localPort;
    return this;
  }

  /** Lets the peer begin: its segments go to `port`. */
  dialledBy(port: number): this {
    this.#ownPort = port;
    this.#peerPort = PEER_EPHEMERAL_PORT;
    return this;
  }

  /** The handshake of a connection of ours, at time 0. */
  establish(answer: Partial<Sent> = {}, options: Partial<ConnectOptions> = {}): this {
    this.connect(options);
    this.recv(0, { flags: "S", seq: 0 });
    this.send(0, {
      flags: "SA",
      seq: 0,
      ack: 1,
      mss: 1220,
      windowScale: 0,
      sackPermitted: true,
      ...answer,
    });
    this.recv(0, { flags: "A", seq: 1, ack: 1, payloadBytes: 0 });
    assert.equal(this.event()?.kind, "connected");
    return this;
  }

  /** Hands the stack a segment of the peer's. What it owes leaves at once, as after a batch of one. */
  send(at: Instant, segment: Sent): this {
    this.deliver(at, segment);
    this.#drain();
    return this;
  }

  /** The same without polling: a batch goes on. */
  deliver(at: Instant, segment: Sent): this {
    this.advance(at);
    this.stack.handlePacket(this.packet(segment), at);
    assertRules(this.stack);
    return this;
  }

  /** Ends a batch. */
  poll(at: Instant): this {
    this.advance(at);
    this.#drain();
    return this;
  }

  /** Runs everything that is due up to `at`. What the present instant owes leaves first, unless time stands still. */
  advance(at: Instant): void {
    if (at > this.now) this.#drain();
    for (;;) {
      const due = this.stack.pollTimeout();
      if (due === undefined || due > at) break;
      this.now = Math.max(this.now, due);
      this.stack.handleTimeout(this.now);
      assertRules(this.stack);
      this.#drain();
    }
    this.now = at;
  }

  /** Does something as the owner at `at`. */
  act(at: Instant, action: (socket: TcpSocket) => void): this {
    this.advance(at);
    action(this.socket);
    assertRules(this.stack);
    this.#drain();
    return this;
  }

  /** The next packet must have left exactly at `at` and look like this. */
  recv(at: Instant, expected: Expected): TcpHeader {
    this.poll(at);
    const next = this.#outgoing.shift();
    assert.ok(next !== undefined, `nothing left by ${at} ms, expected ${JSON.stringify(expected)}`);
    assert.ok(Math.abs(next.at - at) < 0.01, `left at ${next.at} ms, expected at ${at} ms`);
    if (this.#iss === undefined) this.#iss = next.header.seq;
    assert.deepEqual(this.#describe(next, expected), pick(expected));
    return next.header;
  }

  /** Nothing may leave up to `at`. */
  recvNothing(at: Instant): this {
    this.poll(at);
    const [next] = this.#outgoing;
    if (next !== undefined) {
      assert.fail(`left at ${next.at} ms: ${JSON.stringify(this.#describe(next, ALL))}`);
    }
    return this;
  }

  /** Forgets what left so far; returns how many packets. */
  skip(): number {
    const count = this.#outgoing.length;
    this.#outgoing = [];
    return count;
  }

  event(): NetstackEvent | undefined {
    const event = this.stack.pollEvent();
    if (event !== undefined && "socket" in event) this.#socket = event.socket;
    return event;
  }

  /** Names of all events since the last call. */
  events(): string[] {
    const kinds: string[] = [];
    for (let event = this.event(); event !== undefined; event = this.event()) {
      kinds.push(event.kind);
    }
    return kinds;
  }

  readAll(): Uint8Array {
    const into = new Uint8Array(this.socket.readableBytes);
    this.socket.read(into, this.now);
    return into;
  }

  /** A packet of the peer's. */
  packet(segment: Sent): Uint8Array {
    const payload = segment.payload ?? new Uint8Array(0);
    const packet = new Uint8Array(IPV6_HEADER_BYTES + 60 + payload.length);
    const view = new DataView(packet.buffer);
    const header = new TcpHeader();
    header.sourcePort = this.#peerPort;
    header.destinationPort = this.#ownPort;
    header.seq = seqAdd(PEER_ISN, segment.seq);
    header.flags = flagsOf(segment.flags ?? "A");
    header.ack = (header.flags & TcpFlag.ack) === 0 ? 0 : seqAdd(this.#iss ?? 0, segment.ack ?? 0);
    header.window = segment.window ?? PEER_WINDOW;
    header.maxSegmentBytes = segment.mss ?? 0;
    header.windowScale = segment.windowScale ?? -1;
    header.isSackPermitted = segment.sackPermitted ?? false;
    for (const [left, right] of segment.sack ?? []) {
      header.sackLeft[header.sackCount] = seqAdd(this.#iss ?? 0, left);
      header.sackRight[header.sackCount++] = seqAdd(this.#iss ?? 0, right);
    }
    const headerBytes = writeTcp(view, IPV6_HEADER_BYTES, header);
    packet.set(payload, IPV6_HEADER_BYTES + headerBytes);
    const ip = new Ipv6Header();
    ip.payloadBytes = headerBytes + payload.length;
    ip.nextHeader = NextHeader.tcp;
    ip.hopLimit = 64;
    writeIpv6(view, 0, ip, RIGHT, LEFT);
    const addressSum = sumBytes(view, IPV6_SOURCE_OFFSET, 2 * IPV6_ADDRESS_BYTES);
    const payloadSum = sumBytes(view, IPV6_HEADER_BYTES + headerBytes, payload.length);
    writeTcpChecksum(view, IPV6_HEADER_BYTES, ip.payloadBytes, headerBytes, addressSum, payloadSum);
    return packet.subarray(0, IPV6_HEADER_BYTES + ip.payloadBytes);
  }

  #drain(): void {
    for (;;) {
      const length = this.stack.pollTransmit(this.#buffer, 0, this.now);
      assertRules(this.stack);
      if (length === 0) return;
      this.#outgoing.push(parseOutgoing(this.#buffer.slice(0, length), this.now));
    }
  }

  #describe(outgoing: Outgoing, expected: Expected): Expected {
    const { header, payload } = outgoing;
    const hasPsh = expected.flags?.includes("P") ?? false;
    const letters = Object.entries(FLAG_LETTERS).filter(([letter, flag]) =>
      (header.flags & flag) !== 0 && (letter !== "P" || hasPsh)
    );
    const sack: [number, number][] = [];
    for (let i = 0; i < header.sackCount; i++) {
      sack.push([
        seqDiff(header.sackLeft[i] ?? 0, PEER_ISN),
        seqDiff(header.sackRight[i] ?? 0, PEER_ISN),
      ]);
    }
    const all: Required<Expected> = {
      flags: sortFlags(letters.map(([letter]) => letter).join("")),
      seq: seqDiff(header.seq, this.#iss ?? 0),
      ack: seqDiff(header.ack, PEER_ISN),
      window: header.window,
      payloadBytes: payload.length,
      payload,
      mss: header.maxSegmentBytes,
      windowScale: header.windowScale,
      sackPermitted: header.isSackPermitted,
      sack,
    };
    return Object.fromEntries(
      Object.entries(all).filter(([name]) => name in expected),
    );
  }
}

const ALL: Expected = { flags: "P", seq: 0, ack: 0, window: 0, payloadBytes: 0, sack: [] };

function pick(expected: Expected): Expected {
  return expected.flags === undefined
    ? expected
    : { ...expected, flags: sortFlags(expected.flags) };
}

function sortFlags(flags: string): string {
  return [...flags].sort().join("");
}

function flagsOf(letters: string): number {
  let flags = 0;
  for (const letter of letters) flags |= FLAG_LETTERS[letter] ?? 0;
  return flags;
}

function parseOutgoing(packet: Uint8Array, at: Instant): Outgoing {
  const view = new DataView(packet.buffer);
  const ip = new Ipv6Header();
  assert.equal(parseIpv6(view, 0, packet.length, ip), undefined);
  assert.equal(ip.payloadBytes, packet.length - IPV6_HEADER_BYTES);
  const header = new TcpHeader();
  if (ip.nextHeader === NextHeader.tcp) {
    assert.equal(parseTcp(view, IPV6_HEADER_BYTES, ip.payloadBytes, header), undefined);
    assert.ok(isTcpIntact(view, IPV6_HEADER_BYTES, ip.payloadBytes, IPV6_SOURCE_OFFSET));
  }
  return { at, packet, header, payload: packet.subarray(IPV6_HEADER_BYTES + header.headerBytes) };
}

/** `count` bytes that count up from `from`. */
export function bytesFrom(from: number, count: number): Uint8Array {
  return Uint8Array.from({ length: count }, (_, i) => from + i);
}

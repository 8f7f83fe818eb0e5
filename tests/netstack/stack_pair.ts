/**
 * Two stacks, two links and a clock that jumps to the next thing that happens. Each side has an application that
 * writes a known sequence of bytes, reads and verifies the other's, and half-closes when it is done.
 */
import assert from "node:assert/strict";
import { earlier } from "../../lib/base/deadlines.ts";
import type { Instant } from "../../lib/base/core.ts";
import { Netstack, type NetstackOptions, type TcpSocket } from "../../lib/netstack/mod.ts";
import { sumBytes } from "../../lib/wire/checksum.ts";
import {
  IPV6_ADDRESS_BYTES,
  IPV6_HEADER_BYTES,
  IPV6_SOURCE_OFFSET,
  NextHeader,
} from "../../lib/wire/ipv6.ts";
import {
  parseTcp,
  TCP_HEADER_BYTES,
  TcpFlag,
  TcpHeader,
  writeTcp,
  writeTcpChecksum,
} from "../../lib/wire/tcp.ts";
import { PacketLink, type PacketLinkOptions } from "../sim/packet_link.ts";
import { SeededRandom } from "../support/seeded_random.ts";

export const LEFT = addressEndingWith(1);
export const RIGHT = addressEndingWith(2);
export const PORT = 22;

export function addressEndingWith(last: number): Uint8Array {
  const address = new Uint8Array(16);
  address[0] = 0xfd;
  address[15] = last;
  return address;
}

/** After every step: what must hold inside the stack holds (`lib/netstack/invariants.ts`). */
export function assertRules(stack: Netstack): void {
  assert.deepEqual(stack.brokenRules(), []);
}

/** Byte `index` of the stream that starts from `key`: every position differs from its neighbours. */
export function patternByte(key: number, index: number): number {
  return (Math.imul(index + key, 0x9e3779b1) >>> 24) ^ (index & 0xff);
}

export interface AppOptions {
  readonly totalBytes: number;
  readonly key: number;
  readonly peerKey: number;
  /** Largest piece written or read at once. @default 65536 */
  readonly chunkBytes?: number;
  /** Reads nothing until then. @default 0 */
  readonly readFrom?: Instant;
  /** Most bytes read for each `readEveryMs`. @default unlimited */
  readonly readBytesPerTurn?: number;
  /** @default 0: whenever something happens */
  readonly readEveryMs?: number;
}

/** One end's user: writes, reads, verifies, half-closes. */
export class App {
  socket: TcpSocket | undefined;
  written = 0;
  received = 0;
  isFinished = false;
  #readAt: Instant;
  readonly #o: Required<AppOptions>;
  readonly #chunk: Uint8Array;
  readonly #into: Uint8Array;

  constructor(options: AppOptions) {
    this.#o = {
      chunkBytes: 65_536,
      readFrom: 0,
      readBytesPerTurn: Infinity,
      readEveryMs: 0,
      ...options,
    };
    this.#chunk = new Uint8Array(this.#o.chunkBytes);
    this.#into = new Uint8Array(this.#o.chunkBytes);
    this.#readAt = this.#o.readFrom;
  }

  /** When it wants to be run again, whatever the network does. */
  nextTurn(now: Instant): Instant | undefined {
    if (this.isFinished || this.socket === undefined || this.#readAt <= now) return undefined;
    return this.#readAt;
  }

  run(now: Instant): void {
    const { socket } = this;
    if (socket === undefined) return;
    this.#write(socket, now);
    if (now >= this.#readAt) {
      this.#read(socket, now);
      if (this.#o.readEveryMs > 0) this.#readAt = now + this.#o.readEveryMs;
    }
    this.isFinished = socket.isReadEnded && this.written === this.#o.totalBytes;
  }

  #write(socket: TcpSocket, now: Instant): void {
    while (this.written < this.#o.totalBytes && socket.writableBytes > 0) {
      const length = Math.min(this.#chunk.length, this.#o.totalBytes - this.written);
      const piece = this.#chunk.subarray(0, length);
      for (let i = 0; i < length; i++) piece[i] = patternByte(this.#o.key, this.written + i);
      const taken = socket.write(piece, now);
      this.written += taken;
      if (taken === 0) break;
    }
    if (this.written === this.#o.totalBytes) socket.shutdownWrite(now);
  }

  #read(socket: TcpSocket, now: Instant): void {
    let room = this.#o.readBytesPerTurn;
    while (room > 0) {
      const into = this.#into.subarray(0, Math.min(this.#into.length, room));
      const count = socket.read(into, now);
      if (count === 0) return;
      for (let i = 0; i < count; i++) {
        if (into[i] !== patternByte(this.#o.peerKey, this.received + i)) {
          assert.fail(`stream corrupt at byte ${this.received + i}`);
        }
      }
      this.received += count;
      room -= count;
    }
  }
}

export interface PairOptions {
  readonly seed: number;
  readonly link?: Omit<PacketLinkOptions, "seed">;
  /** @default as `link` */
  readonly linkBack?: Omit<PacketLinkOptions, "seed">;
  readonly left?: Partial<NetstackOptions>;
  readonly right?: Partial<NetstackOptions>;
  /** How often, of 1, a stack's packets find no room for up to 100 ms, as when a relay does not read. @default 0 */
  readonly stallChance?: number;
}

export class StackPair {
  now: Instant = 0;
  readonly left: Netstack;
  readonly right: Netstack;
  readonly there: PacketLink;
  readonly back: PacketLink;
  readonly apps: App[] = [];
  /** Called with every packet that leaves a stack. */
  watch: ((from: "left" | "right", packet: Uint8Array) => void) | undefined;
  /** Takes "SACK permitted" out of every SYN, as if the peer were old. */
  stripSack = false;
  readonly #buffer = new Uint8Array(2048);
  readonly #stallChance: number;
  readonly #stallRandom: SeededRandom;
  /** Until when a stack's packets find no room. */
  readonly #stalledUntil = { left: -Infinity, right: -Infinity };
  readonly #plans: { readonly at: Instant; readonly run: () => void }[] = [];

  constructor(o: PairOptions) {
    this.#stallChance = o.stallChance ?? 0;
    this.#stallRandom = new SeededRandom(o.seed + 4);
    this.left = new Netstack({ addresses: [LEFT], random: new SeededRandom(o.seed), ...o.left });
    this.right = new Netstack({
      addresses: [RIGHT],
      random: new SeededRandom(o.seed + 1),
      ...o.right,
    });
    this.there = new PacketLink({ ...o.link, seed: o.seed + 2 });
    this.back = new PacketLink({ ...(o.linkBack ?? o.link), seed: o.seed + 3 });
  }

  /** Runs something at an instant to come. */
  at(at: Instant, run: () => void): void {
    this.#plans.push({ at, run });
    this.#plans.sort((a, b) => a.at - b.at);
  }

  /** Opens a connection from left to right with an application at each end. */
  connect(left: App, right: App): TcpSocket {
    this.right.listen(PORT);
    left.socket = this.left.connect({ remote: RIGHT, port: PORT }, this.now);
    this.apps.push(left, right);
    return left.socket;
  }

  /** Runs until `isDone`, or fails at `limit`. */
  runUntil(isDone: () => boolean, limit: Instant): void {
    for (;;) {
      this.#turn();
      if (isDone()) return;
      const next = this.#next();
      if (next === undefined) assert.fail(`nothing will ever happen again at ${this.now} ms`);
      if (next > limit) assert.fail(`not done at ${limit} ms`);
      this.now = Math.max(this.now, next);
    }
  }

  /** Runs until both applications read and wrote everything. */
  runApps(limit: Instant): void {
    this.runUntil(() => this.apps.every((app) => app.isFinished), limit);
  }

  #next(): Instant | undefined {
    let next = earlier(this.there.nextArrival(), this.back.nextArrival());
    next = earlier(next, earlier(this.left.pollTimeout(), this.right.pollTimeout()));
    for (const app of this.apps) next = earlier(next, app.nextTurn(this.now));
    for (const until of Object.values(this.#stalledUntil)) {
      if (until > this.now) next = earlier(next, until);
    }
    return earlier(next, this.#plans[0]?.at);
  }

  #turn(): void {
    const { now } = this;
    while ((this.#plans[0]?.at ?? Infinity) <= now) this.#plans.shift()?.run();
    for (let p = this.there.poll(now); p !== undefined; p = this.there.poll(now)) {
      this.right.handlePacket(p, now);
      assertRules(this.right);
    }
    for (let p = this.back.poll(now); p !== undefined; p = this.back.poll(now)) {
      this.left.handlePacket(p, now);
      assertRules(this.left);
    }
    this.left.handleTimeout(now);
    this.right.handleTimeout(now);
    assertRules(this.left);
    assertRules(this.right);
    this.#pollEvents();
    for (const app of this.apps) app.run(now);
    assertRules(this.left);
    assertRules(this.right);
    this.#drain("left", this.left, this.there);
    this.#drain("right", this.right, this.back);
  }

  #pollEvents(): void {
    while (this.left.pollEvent() !== undefined);
    for (let e = this.right.pollEvent(); e !== undefined; e = this.right.pollEvent()) {
      if (e.kind !== "accepted") continue;
      const app = this.apps.find((candidate) => candidate.socket === undefined);
      if (app !== undefined) app.socket = e.socket;
    }
  }

  #drain(name: "left" | "right", stack: Netstack, link: PacketLink): void {
    if (this.now < this.#stalledUntil[name]) return;
    if (this.#stallChance > 0 && this.#stallRandom.chance(this.#stallChance)) {
      this.#stalledUntil[name] = this.now + 1 + this.#stallRandom.below(100);
      return;
    }
    for (;;) {
      const length = stack.pollTransmit(this.#buffer, 0, this.now);
      assertRules(stack);
      if (length === 0) return;
      const packet = this.#buffer.subarray(0, length);
      if (this.stripSack) stripSackPermitted(packet);
      this.watch?.(name, packet);
      link.send(packet, this.now);
    }
  }
}

/** Turns the option into padding and writes the checksum anew. */
function stripSackPermitted(packet: Uint8Array): void {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
  const header = new TcpHeader();
  const segmentBytes = packet.length - IPV6_HEADER_BYTES;
  if (packet[6] !== NextHeader.tcp) return;
  parseTcp(view, IPV6_HEADER_BYTES, segmentBytes, header);
  if ((header.flags & TcpFlag.syn) === 0) return;
  header.isSackPermitted = false;
  const start = IPV6_HEADER_BYTES + TCP_HEADER_BYTES;
  packet.fill(1, start, IPV6_HEADER_BYTES + header.headerBytes);
  const headerBytes = header.headerBytes;
  writeTcp(view, IPV6_HEADER_BYTES, header);
  view.setUint8(IPV6_HEADER_BYTES + 12, (headerBytes / 4) << 4);
  const addressSum = sumBytes(view, IPV6_SOURCE_OFFSET, 2 * IPV6_ADDRESS_BYTES);
  writeTcpChecksum(view, IPV6_HEADER_BYTES, segmentBytes, headerBytes, addressSum, 0);
}

/**
 * A double of the agent's TCP (gVisor) for scripts of whole transfers: not a good TCP, but one with that one's habits,
 * each a knob. It listens, sends `totalBytes` of a pattern, takes what comes, and answers in its own way:
 * up to 100 queued segments are acknowledged by one ACK; a duplicate ACK counts only with the same window and, with
 * SACK, new blocks; no tail loss probe; a closed window is probed with a junk byte at SND.UNA - 1; when its memory is full it
 * takes back the window that it gave, drops data without a word, and an ACK from beyond the window with an ACK of its own; it gives up
 * silently after so many retransmissions, and then answers with RST.
 */
import { seqAdd, seqDiff } from "../../lib/base/seq.ts";
import type { Instant } from "../../lib/base/core.ts";
import { RttEstimator } from "../../lib/netstack/rtt.ts";
import { sumBytes } from "../../lib/wire/checksum.ts";
import { IPV6_SOURCE_OFFSET, Ipv6Header, NextHeader, writeIpv6 } from "../../lib/wire/ipv6.ts";
import { parseTcp, TcpFlag, TcpHeader, writeTcp, writeTcpChecksum } from "../../lib/wire/tcp.ts";
import { LEFT, patternByte, RIGHT } from "./stack_pair.ts";

export interface GvisorOptions {
  readonly totalBytes: number;
  readonly key: number;
  /** Whether it answers "SACK permitted" (v2.10 and later). @default true */
  readonly hasSack?: boolean;
  /** @default 5 */
  readonly maxRetransmissions?: number;
  /** Stops reading between these two instants: its window closes. @default never */
  readonly pauseFrom?: Instant;
  readonly pauseUntil?: Instant;
  /** Whether its memory is full as soon as it stops reading. @default false */
  readonly takesWindowBack?: boolean;
}

const ISS = 0xffff_ff00;
const SYN_WINDOW_BYTES = 24_320;
const WINDOW_BYTES = 3 * 1024 * 1024;
const WINDOW_SHIFT = 7;
const ACK_BATCH = 100;
const DUPLICATE_THRESHOLD = 3;
const INITIAL_CWND = 10;
const IPV6_BYTES = 40;

interface Segment {
  readonly start: number;
  readonly end: number;
  readonly sentAt: Instant;
  sacked: boolean;
  retransmitted: boolean;
}

export class GvisorPeer {
  received = 0;
  timeouts = 0;
  fastRecoveries = 0;
  probesSent = 0;
  acksSent = 0;
  isDead = false;
  /** Everything it took, to be compared by the test. */
  readonly verify: (index: number, byte: number) => void;
  readonly #o: Required<GvisorOptions>;
  readonly #out: Uint8Array[] = [];
  readonly #queue: Uint8Array[] = [];
  #port = 0;
  #peerPort = 0;
  #hasSack = false;
  // Positions count bytes of data from 0; the SYN is not among them.
  #rcvIrs = 0;
  #ooo: [number, number][] = [];
  #unread = 0;
  #advertised = SYN_WINDOW_BYTES;
  #isEstablished = false;
  #finAt = -1;
  isFinReceived = false;
  #segments: Segment[] = [];
  #una = 0;
  #nxt = 0;
  /** What lies below was perhaps sent twice: it tells no round trip. */
  #resent = 0;
  #sndWnd = 0;
  #sndShift = 0;
  #cwnd = INITIAL_CWND;
  #ssthresh = Infinity;
  #dupAcks = 0;
  #recoverAt = -1;
  readonly #rtt = new RttEstimator();
  #rtoMs = 1_000;
  #rtoAt: Instant = Infinity;
  #retries = 0;
  #probeAt: Instant = Infinity;
  #isClosedWindow = false;
  #hasNoMemory = false;

  constructor(options: GvisorOptions, verify: (index: number, byte: number) => void) {
    this.#o = {
      hasSack: true,
      maxRetransmissions: 5,
      pauseFrom: Infinity,
      pauseUntil: Infinity,
      takesWindowBack: false,
      ...options,
    };
    this.verify = verify;
  }

  get payloadBytes(): number {
    return this.#hasSack ? 1184 : 1220; // it leaves room for SACK blocks it never sends with data
  }

  get isSent(): boolean {
    return this.#una === this.#o.totalBytes;
  }

  handlePacket(packet: Uint8Array): void {
    this.#queue.push(packet);
  }

  /** A turn of its processor: at most a batch of segments, then one ACK for what was in order. */
  turn(now: Instant): void {
    const before = this.received;
    const isPaused = now >= this.#o.pauseFrom && now < this.#o.pauseUntil;
    const hadNoMemory = this.#hasNoMemory;
    this.#hasNoMemory = isPaused && this.#o.takesWindowBack;
    let mustAck = hadNoMemory && !this.#hasNoMemory; // window update
    for (const packet of this.#queue.splice(0, ACK_BATCH)) {
      mustAck = this.#handle(packet, now) || mustAck;
    }
    if (!isPaused) {
      const hadNoRoom = WINDOW_BYTES - this.#unread < this.payloadBytes;
      this.#unread = 0;
      if (hadNoRoom && this.#isEstablished) mustAck = true; // window update
    }
    if (mustAck || this.received !== before) this.#sendAck();
    this.#timers(now);
    this.#sendNew(now);
  }

  nextTurn(now: Instant): Instant | undefined {
    let at = Math.min(this.#rtoAt, this.#probeAt);
    if (this.#o.pauseUntil > now) at = Math.min(at, this.#o.pauseUntil);
    if (this.#queue.length > 0) at = now;
    return at === Infinity ? undefined : at;
  }

  pollTransmit(): Uint8Array | undefined {
    return this.#out.shift();
  }

  /** Empty segment at SND.NXT - 1. */
  sendKeepalive(): void {
    this.#emit(TcpFlag.ack, this.#nxt - 1, new Uint8Array(0));
  }

  #handle(packet: Uint8Array, now: Instant): boolean {
    const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
    const header = new TcpHeader();
    parseTcp(view, IPV6_BYTES, packet.length - IPV6_BYTES, header);
    if (this.isDead) {
      this.#emit(TcpFlag.rst, seqDiff(header.ack, seqAdd(ISS, 1)), new Uint8Array(0));
      return false;
    }
    if ((header.flags & TcpFlag.syn) !== 0) {
      this.#accept(header);
      return false;
    }
    this.#isEstablished = true;
    const payload = packet.subarray(IPV6_BYTES + header.headerBytes);
    if (this.#hasNoMemory) {
      if (payload.length > 0) return false;
      const start = seqDiff(header.seq, seqAdd(this.#rcvIrs, 1));
      if (start !== this.received) return true;
    }
    this.#handleAck(header, payload.length, now);
    return this.#handleData(header, payload);
  }

  #accept(syn: TcpHeader): void {
    this.#port = syn.destinationPort;
    this.#peerPort = syn.sourcePort;
    this.#rcvIrs = syn.seq;
    this.#hasSack = this.#o.hasSack && syn.isSackPermitted;
    this.#sndShift = Math.max(0, syn.windowScale);
    this.#sndWnd = syn.window;
    const header = this.#header(TcpFlag.syn | TcpFlag.ack, -1);
    header.window = SYN_WINDOW_BYTES;
    header.maxSegmentBytes = 1220;
    header.isSackPermitted = this.#hasSack;
    header.windowScale = WINDOW_SHIFT;
    this.#push(header, new Uint8Array(0));
  }

  // Receiving.

  #handleData(header: TcpHeader, payload: Uint8Array): boolean {
    const start = seqDiff(header.seq, seqAdd(this.#rcvIrs, 1));
    const end = start + payload.length;
    const hasFin = (header.flags & TcpFlag.fin) !== 0;
    if (hasFin) this.#finAt = end;
    if (payload.length === 0 && !hasFin) {
      return start === this.received - (this.isFinReceived ? 0 : 1); // keepalive or probe
    }
    if (end > this.#advertised) return true; // beyond the edge: dropped as a whole
    if (start > this.received) {
      this.#ooo.push([start, end]);
      this.#keep(start, payload);
      this.#sendAck(start);
      return false;
    }
    this.#keep(start, payload);
    let next = Math.max(this.received, end);
    this.#ooo.sort((a, b) => a[0] - b[0]);
    const hadHole = this.#ooo.length > 0;
    for (const [left, right] of this.#ooo) if (left <= next) next = Math.max(next, right);
    this.#ooo = this.#ooo.filter(([, right]) => right > next);
    this.#unread += next - this.received;
    const isOld = next === this.received;
    this.received = next;
    if (this.#finAt === next) this.isFinReceived = true;
    if (hadHole || isOld || this.isFinReceived) this.#sendAck();
    return false;
  }

  #keep(start: number, payload: Uint8Array): void {
    for (let i = 0; i < payload.length; i++) this.verify(start + i, payload[i] ?? 0);
  }

  #sendAck(newest = -1): void {
    const header = this.#header(TcpFlag.ack, Math.max(this.#nxt, this.#resent)); // SND.NXT never goes back
    if (this.#hasSack && this.#ooo.length > 0) {
      const merged: [number, number][] = [];
      for (const [left, right] of [...this.#ooo].sort((a, b) => a[0] - b[0])) {
        const last = merged.at(-1);
        if (last !== undefined && last[1] >= left) last[1] = Math.max(last[1], right);
        else merged.push([left, right]);
      }
      merged.sort((a, b) => Number(isIn(newest, b)) - Number(isIn(newest, a)));
      for (const [left, right] of merged.slice(0, 3)) {
        header.sackLeft[header.sackCount] = seqAdd(this.#rcvIrs, 1 + left);
        header.sackRight[header.sackCount++] = seqAdd(this.#rcvIrs, 1 + right);
      }
    }
    this.acksSent++;
    this.#push(header, new Uint8Array(0));
  }

  // Sending.

  #handleAck(header: TcpHeader, payloadBytes: number, now: Instant): void {
    const ack = seqDiff(header.ack, seqAdd(ISS, 1));
    const window = header.window << this.#sndShift;
    const hasNews = this.#markSacked(header);
    const isDuplicate = ack === this.#una && this.#nxt > this.#una && payloadBytes === 0 &&
      window === this.#sndWnd && (!this.#hasSack || hasNews);
    this.#sndWnd = window;
    this.#isClosedWindow = window === 0;
    if (!this.#isClosedWindow) this.#probeAt = Infinity;
    if (ack > this.#una) this.#advance(ack, now);
    else if (isDuplicate) this.#countDuplicate(now);
    if (this.#recoverAt >= 0) this.#recover(now);
  }

  #advance(ack: number, now: Instant): void {
    const acked = this.#segments.findIndex((segment) => segment.end > ack);
    const done = this.#segments.splice(0, acked < 0 ? this.#segments.length : acked);
    const timed = done.findLast(({ end, retransmitted }) => !retransmitted && end > this.#resent);
    if (timed !== undefined) this.#rtt.sample(now - timed.sentAt);
    this.#una = ack;
    this.#nxt = Math.max(this.#nxt, ack); // after a timeout it had gone back
    this.#dupAcks = 0;
    this.#retries = 0;
    this.#rtoMs = this.#rtt.rtoMs;
    this.#rtoAt = this.#segments.length > 0 ? now + this.#rtoMs : Infinity;
    if (this.#recoverAt >= 0 && ack >= this.#recoverAt) {
      this.#recoverAt = -1;
      this.#cwnd = this.#ssthresh;
    }
    if (this.#recoverAt >= 0) {
      if (!this.#hasSack) this.#retransmit(this.#segments[0], now); // NewReno, partial ACK
      return;
    }
    this.#cwnd += this.#cwnd < this.#ssthresh ? done.length : done.length / this.#cwnd;
  }

  #countDuplicate(now: Instant): void {
    this.#dupAcks++;
    if (this.#recoverAt >= 0 || this.#dupAcks < DUPLICATE_THRESHOLD) return;
    this.fastRecoveries++;
    this.#ssthresh = Math.max(2, this.#segments.length / 2);
    this.#cwnd = this.#ssthresh;
    this.#recoverAt = this.#nxt;
    for (const segment of this.#segments) segment.retransmitted = false;
    this.#retransmit(this.#segments[0], now);
  }

  /** One more hole for every ACK, as "pipe" shrinks. */
  #recover(now: Instant): void {
    if (!this.#hasSack) return;
    const highest = this.#segments.findLastIndex((segment) => segment.sacked);
    const hole = this.#segments.find((segment, i) =>
      i < highest && !segment.sacked && !segment.retransmitted
    );
    this.#retransmit(hole, now);
  }

  #retransmit(segment: Segment | undefined, now: Instant): void {
    if (segment === undefined || segment.retransmitted) return;
    segment.retransmitted = true;
    this.#sendSegment(segment);
    this.#rtoAt = now + this.#rtoMs;
  }

  #markSacked(header: TcpHeader): boolean {
    let hasNews = false;
    for (let i = 0; i < header.sackCount; i++) {
      const left = seqDiff(header.sackLeft[i] ?? 0, seqAdd(ISS, 1));
      const right = seqDiff(header.sackRight[i] ?? 0, seqAdd(ISS, 1));
      for (const segment of this.#segments) {
        if (segment.sacked || segment.start < left || segment.end > right) continue;
        segment.sacked = true;
        hasNews = true;
      }
    }
    return hasNews;
  }

  #sendNew(now: Instant): void {
    if (!this.#isEstablished || this.isDead) return;
    const total = this.#o.totalBytes;
    if (this.#isClosedWindow && this.#segments.length === 0 && this.#nxt < total) {
      if (this.#probeAt === Infinity) this.#probeAt = now + this.#rtoMs;
      return;
    }
    if (this.#nxt >= total) return;
    let flying = this.#segments.filter((segment) => !segment.sacked).length;
    while (this.#nxt < total) {
      const end = Math.min(this.#nxt + this.payloadBytes, total, this.#una + this.#sndWnd); // cut to fit
      if (flying >= Math.floor(this.#cwnd) || end <= this.#nxt) return;
      const segment = { start: this.#nxt, end, sentAt: now, sacked: false, retransmitted: false };
      this.#segments.push(segment);
      flying++;
      this.#nxt = end;
      this.#sendSegment(segment);
      if (this.#rtoAt === Infinity) this.#rtoAt = now + this.#rtoMs;
    }
  }

  #timers(now: Instant): void {
    if (now >= this.#probeAt) {
      this.probesSent++;
      this.#rtoMs = Math.min(120_000, this.#rtoMs * 2);
      this.#probeAt = now + this.#rtoMs;
      this.#emit(TcpFlag.ack, this.#una - 1, Uint8Array.of(0xaa));
    }
    if (now < this.#rtoAt) return;
    this.timeouts++;
    if (++this.#retries > this.#o.maxRetransmissions) {
      this.isDead = true;
      this.#rtoAt = Infinity;
      return;
    }
    this.#rtoMs *= 2;
    this.#cwnd = 1;
    this.#ssthresh = Math.max(2, this.#segments.length / 2);
    this.#recoverAt = -1;
    this.#dupAcks = 0;
    // It goes back to SND.UNA and sends everything again as the window grows.
    this.#segments = [];
    this.#resent = Math.max(this.#resent, this.#nxt);
    this.#nxt = this.#una;
    this.#rtoAt = Infinity;
  }

  #sendSegment(segment: Segment): void {
    const payload = new Uint8Array(segment.end - segment.start);
    for (let i = 0; i < payload.length; i++) {
      payload[i] = patternByte(this.#o.key, segment.start + i);
    }
    this.#emit(TcpFlag.ack | TcpFlag.psh, segment.start, payload);
  }

  #emit(flags: number, position: number, payload: Uint8Array): void {
    this.#push(this.#header(flags, position), payload);
  }

  #header(flags: number, position: number): TcpHeader {
    const header = new TcpHeader();
    const room = Math.max(0, WINDOW_BYTES - this.#unread) >> WINDOW_SHIFT << WINDOW_SHIFT;
    if (this.#hasNoMemory) this.#advertised = this.received;
    else this.#advertised = Math.max(this.#advertised, this.received + room);
    header.sourcePort = this.#port;
    header.destinationPort = this.#peerPort;
    header.seq = seqAdd(ISS, 1 + position);
    header.ack = seqAdd(this.#rcvIrs, 1 + this.received + (this.isFinReceived ? 1 : 0));
    header.flags = flags;
    header.window = Math.max(0, this.#advertised - this.received) >> WINDOW_SHIFT;
    return header;
  }

  #push(header: TcpHeader, payload: Uint8Array): void {
    const packet = new Uint8Array(IPV6_BYTES + 60 + payload.length);
    const view = new DataView(packet.buffer);
    const headerBytes = writeTcp(view, IPV6_BYTES, header);
    packet.set(payload, IPV6_BYTES + headerBytes);
    const ip = new Ipv6Header();
    ip.payloadBytes = headerBytes + payload.length;
    ip.nextHeader = NextHeader.tcp;
    ip.hopLimit = 64;
    writeIpv6(view, 0, ip, RIGHT, LEFT);
    const addressSum = sumBytes(view, IPV6_SOURCE_OFFSET, 32);
    const payloadSum = sumBytes(view, IPV6_BYTES + headerBytes, payload.length);
    writeTcpChecksum(view, IPV6_BYTES, ip.payloadBytes, headerBytes, addressSum, payloadSum);
    this.#out.push(packet.subarray(0, IPV6_BYTES + ip.payloadBytes));
  }
}

function isIn(position: number, [left, right]: readonly [number, number]): boolean {
  return position >= left && position < right;
}

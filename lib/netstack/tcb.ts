/**
 * The transmission control block (RFC 9293 §3.3.1): all that one connection knows. The functions of this room work on
 * it: `handshake.ts`, `receive.ts`, `acknowledge.ts`, `recovery.ts`, `timeouts.ts` and `transmit.ts`.
 * Here are only the moves between states, and the end. Fields under the names of the RFC where it has one.
 */
import type { Instant } from "../base/core.ts";
import { seqDiff } from "../base/seq.ts";
import type { StreamEnd } from "../base/stream.ts";
import { addSums, sumBytes } from "../wire/checksum.ts";
import { Ipv6Header } from "../wire/ipv6.ts";
import { TcpHeader } from "../wire/tcp.ts";
import { AckFacts, Congestion } from "./congestion.ts";
import type { NetstackCounters } from "./counters.ts";
import { ByteRing } from "./byte_ring.ts";
import { Pacer } from "./pacer.ts";
import { Rack } from "./rack.ts";
import { ReceiveSpace } from "./receive_space.ts";
import { RttEstimator } from "./rtt.ts";
import { SentSegments } from "./sent_segments.ts";
import { canMove, type TcpState } from "./state.ts";
import { TcpTimer, TcpTimers } from "./timers.ts";

/** What a socket's owner has yet to hear of; a set of bits. */
export const SocketEvent = {
  accepted: 1,
  connected: 2,
  readable: 4,
  writable: 8,
  closed: 16,
} as const;
export type SocketEvent = (typeof SocketEvent)[keyof typeof SocketEvent];

/** How sending stands after losses: RFC 6675 §5, RFC 6582 §3.2 ("recovery"), RFC 5681 §3.1 ("loss", after a timeout). */
export type RecoveryPhase = "open" | "recovery" | "loss";

/** A segment that asks for an answer and carries nothing. */
export type Probe = "none" | "zero-window" | "keepalive";

export interface TcbOptions {
  readonly mtuBytes: number;
  readonly receiveBufferBytes: number;
  readonly sendBufferBytes: number;
  readonly timeWaitMs: number;
  readonly giveUpMs: number;
  readonly giveUpRetransmissions: number;
  readonly connectGiveUpMs: number;
  /** 0: off. */
  readonly keepaliveMs: number;
  /** 0: the first SYN is retried like all others. */
  readonly firstSynRetryMs: number;
}

export interface Endpoints {
  /** 16 bytes each. */
  readonly localAddress: Uint8Array;
  readonly remoteAddress: Uint8Array;
  readonly localPort: number;
  readonly remotePort: number;
}

/** Where a connection came from: we dialled, a listener took the SYN, or its owner had to decide about it. */
export type TcbOrigin = "connect" | "listener" | "forwarder";

type InitialState = "syn-sent" | "syn-received" | "syn-held";

const ORIGINS: Readonly<Record<InitialState, TcbOrigin>> = {
  "syn-sent": "connect",
  "syn-received": "listener",
  "syn-held": "forwarder",
};

/** IPv6 and TCP headers without options. */
const HEADERS_BYTES = 60;

export class Tcb {
  readonly options: TcbOptions;
  readonly endpoints: Endpoints;
  readonly counters: NetstackCounters;
  readonly origin: TcbOrigin;
  /** Part of every checksum we write. */
  readonly addressSum: number;
  /** Scratch of the segments we write. */
  readonly ip = new Ipv6Header();
  readonly out = new TcpHeader();

  // Send sequence space (RFC 9293 §3.3.1).
  iss = 0;
  sndUna = 0;
  sndNxt = 0;
  sndWnd = 0;
  sndWl1 = 0;
  sndWl2 = 0;
  /** Largest window ever seen: for RFC 5961 §5.2 and silly-window avoidance. */
  sndMaxWnd = 0;
  /** Whether both sides scale windows. */
  hasWindowScale = false;
  sndWndShift = 0;
  mssBytes: number;
  isSackPermitted = false;
  readonly sendRing: ByteRing;
  readonly sent = new SentSegments();
  finQueued = false;
  finSent = false;

  // Receive sequence space.
  irs = 0;
  readonly receive: ReceiveSpace;

  // Timing and congestion.
  readonly timers = new TcpTimers();
  readonly rtt = new RttEstimator();
  readonly rack = new Rack();
  readonly facts = new AckFacts();
  congestion: Congestion;
  pacer: Pacer;
  phase: RecoveryPhase = "open";
  /** Where the phase ends: SND.NXT at its beginning (RFC 6582 "recover", RFC 6675 "RecoveryPoint"). */
  recoveryPoint = 0;
  duplicateAcks = 0;
  /** Retransmission timeouts in a row. */
  timeouts = 0;
  persistBackoff = 0;
  /** Time we spent waiting, by our own timers, since the peer last made progress; sleeping does not count. */
  stalledMs = 0;
  synCount = 0;
  synSentAt: Instant = 0;
  lastHeardAt: Instant = 0;
  lastSentAt: Instant = 0;
  lastChallengeAt: Instant = -Infinity;
  /** SND.NXT after the tail loss probe in flight; meaningful while `isTailProbing` (RFC 8985 §7). */
  tailProbeEnd = 0;
  isTailProbing = false;

  // What is owed to the wire.
  synOwed = false;
  ackOwed = false;
  /** One lost segment may leave whatever the window says. */
  retransmitOwed = false;
  tailProbeOwed = false;
  /** Silly-window avoidance is overridden once (RFC 9293 §3.8.6.2.1). */
  smallSegmentOwed = false;
  probeOwed: Probe = "none";

  // What is owed to the owner: bits of `SocketEvent`.
  events = 0;
  isReadableTold = false;
  isWriterWaiting = false;
  /** Whether the stack has the connection in its queue of those that may have something to send, or to tell. */
  isScheduled = false;
  isEventQueued = false;
  /** Whether it counts among the connections that peers began and have not finished. */
  isInBacklog = false;
  end: StreamEnd | undefined;

  #state: TcpState;

  constructor(
    state: InitialState,
    endpoints: Endpoints,
    options: TcbOptions,
    counters: NetstackCounters,
  ) {
    this.#state = state;
    this.origin = ORIGINS[state];
    this.endpoints = endpoints;
    this.options = options;
    this.counters = counters;
    this.addressSum = addSums(sumOf(endpoints.localAddress), sumOf(endpoints.remoteAddress));
    this.out.sourcePort = endpoints.localPort;
    this.out.destinationPort = endpoints.remotePort;
    this.mssBytes = options.mtuBytes - HEADERS_BYTES;
    this.sendRing = new ByteRing(options.sendBufferBytes);
    this.receive = new ReceiveSpace(options.receiveBufferBytes, options.mtuBytes - HEADERS_BYTES);
    this.congestion = new Congestion(this.mssBytes);
    this.pacer = new Pacer(this.mssBytes);
  }

  get state(): TcpState {
    return this.#state;
  }

  /** Largest payload the MTU allows towards us: what our MSS option says (RFC 9293 §3.7.1). */
  get ownMssBytes(): number {
    return this.options.mtuBytes - HEADERS_BYTES;
  }

  /** Sequence numbers in flight, FIN included. */
  get flightSize(): number {
    return seqDiff(this.sndNxt, this.sndUna);
  }

  /** Queued bytes that were never sent. */
  get unsentBytes(): number {
    const { flightSize } = this;
    const hasFin = this.finSent && flightSize > 0; // not acknowledged yet, so it is part of the flight
    return this.sendRing.length - (flightSize - (hasFin ? 1 : 0));
  }

  /** What the peer's window still allows; negative when it shrank. */
  get usableWindow(): number {
    return this.sndWnd - this.flightSize;
  }

  /** The only way to another state. Sets and clears what belongs to it. */
  enter(next: TcpState, now: Instant): void {
    if (!canMove(this.#state, next)) {
      throw new TypeError(`Cannot move connection from "${this.#state}" to "${next}"`);
    }
    this.#state = next;
    switch (next) {
      case "time-wait":
        this.timers.clearAll();
        this.timers.set(TcpTimer.timeWait, now + this.options.timeWaitMs);
        this.sendRing.release();
        this.finish({ kind: "closed" });
        return;
      case "closed":
        this.timers.clearAll();
        this.sendRing.release();
        this.#owesNothing();
        return;
      default:
        return;
    }
  }

  /** Tells the owner, once, how the connection ended. */
  finish(end: StreamEnd): void {
    if (this.end !== undefined) return;
    this.end = end;
    this.events |= SocketEvent.closed;
  }

  /** Ends the connection at once. What was received may still be read. */
  close(end: StreamEnd, now: Instant): void {
    if (this.#state === "closed") return;
    this.finish(end);
    this.enter("closed", now);
  }

  /** Tells the owner that there is something to read, unless it knows. */
  noteReadable(): void {
    if (this.isReadableTold) return;
    this.isReadableTold = true;
    this.events |= SocketEvent.readable;
  }

  /** Settles the segment size both sides can take, once the peer's SYN is known. */
  adoptMss(mssBytes: number): void {
    this.mssBytes = mssBytes;
    this.beginCongestion();
  }

  /** As on a path that nothing is known of. */
  beginCongestion(): void {
    this.congestion = new Congestion(this.mssBytes);
    this.pacer = new Pacer(this.mssBytes);
  }

  #owesNothing(): void {
    this.synOwed = false;
    this.ackOwed = false;
    this.retransmitOwed = false;
    this.tailProbeOwed = false;
    this.probeOwed = "none";
  }
}

function sumOf(address: Uint8Array): number {
  const view = new DataView(address.buffer, address.byteOffset, address.byteLength);
  return sumBytes(view, 0, address.length);
}

/**
 * The transmission control block (RFC 9293 §3.3.1): all that one connection knows. The functions of this room work on
 * it: `handshake.ts`, `receive.ts`, `acknowledge.ts`, `recovery.ts`, `timeouts.ts` and `transmit.ts`.
 * Here are only the moves between states, and the end. Apart from it: what we send (`send_space.ts`), what is owed to the
 * wire (`owed.ts`) and to the owner (`owner_news.ts`), and where the stack has it in its queues (`connection.ts`).
 * What must hold between all that after every call is in `invariants.ts`.
 */
import type { Instant } from "../base/core.ts";
import type { StreamEnd } from "../base/stream.ts";
import { addSums, sumBytes } from "../wire/checksum.ts";
import { Ipv6Header } from "../wire/ipv6.ts";
import { TcpHeader } from "../wire/tcp.ts";
import { AckPacing } from "./ack_pacing.ts";
import { AckFacts, Congestion } from "./congestion.ts";
import type { NetstackCounters } from "./counters.ts";
import { DeliveryRate } from "./delivery_rate.ts";
import { FlightPeak } from "./flight_peak.ts";
import { Owed } from "./owed.ts";
import { OwnerNews, SocketEvent } from "./owner_news.ts";
import { Pacer } from "./pacer.ts";
import { Rack } from "./rack.ts";
import { ReceiveSpace } from "./receive_space.ts";
import { ReceiveTuning } from "./receive_tuning.ts";
import { RttEstimator } from "./rtt.ts";
import { SendSpace } from "./send_space.ts";
import { type SendWay, UNKNOWN_SEND_WAY } from "./send_way.ts";
import { canMove, type TcpState } from "./state.ts";
import { TcpTimer, TcpTimers } from "./timers.ts";

/** How sending stands after losses: RFC 6675 §5, RFC 6582 §3.2 ("recovery"), RFC 5681 §3.1 ("loss", after a timeout). */
export type RecoveryPhase = "open" | "recovery" | "loss";

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

  readonly snd: SendSpace;
  isSackPermitted = false;

  // Receive sequence space.
  irs = 0;
  readonly receive: ReceiveSpace;
  readonly receiveTuning: ReceiveTuning;
  readonly ackPacing: AckPacing;

  // Timing and congestion.
  readonly timers = new TcpTimers();
  readonly rtt = new RttEstimator();
  readonly rack = new Rack();
  readonly facts = new AckFacts();
  congestion: Congestion;
  deliveryRate = new DeliveryRate();
  flightPeak = new FlightPeak();
  pacer: Pacer;
  /** The way that the last segments took. */
  sendWay: SendWay = UNKNOWN_SEND_WAY;
  phase: RecoveryPhase = "open";
  /** Where the phase ends: SND.NXT at its beginning (RFC 6582 "recover", RFC 6675 "RecoveryPoint"). */
  recoveryPoint = 0;
  /** What had been taken for lost in all when the phase began. */
  lostBefore = 0;
  duplicateAcks = 0;
  /** SND.NXT when another path was taken, while something from before is in flight. */
  moveEnd: number | undefined;
  /** Retransmission timeouts in a row. */
  timeouts = 0;
  persistBackoff = 0;
  /** Time we spent waiting, by our own timers, since the peer last made progress; sleeping does not count. */
  stalledMs = 0;
  synCount = 0;
  synSentAt: Instant = 0;
  lastHeardAt: Instant = 0;
  /** Until when the peer may show that it misses what it sent in an outage. */
  gapUntil: Instant = -Infinity;
  lastSentAt: Instant = 0;
  lastChallengeAt: Instant = -Infinity;
  /** How often the last ACK was said again (`repeated_ack.ts`). */
  ackRepeats = 0;
  /** SND.NXT after the tail loss probe in flight (RFC 8985 §7, TLP.end_seq). */
  tailProbeEnd: number | undefined;

  readonly owed = new Owed();
  readonly news = new OwnerNews();
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
    const mssBytes = options.mtuBytes - HEADERS_BYTES;
    this.snd = new SendSpace(options.sendBufferBytes, mssBytes);
    this.receive = new ReceiveSpace(options.receiveBufferBytes, mssBytes);
    this.receiveTuning = new ReceiveTuning(mssBytes);
    this.ackPacing = new AckPacing(mssBytes);
    this.congestion = new Congestion(mssBytes);
    this.pacer = new Pacer(mssBytes);
  }

  get state(): TcpState {
    return this.#state;
  }

  /** Largest payload the MTU allows towards us: what our MSS option says (RFC 9293 §3.7.1). */
  get ownMssBytes(): number {
    return this.options.mtuBytes - HEADERS_BYTES;
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
        this.snd.ring.release();
        this.finish({ kind: "closed" });
        return;
      case "closed":
        this.timers.clearAll();
        this.snd.ring.release();
        this.owed.dropAll();
        return;
      default:
        return;
    }
  }

  /** Tells the owner, once, how the connection ended. */
  finish(end: StreamEnd): void {
    if (this.end !== undefined) return;
    this.end = end;
    this.news.add(SocketEvent.closed);
  }

  /** Ends the connection at once. What was received may still be read. */
  close(end: StreamEnd, now: Instant): void {
    if (this.#state === "closed") return;
    this.finish(end);
    this.enter("closed", now);
  }

  /** Settles the segment size both sides can take, once the peer's SYN is known. */
  adoptMss(mssBytes: number): void {
    this.snd.mssBytes = mssBytes;
    this.beginCongestion();
  }

  /** As on a path that nothing is known of. */
  beginCongestion(): void {
    this.congestion = new Congestion(this.snd.mssBytes);
    this.deliveryRate = new DeliveryRate();
    this.flightPeak = new FlightPeak();
    this.pacer = new Pacer(this.snd.mssBytes);
  }
}

function sumOf(address: Uint8Array): number {
  const view = new DataView(address.buffer, address.byteOffset, address.byteLength);
  return sumBytes(view, 0, address.length);
}

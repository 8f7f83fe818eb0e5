/**
 * Congestion control: CUBIC (RFC 9438) with slow start (RFC 5681 §3.1), HyStart++ and an initial window of ten
 * segments (RFC 6928). Counts acknowledged bytes without the limit of RFC 3465 §2.2, because the peers acknowledge
 * dozens of segments at once; the bursts that follow are held down in `pacer.ts`.
 * Radio links lose at random, where CUBIC would stand at a fraction of the path: what was delivered tells such a loss from one
 * for want of room, and then the window stays, which is RFC 9438 §4.6 set aside on purpose (`delivery_rate.ts`). Such
 * losses do not end the first slow start either: it would end at what a path lost first, and the curve takes seconds for what it doubles.
 * Left out: ECN, spurious-loss undo (RFC 9438 §4.9).
 */
import type { Instant } from "../base/core.ts";
import { HyStart } from "./hystart.ts";

/** RFC 9438 §4.6. */
const BETA = 0.7;
/** Part of the flight that a loss must leave to the path to be one at random. */
const AT_RANDOM = 0.9;
/** Losses of a round trip that do not end slow start. */
const FEW_SEGMENTS = 2;
const FEW_SHARE = 0.05;
/** RFC 9438 §5.1, in segments per second cubed. */
const C = 0.4;
/** RFC 9438 §4.3: growth of the Reno-friendly estimate, as long as it is below the window before the loss. */
const ALPHA = (3 * (1 - BETA)) / (1 + BETA);
/** RFC 9438 §4.2: the target is at most this times the window. */
const MAX_TARGET_FACTOR = 1.5;
const INITIAL_WINDOW_SEGMENTS = 10;
const INITIAL_WINDOW_BYTES = 14_600;
const MIN_WINDOW_SEGMENTS = 2;
const NO_EPOCH = -1;

/** What an ACK said, in an object that is meant to be reused. */
export class AckFacts {
  /** Bytes delivered, in order or not. */
  bytes = 0;
  now: Instant = 0;
  /** -1 for none. */
  sampleMs = -1;
  srttMs = 0;
  sndUna = 0;
  sndNxt = 0;
}

/** What is known of the losses of a window. */
export interface LossFacts {
  /** What the path holds without a queue. @default 0, nothing is known */
  readonly pathBytes?: number;
  /** What was lost of this window until now. @default Infinity, nothing is known */
  readonly lostBytes?: number;
  /** Whether round trips became longer. @default false */
  readonly isQueueing?: boolean;
}

export class Congestion {
  readonly #mssBytes: number;
  readonly #initialWindowBytes: number;
  #hystart = new HyStart();
  #cwndBytes: number;
  #ssthreshBytes = Infinity;
  #epochAt: Instant = NO_EPOCH;
  /** W_max, cwnd_prior and W_est in segments, K in seconds (RFC 9438 §4.1). */
  #wMax = 0;
  #cwndPrior = 0;
  #wEst = 0;
  #kSeconds = 0;

  constructor(mssBytes: number) {
    this.#mssBytes = mssBytes;
    // RFC 6928 §2
    this.#initialWindowBytes = Math.min(
      INITIAL_WINDOW_SEGMENTS * mssBytes,
      Math.max(2 * mssBytes, INITIAL_WINDOW_BYTES),
    );
    this.#cwndBytes = this.#initialWindowBytes;
  }

  /** A whole number; growth is kept with its fraction. */
  get cwndBytes(): number {
    return Math.floor(this.#cwndBytes);
  }

  get ssthreshBytes(): number {
    return this.#ssthreshBytes;
  }

  get isSlowStart(): boolean {
    return this.#cwndBytes < this.#ssthreshBytes;
  }

  /** Should be called for an ACK of new data outside of fast recovery, if the window was what held sending back. */
  handleAck(facts: AckFacts): void {
    let bytes = facts.bytes;
    if (this.isSlowStart) {
      const isInitial = this.#ssthreshBytes === Infinity; // RFC 9406 §4.3: only in the first slow start
      const isOver = isInitial &&
        this.#hystart.handleAck(facts.sampleMs, facts.sndUna, facts.sndNxt);
      const growth = Math.min(
        isInitial ? bytes / this.#hystart.growthDivisor : bytes, // RFC 9406 §4.2
        this.#ssthreshBytes - this.#cwndBytes,
      );
      this.#cwndBytes += growth; // RFC 5681 §3.1 (2), byte counting
      if (isOver) this.#ssthreshBytes = this.#cwndBytes;
      if (this.isSlowStart || isOver) return;
      bytes -= growth; // what slow start did not need counts for congestion avoidance
    }
    this.#avoid(bytes, facts);
  }

  /**
   * Should be called once for every window in which a segment was lost, before retransmitting (RFC 9438 §4.6), and again for that
   * window while slow start goes on nonetheless. What the path holds without a queue is never gone below; when it is nearly all
   * that is under way, the loss says nothing of how much the path takes, and the curve goes on.
   */
  handleLoss(
    flightBytes: number,
    { pathBytes = 0, lostBytes = Infinity, isQueueing = false }: LossFacts = {},
  ): void {
    const kept = Math.min(flightBytes, pathBytes);
    if (this.isSlowStart) {
      if (!isQueueing && this.#isStartUntouched(flightBytes, lostBytes)) return;
    } else if (kept >= AT_RANDOM * flightBytes) {
      this.#ssthreshBytes = Math.max(MIN_WINDOW_SEGMENTS * this.#mssBytes, kept);
      this.#cwndBytes = this.#ssthreshBytes;
      return;
    }
    this.#reduce(flightBytes);
    this.#ssthreshBytes = Math.max(this.#ssthreshBytes, kept);
    this.#cwndBytes = this.#ssthreshBytes;
  }

  /**
   * Slow start sends twice what is delivered, so that a path that is full loses a third and more of what is under way, and
   * one segment of two as soon as it begins: a few losses are none for want of room, as long as no queue grows. (BBR's start-up
   * bears a few as well, draft-ietf-ccwg-bbr, BBRCheckStartupHighLoss.)
   */
  #isStartUntouched(flightBytes: number, lostBytes: number): boolean {
    return this.#ssthreshBytes === Infinity && !this.#hystart.isConservative &&
      lostBytes <= Math.max(FEW_SEGMENTS * this.#mssBytes, FEW_SHARE * flightBytes);
  }

  /** Should be called when the retransmission timer fires; only the first time in a row lowers the threshold. */
  handleTimeout(flightBytes: number, attempt: number): void {
    if (attempt === 1) this.#reduce(flightBytes); // RFC 5681 §3.1: held constant when it fires again
    this.#cwndBytes = this.#mssBytes; // RFC 5681 §3.1, the loss window
    this.#hystart = new HyStart();
  }

  /** Should be called before sending after an idle time longer than the timeout (RFC 5681 §4.1). */
  handleIdle(): void {
    this.#cwndBytes = Math.min(this.#cwndBytes, this.#initialWindowBytes);
    this.#epochAt = NO_EPOCH;
    this.#hystart = new HyStart();
  }

  /** Should be called when nothing held sending back for a while: the curve must not run ahead (RFC 9438 §4.2). */
  pauseEpoch(): void {
    this.#epochAt = NO_EPOCH;
  }

  #reduce(flightBytes: number): void {
    const cwnd = this.#cwndBytes / this.#mssBytes;
    this.#cwndPrior = cwnd;
    // RFC 9438 §4.7, fast convergence: leave room when the window has not got back to where it was.
    this.#wMax = cwnd < this.#wMax ? (cwnd * (1 + BETA)) / 2 : cwnd;
    this.#ssthreshBytes = Math.max(
      Math.floor(flightBytes * BETA),
      MIN_WINDOW_SEGMENTS * this.#mssBytes,
    );
    this.#epochAt = NO_EPOCH;
  }

  #avoid(bytes: number, facts: AckFacts): void {
    const cwnd = this.#cwndBytes / this.#mssBytes;
    const acked = bytes / this.#mssBytes;
    if (this.#epochAt === NO_EPOCH) this.#beginEpoch(cwnd, facts.now);
    const seconds = (facts.now - this.#epochAt) / 1000;
    const alpha = this.#wEst >= this.#cwndPrior ? 1 : ALPHA; // RFC 9438 §4.3
    this.#wEst += (alpha * acked) / cwnd;
    let next = cwnd;
    if (this.#cubic(seconds) < this.#wEst) next = Math.max(cwnd, this.#wEst);
    else {
      const target = this.#cubic(seconds + facts.srttMs / 1000);
      const clamped = Math.min(Math.max(target, cwnd), MAX_TARGET_FACTOR * cwnd); // RFC 9438 §4.2
      next = cwnd + ((clamped - cwnd) / cwnd) * acked; // RFC 9438 §4.4, §4.5
    }
    this.#cwndBytes = next * this.#mssBytes;
  }

  #beginEpoch(cwnd: number, now: Instant): void {
    this.#epochAt = now;
    this.#wEst = cwnd;
    if (cwnd >= this.#wMax) {
      this.#wMax = cwnd; // RFC 9438 §4.8: no loss before, or past the plateau already
      this.#kSeconds = 0;
    } else {
      this.#kSeconds = Math.cbrt((this.#wMax - cwnd) / C); // RFC 9438 §4.2 (2)
    }
  }

  /** W_cubic(t) in segments (RFC 9438 §4.2 (1)). */
  #cubic(seconds: number): number {
    const t = seconds - this.#kSeconds;
    return C * t * t * t + this.#wMax;
  }
}

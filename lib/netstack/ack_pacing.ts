/**
 * How much of what came is acknowledged at once. A peer sends in one go whatever an ACK allows it. We take a burst from the
 * network in one turn, and one ACK for it would let the peer send a whole window as one burst, round after round, into queues
 * of 32 packets: that of a relay for its client, and that of the peer towards its relay (tailscale
 * `derp/derpserver/derpserver.go`, defaultPerClientSendQueueDepth, and `wgengine/magicsock/derp.go`, derpWriteQueueDepth).
 * So what came together is acknowledged in parts, over half a round trip at most, where queues on the way are that
 * short; what the peer sends in answer is spread alike, and stays so.
 */
import type { Instant } from "../base/core.ts";

/** With what the window grows by in the same ACK, half of a relay's queue. */
const CAPACITY_SEGMENTS = 12;
const QUANTUM_SEGMENTS = CAPACITY_SEGMENTS / 2;
/** Faster than what comes, for the peer is to grow. */
const RATE_FACTOR = 2;
/**
 * Two ACKs closer together belong to a train for CUBIC, which looks for the end of slow start, and a train of half a round
 * trip is that end (google/gvisor `pkg/tcpip/transport/tcp/cubic.go`, updateHyStart).
 */
const TRAIN_MS = 2.5;
/** Our timers are not finer. */
const MIN_WAIT_MS = 1;

/** What is known of what comes. */
export interface Arrivals {
  /** Least round trip of a way with short queues; `Infinity` of others. */
  readonly rttMs: number;
  /** What a round trip of the present rate carries. */
  readonly roundTripBytes: number;
}

export class AckPacing {
  readonly #quantumBytes: number;
  readonly #capacityBytes: number;
  /** What may be acknowledged at once, as of `#filledAt`. */
  #bytes: number;
  #filledAt: Instant = 0;
  #ratePerMs = 0;
  /** The most that waited since all was acknowledged the last time: it came within one round trip. */
  #mostWaiting = 0;
  #nextAt: Instant = 0;

  constructor(mssBytes: number) {
    this.#quantumBytes = QUANTUM_SEGMENTS * mssBytes;
    this.#capacityBytes = CAPACITY_SEGMENTS * mssBytes;
    this.#bytes = this.#capacityBytes;
  }

  /** How many of the bytes that wait may be acknowledged now. */
  allowedBytes(waitingBytes: number, { rttMs, roundTripBytes }: Arrivals, now: Instant): number {
    if (rttMs === Infinity || waitingBytes === 0) return waitingBytes;
    this.#mostWaiting = Math.max(this.#mostWaiting, waitingBytes);
    this.#ratePerMs = RATE_FACTOR * Math.max(roundTripBytes, this.#mostWaiting) / rttMs;
    const capacityBytes = Math.max(this.#capacityBytes, this.#ratePerMs * this.#waitMs);
    const filledBytes = this.#bytes + (now - this.#filledAt) * this.#ratePerMs;
    this.#bytes = Math.min(capacityBytes, filledBytes);
    this.#filledAt = now;
    const leastBytes = Math.min(waitingBytes, this.#quantumBytes);
    if (now < this.#nextAt || this.#bytes < leastBytes) return 0;
    return Math.floor(Math.min(waitingBytes, this.#bytes));
  }

  /** Should be called when `bytes` were acknowledged, `waitingBytes` being left. */
  take(bytes: number, waitingBytes: number, now: Instant): void {
    this.#bytes = Math.max(0, this.#bytes - bytes);
    const mayFollow = waitingBytes === 0 && this.#bytes >= this.#quantumBytes;
    this.#nextAt = mayFollow ? now : now + this.#waitMs;
    if (waitingBytes === 0) this.#mostWaiting = 0;
  }

  /** When, after less than all was allowed, to ask again. */
  retryAt(waitingBytes: number, now: Instant): Instant {
    const missingBytes = Math.min(waitingBytes, this.#quantumBytes) - this.#bytes;
    return Math.max(now + MIN_WAIT_MS, this.#nextAt, now + missingBytes / this.#ratePerMs);
  }

  /** Longer where little comes. */
  get #waitMs(): number {
    const fillMs = this.#ratePerMs === 0 ? 0 : this.#capacityBytes / this.#ratePerMs;
    return Math.max(MIN_WAIT_MS, Math.min(TRAIN_MS, fillMs));
  }
}

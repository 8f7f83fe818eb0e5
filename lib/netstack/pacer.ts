/**
 * A cap on bursts: a bucket of bytes that refills faster than the network can take them, so it never slows a steady
 * flow but spreads what a stretch ACK or the end of a recovery releases at once.
 * Where a queue on the way is known to be short, as that of a relay for its client is, a burst is a part of it: what a round trip
 * carries would else arrive there in one go, and most of it be dropped. (`ack_pacing.ts` is the same for what comes.)
 */
import type { Instant } from "../base/core.ts";
import type { SendWay } from "./send_way.ts";

const MAX_BURST_SEGMENTS = 128;
/** Part of a short queue that a burst may take: what left before may not have gone through. */
const QUEUE_SHARE = 3 / 8;
/** With shorter round trips all that is under way is little, and ACKs come as often as our timers. */
const MIN_SPREAD_MS = 5;
/** The bucket fills with twice a window per round trip: slow start can still double. */
const RATE_FACTOR = 2;
/** Round trips shorter than this are not measured well enough to divide by. */
const MIN_ROUND_TRIP_MS = 0.1;
/** Waiting for less would only wake the driver more often than its timers can. */
const MIN_WAIT_MS = 1;

export class Pacer {
  readonly #mostBytes: number;
  #capacityBytes: number;
  #bytes: number;
  #filledAt: Instant = 0;

  constructor(mssBytes: number) {
    this.#mostBytes = MAX_BURST_SEGMENTS * mssBytes;
    this.#capacityBytes = this.#mostBytes;
    this.#bytes = this.#mostBytes;
  }

  /** Should be called before segments leave: which way they take, and its round trip, below zero for unknown. */
  handleWay({ queueBytes }: SendWay, srttMs: number): void {
    const isShort = queueBytes !== undefined && srttMs >= MIN_SPREAD_MS;
    this.#capacityBytes = isShort ? QUEUE_SHARE * queueBytes : this.#mostBytes;
    this.#bytes = Math.min(this.#bytes, this.#capacityBytes);
  }

  /** Whether a segment may leave at `now`. `srttMs` below zero: no round trip known, then only the bucket counts. */
  canSend(now: Instant, cwndBytes: number, srttMs: number): boolean {
    if (this.#bytes > 0 && now === this.#filledAt) return true;
    this.#refill(now, cwndBytes, srttMs);
    return this.#bytes > 0;
  }

  /** Should be called when `bytes` left. */
  take(bytes: number): void {
    this.#bytes -= bytes;
  }

  /** When, after `canSend` said no, to ask again. */
  retryAt(now: Instant, cwndBytes: number, srttMs: number): Instant {
    const waitMs = (1 - this.#bytes) / ratePerMs(cwndBytes, srttMs);
    return now + Math.max(MIN_WAIT_MS, waitMs);
  }

  #refill(now: Instant, cwndBytes: number, srttMs: number): void {
    const elapsedMs = now - this.#filledAt;
    this.#filledAt = now;
    this.#bytes = Math.min(
      this.#capacityBytes,
      this.#bytes + elapsedMs * ratePerMs(cwndBytes, srttMs),
    );
  }
}

function ratePerMs(cwndBytes: number, srttMs: number): number {
  return (RATE_FACTOR * cwndBytes) / Math.max(srttMs, MIN_ROUND_TRIP_MS);
}

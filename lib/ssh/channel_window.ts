/**
 * What a workspace may send on one channel before it was read (the window of RFC 4254 §5.2), as it follows the rate.
 *
 * Whatever the window allows beyond what the way holds stands in the agent's TCP, in order: the echo of a keystroke on another
 * channel waits behind it, and so does what follows a Ctrl-C. Twice what a round trip carries is enough for a sender that doubles its
 * rate with each of them, and what is there besides bridges a busy machine's turns. The round trip is that of TCP below, to which
 * the agent's buffer does not count: so what waits there does not look like distance. Where nobody measures it, the window is the largest.
 */
import type { Instant } from "../base/core.ts";

/** What ssh2 announces for the channels that it opens or takes itself. */
export const LARGEST_WINDOW_BYTES = 2 * 1024 * 1024;
const LEAST_WINDOW_BYTES = 128 * 1024;
const GROWTH = 2;
/** Shorter ones tell more of the machine's turns than of the network. */
const MIN_INTERVAL_MS = 20;
const MIN_ROUND_TRIP_MS = 2;
/** In which a rate counts for half: after a pause it is most likely what it was. */
const RATE_HALF_LIFE_MS = 1_000;
/** Less is not worth a message. */
const GRANT_FRACTION = 1 / 4;

/** The least round trip that was measured, in ms. */
export type RoundTrip = () => number | undefined;

/** What a channel that is opened now is given at first. */
export function firstWindowBytes(roundTrip: RoundTrip): number {
  return roundTrip() === undefined ? LARGEST_WINDOW_BYTES : LEAST_WINDOW_BYTES;
}

export class ChannelWindow {
  readonly #roundTrip: RoundTrip;
  /** What may still be sent; below zero more was than that. */
  #grantedBytes: number;
  /** What was sent and not read. */
  #unreadBytes = 0;
  #receivedBytes = 0;
  #ratePerMs = 0;
  #since: Instant;

  /** `grantedBytes`: what the other side was told when the channel was opened. */
  constructor(grantedBytes: number, roundTrip: RoundTrip, now: Instant) {
    this.#grantedBytes = grantedBytes;
    this.#roundTrip = roundTrip;
    this.#since = now;
  }

  get isOverrun(): boolean {
    return this.#grantedBytes < 0;
  }

  /** Should be called for all that comes. */
  handleReceived(bytes: number, now: Instant): void {
    this.#grantedBytes -= bytes;
    this.#unreadBytes += bytes;
    this.#receivedBytes += bytes;
    const elapsedMs = now - this.#since;
    if (elapsedMs < Math.max(MIN_INTERVAL_MS, this.#roundTrip() ?? 0)) return;
    this.#ratePerMs = Math.max(
      this.#receivedBytes / elapsedMs,
      this.#ratePerMs * 2 ** (-elapsedMs / RATE_HALF_LIFE_MS),
    );
    this.#receivedBytes = 0;
    this.#since = now;
  }

  /** Should be called for all that is read; what the other side is to be told it may send besides, 0 for nothing yet. */
  handleRead(bytes: number): number {
    this.#unreadBytes -= bytes;
    const windowBytes = this.#windowBytes;
    const missingBytes = windowBytes - this.#unreadBytes - this.#grantedBytes;
    if (missingBytes < windowBytes * GRANT_FRACTION) return 0;
    this.#grantedBytes += missingBytes;
    return missingBytes;
  }

  get #windowBytes(): number {
    const roundTripMs = this.#roundTrip();
    if (roundTripMs === undefined) return LARGEST_WINDOW_BYTES;
    const carriedBytes = this.#ratePerMs * Math.max(roundTripMs, MIN_ROUND_TRIP_MS);
    return Math.min(
      LARGEST_WINDOW_BYTES,
      LEAST_WINDOW_BYTES + Math.floor(GROWTH * carriedBytes),
    );
  }
}

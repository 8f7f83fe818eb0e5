/**
 * When call-me-maybes may leave, and which of the peer's are heeded: each makes the other one ping every address that it lists (coder/tailscale
 * `wgengine/magicsock/endpoint.go`, `enqueueCallMeMaybe`, `handleCallMeMaybe`).
 */
import type { Instant } from "../../base/core.ts";
import { TokenBucket } from "../../base/token_bucket.ts";
import { CALLS_BURST, CALLS_PER_SECOND } from "./limits.ts";

/** All our addresses, or none: the peer forgets those that an earlier call listed. */
export type CallList = "all" | "nothing";

/** Between calls of one search after another. */
export const SEARCH_GAP_MS = 5_000;
/** Between calls that tell news. */
const NEWS_GAP_MS = 250;
/** A relay is known to be gone after a few seconds, in which a call went nowhere. */
const LOST_WITHIN_MS = 15_000;

export class CallPacer {
  #calledAt: Instant = -Infinity;
  #waiting: CallList | undefined;
  #last: CallList = "all";
  readonly #heeded: TokenBucket;

  constructor(now: Instant) {
    const rate = { tokensPerSecond: CALLS_PER_SECOND, burstTokens: CALLS_BURST };
    this.#heeded = new TokenBucket(rate, now);
  }

  /** Whether the peer's call at `now` is heeded. */
  heed(now: Instant): boolean {
    return this.#heeded.take(1, now);
  }

  /** Should be called when somebody else told the peer that we have no address. */
  handleWithdrawn(now: Instant): void {
    this.#note("nothing", now);
  }

  /** Whether the peer was told last that we have no address. */
  get isWithdrawn(): boolean {
    return this.#last === "nothing";
  }

  /** Whether to send a list at `now`; news that come too soon wait for `handleTimeout`, a search's call is left out. */
  request(list: CallList, options: { readonly isNews: boolean }, now: Instant): boolean {
    const gapMs = now - this.#calledAt;
    if (gapMs < (options.isNews ? NEWS_GAP_MS : SEARCH_GAP_MS)) {
      if (options.isNews) this.#waiting = list;
      return false;
    }
    this.#note(list, now);
    return true;
  }

  /** Should be called when there is a relay again: the list that may have been lost with the one before, to be requested anew. */
  unheard(now: Instant): CallList | undefined {
    return now - this.#calledAt < LOST_WITHIN_MS ? this.#waiting ?? this.#last : undefined;
  }

  /** The list that has waited long enough. */
  handleTimeout(now: Instant): CallList | undefined {
    const list = this.#waiting;
    if (list === undefined || now - this.#calledAt < NEWS_GAP_MS) return undefined;
    this.#note(list, now);
    return list;
  }

  pollTimeout(): Instant | undefined {
    return this.#waiting === undefined ? undefined : this.#calledAt + NEWS_GAP_MS;
  }

  #note(list: CallList, now: Instant): void {
    this.#calledAt = now;
    this.#waiting = undefined;
    this.#last = list;
  }
}

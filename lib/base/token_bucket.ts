/**
 * A token bucket: for the rate that a relay may announce (coder/tailscale `derp/derp_client.go`, `setSendRateLimiter`), and
 * for whatever strangers may make us do, which is bounded.
 */
import type { Instant } from "./core.ts";

export interface TokenBucketOptions {
  readonly tokensPerSecond: number;
  /** The most that may be taken at once; the bucket starts full. */
  readonly burstTokens: number;
}

export class TokenBucket {
  readonly #tokensPerMs: number;
  readonly #burstTokens: number;
  #tokens: number;
  #filledAt: Instant;

  constructor(options: TokenBucketOptions, now: Instant) {
    this.#tokensPerMs = options.tokensPerSecond / 1000;
    this.#burstTokens = options.burstTokens;
    this.#tokens = options.burstTokens;
    this.#filledAt = now;
  }

  /** When `count` tokens, at most the burst, will be there: `now`, or later. */
  nextAt(count: number, now: Instant): Instant {
    this.#fill(now);
    const missing = count - this.#tokens;
    return missing <= 0 ? now : now + Math.ceil(missing / this.#tokensPerMs);
  }

  /** Takes `count` tokens out and returns true, or leaves the bucket as it is. */
  take(count: number, now: Instant): boolean {
    this.#fill(now);
    if (count > this.#tokens) return false;
    this.#tokens -= count;
    return true;
  }

  #fill(now: Instant): void {
    const gained = (now - this.#filledAt) * this.#tokensPerMs;
    this.#tokens = Math.min(this.#burstTokens, this.#tokens + gained);
    this.#filledAt = now;
  }
}

/** The rate limit that a relay may announce in its ServerInfo (coder/tailscale `derp/derp_client.go`, `setSendRateLimiter`). */
import type { Instant } from "../base/core.ts";

export interface TokenBucketOptions {
  readonly bytesPerSecond: number;
  /** The most that may leave at once; starts full. */
  readonly burstBytes: number;
}

export class TokenBucket {
  readonly #bytesPerMs: number;
  readonly #burstBytes: number;
  #tokens: number;
  #filledAt: Instant;

  constructor(options: TokenBucketOptions, now: Instant) {
    this.#bytesPerMs = options.bytesPerSecond / 1000;
    this.#burstBytes = options.burstBytes;
    this.#tokens = options.burstBytes;
    this.#filledAt = now;
  }

  /** Takes `bytes` out and returns true, or leaves the bucket as it is. */
  take(bytes: number, now: Instant): boolean {
    const gained = (now - this.#filledAt) * this.#bytesPerMs;
    this.#tokens = Math.min(this.#burstBytes, this.#tokens + gained);
    this.#filledAt = now;
    if (bytes > this.#tokens) return false;
    this.#tokens -= bytes;
    return true;
  }
}

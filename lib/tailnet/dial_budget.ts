/**
 * How many connections may be begun, whatever the reason: a bucket of dials that fills again with time. Failures have their
 * own, longer pauses; this one bounds what others can make us dial: a peer that moves, a map that changes.
 */
import type { Instant } from "../base/core.ts";

export interface DialBudgetOptions {
  /** Dials at once. */
  readonly burst: number;
  readonly perSecond: number;
}

export class DialBudget {
  readonly #burst: number;
  readonly #perMs: number;
  #tokens: number;
  #at: Instant | undefined;

  constructor(options: DialBudgetOptions) {
    this.#burst = options.burst;
    this.#perMs = options.perSecond / 1_000;
    this.#tokens = options.burst;
  }

  /** When the next dial may begin: `now`, or later. */
  nextAt(now: Instant): Instant {
    this.#fill(now);
    return this.#tokens >= 1 ? now : now + (1 - this.#tokens) / this.#perMs;
  }

  /** Should be called with each dial that `nextAt` allowed. */
  spend(now: Instant): void {
    this.#fill(now);
    this.#tokens--;
  }

  #fill(now: Instant): void {
    const elapsedMs = now - (this.#at ?? now);
    this.#at = now;
    // A little more than the time that `nextAt` gave, so that rounding does not ask for another wait.
    this.#tokens = Math.min(this.#burst, this.#tokens + elapsedMs * this.#perMs + 1e-9);
  }
}

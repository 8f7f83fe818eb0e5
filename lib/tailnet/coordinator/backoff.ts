/**
 * How long to wait before the next attempt (coder/retry `Retrier.Wait`, floor and ceiling of coder/coder
 * `tailnet/controllers.go`): 0, then 81, 131, 212, … ms up to 10 s. Deviation: up to a quarter is taken off at random,
 * so that the clients of a restarted server do not come back in step.
 */
import { randomFraction } from "../../base/core.ts";
import type { Random } from "../../base/core.ts";

const FLOOR_MS = 50;
const CEILING_MS = 10_000;
const FACTOR = 1.618;
const JITTER_FRACTION = 0.25;

export class Backoff {
  readonly #random: Random;
  #delayMs = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** The wait before the next attempt; the one after that will be longer. */
  nextDelayMs(): number {
    const delayMs = this.#delayMs;
    this.#delayMs = Math.min(CEILING_MS, Math.max(FLOOR_MS, delayMs) * FACTOR);
    return delayMs * (1 - JITTER_FRACTION * randomFraction(this.#random));
  }

  /** The next attempt is to be made at once. */
  reset(): void {
    this.#delayMs = 0;
  }
}

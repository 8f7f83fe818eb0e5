/**
 * How long to wait before the next attempt. As long as nobody was ever heard, somebody waits at a terminal: three attempts
 * within five seconds, then one each five seconds. Afterwards as coder/retry `Retrier.Wait` with the floor and ceiling of
 * coder/coder `tailnet/controllers.go`: 0, then 81, 131, 212, … ms up to 10 s. Deviation: up to a quarter of that is taken
 * off at random, so that the clients of a restarted server do not come back in step.
 */
import { randomFraction } from "../../base/core.ts";
import type { Random } from "../../base/core.ts";

const FIRST_DELAYS_MS: readonly number[] = [1_000, 2_000];
const LATER_FIRST_DELAY_MS = 5_000;
const FLOOR_MS = 50;
const CEILING_MS = 10_000;
const FACTOR = 1.618;
const JITTER_FRACTION = 0.25;

export class Backoff {
  readonly #random: Random;
  #hasHeard = false;
  #firstAttempts = 0;
  #delayMs = 0;
  #isFree = false;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Whether the other side ever said something that makes sense. */
  get hasHeard(): boolean {
    return this.#hasHeard;
  }

  /** Should be called when it did. */
  noteHeard(): void {
    this.#hasHeard = true;
  }

  /** The wait before the next attempt, after one that failed; the one after that will be longer. */
  nextDelayMs(): number {
    if (this.#isFree) {
      this.#isFree = false;
      return 0;
    }
    if (!this.#hasHeard) return FIRST_DELAYS_MS[this.#firstAttempts++] ?? LATER_FIRST_DELAY_MS;
    const delayMs = this.#delayMs;
    this.#delayMs = Math.min(CEILING_MS, Math.max(FLOOR_MS, delayMs) * FACTOR);
    return delayMs * (1 - JITTER_FRACTION * randomFraction(this.#random));
  }

  /** The next waits are short again. */
  reset(): void {
    this.#delayMs = 0;
  }

  /** The next attempt is to be made at once, since it is another one than the last. */
  skipNext(): void {
    this.#isFree = true;
  }
}

/** A clock that stands still until told to go on, for code that sleeps. */
import type { Instant } from "../../lib/base/core.ts";

interface Sleeper {
  readonly at: Instant;
  readonly wake: () => void;
}

export class ManualClock {
  #now = 0;
  readonly #sleepers = new Set<Sleeper>();

  now(): Instant {
    return this.#now;
  }

  wallMs(): number {
    return 1_700_000_000_000 + this.#now;
  }

  utcOffsetMinutes(): number {
    return 0;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      const sleeper: Sleeper = {
        at: this.#now + ms,
        wake: () => {
          this.#sleepers.delete(sleeper);
          signal?.removeEventListener("abort", onAbort);
          resolve();
        },
      };
      const onAbort = () => {
        this.#sleepers.delete(sleeper);
        reject(signal?.reason);
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#sleepers.add(sleeper);
    });
  }

  /** Lets `ms` pass at once, waking whoever is due, in order. */
  advance(ms: number): void {
    this.#now += ms;
    const due = [...this.#sleepers].filter((sleeper) => sleeper.at <= this.#now);
    for (const sleeper of due.sort((a, b) => a.at - b.at)) sleeper.wake();
  }

  get sleeperCount(): number {
    return this.#sleepers.size;
  }
}

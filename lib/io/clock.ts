/**
 * The real clock. The platform's monotonic clock stands still while the machine sleeps; keys and sessions of the peer
 * do not. So time that passed on the wall clock only is added: instants go on counting through a sleep.
 */
import type { Instant } from "../base/core.ts";
import type { HostClock } from "../base/host.ts";

/** A forward step of the wall clock beyond this is taken for a sleep, below it for a clock being set. */
const SLEEP_THRESHOLD_MS = 5_000;

/** The platform's timers fire at once when they are told more. */
const MAX_TIMER_MS = 0x7fff_ffff;

/** Adds up the time that the monotonic clock missed. Pure: it is fed both readings. */
export class SleepDetector {
  #sleptMs = 0;
  #lastMonotonicMs: number | undefined;
  #lastWallMs = 0;

  /** Milliseconds slept so far, after taking these two readings into account. */
  observe(monotonicMs: number, wallMs: number): number {
    if (this.#lastMonotonicMs !== undefined) {
      const missedMs = (wallMs - this.#lastWallMs) - (monotonicMs - this.#lastMonotonicMs);
      // A wall clock set back is not time running backwards: only steps forward count.
      if (missedMs > SLEEP_THRESHOLD_MS) this.#sleptMs += missedMs;
    }
    this.#lastMonotonicMs = monotonicMs;
    this.#lastWallMs = wallMs;
    return this.#sleptMs;
  }
}

export class SystemClock implements HostClock {
  readonly #sleep = new SleepDetector();
  readonly #readWall: () => number;

  /** `readWall` is the machine's own but for tests, which set it. */
  constructor(readWall: () => number = Date.now) {
    this.#readWall = readWall;
  }

  now(): Instant {
    const monotonicMs = performance.now();
    return monotonicMs + this.#sleep.observe(monotonicMs, this.#readWall());
  }

  wallMs(): number {
    return this.#readWall();
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(signal.reason);
        return;
      }
      const onAbort = () => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      let leftMs = ms;
      const wait = () => {
        const stepMs = Math.min(leftMs, MAX_TIMER_MS);
        leftMs -= stepMs;
        timer = setTimeout(
          leftMs > 0 ? wait : () => {
            signal?.removeEventListener("abort", onAbort);
            resolve();
          },
          stepMs,
        );
      };
      let timer: ReturnType<typeof setTimeout> | undefined;
      wait();
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  utcOffsetMinutes(wallMs: number): number {
    return -new Date(wallMs).getTimezoneOffset();
  }
}

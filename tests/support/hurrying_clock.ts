/** A clock for whole commands on a real network: time passes a given number of times faster than outside. */
import type { Instant } from "../../lib/base/core.ts";
import type { HostClock } from "../../lib/base/host.ts";
import { SystemClock } from "../../lib/io/clock.ts";

export class HurryingClock implements HostClock {
  readonly #real = new SystemClock();
  readonly #factor: number;

  constructor(factor: number) {
    this.#factor = factor;
  }

  now(): Instant {
    return this.#real.now() * this.#factor;
  }

  wallMs(): number {
    return this.#real.wallMs();
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return this.#real.sleep(ms / this.#factor, signal);
  }

  utcOffsetMinutes(wallMs: number): number {
    return this.#real.utcOffsetMinutes(wallMs);
  }
}

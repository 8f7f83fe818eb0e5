/**
 * What is known of the ways to the relays. They are asked once; where none answered in time they are asked again when somebody wants
 * to know, for a network or a machine that was busy for a moment must not leave it unknown for as long as the tunnel lasts.
 */
import type { Clock, Instant } from "../base/core.ts";
import type { DerpMap } from "../tailnet/derp_map.ts";

/** Of attempts that nobody answered. */
const AGAIN_MS = 10_000;

export type Latencies = ReadonlyMap<number, number>;

export class RelayLatencies {
  readonly #clock: Clock;
  readonly #measure: (map: DerpMap) => Promise<Latencies>;
  #known: Latencies = new Map();
  #isAsking = false;
  #askAt: Instant = -Infinity;

  /** `measure` gives milliseconds by region, of those that answered. */
  constructor(clock: Clock, measure: (map: DerpMap) => Promise<Latencies>) {
    this.#clock = clock;
    this.#measure = measure;
  }

  /** Milliseconds to the relays that answered, by region. */
  get known(): Latencies {
    return this.#known;
  }

  /** Whether it is time to ask: nobody was, or none answered some time ago. */
  get isWanted(): boolean {
    return !this.#isAsking && this.#known.size === 0 && this.#askAt <= this.#clock.now();
  }

  /** Asks the relays of `map`. Rejects as `measure` does. */
  async ask(map: DerpMap): Promise<Latencies> {
    this.#isAsking = true;
    try {
      return this.#known = await this.#measure(map);
    } finally {
      this.#isAsking = false;
      this.#askAt = this.#clock.now() + AGAIN_MS;
    }
  }
}

/**
 * A simulated link and the clock that jumps: datagrams put in on one side come out on the other later, not at all,
 * twice, or in another order, as a seed decides. Knows nothing of what it carries; any core can stand on either end.
 *
 * A `Link` is one direction. `Simulation` runs parties and links from deadline to deadline, so that hours take
 * milliseconds.
 */
import type { Instant } from "../../lib/base/core.ts";
import { earlier } from "../../lib/base/deadlines.ts";
import { SeededRandom } from "../support/seeded_random.ts";

export interface LinkOptions {
  /** @default 20 */
  readonly delayMs?: number;
  /** Uniform addition to the delay: more than the spacing of the datagrams reorders them. @default 0 */
  readonly jitterMs?: number;
  /** Probability that a datagram is lost. @default 0 */
  readonly loss?: number;
  /** Probability that a datagram comes twice, each copy with a delay of its own. @default 0 */
  readonly duplication?: number;
  /** Datagrams under way at once; more are lost. @default 4096 */
  readonly capacity?: number;
}

/** One direction of a link. Copies what is sent. */
export class Link {
  readonly #random: SeededRandom;
  #options: Required<LinkOptions>;
  #queue: { readonly at: Instant; readonly datagram: Uint8Array }[] = [];
  /** Everything that was sent, lost or not, for tests that replay or forge. Empty unless `isTapped`. */
  readonly tapped: Uint8Array[] = [];
  isTapped = false;
  /** While false everything is lost. */
  isUp = true;
  sent = 0;
  lost = 0;

  constructor(random: SeededRandom, options: LinkOptions = {}) {
    this.#random = random;
    this.#options = {
      delayMs: options.delayMs ?? 20,
      jitterMs: options.jitterMs ?? 0,
      loss: options.loss ?? 0,
      duplication: options.duplication ?? 0,
      capacity: options.capacity ?? 4_096,
    };
  }

  /** Changes what is given; datagrams that are under way keep their times. */
  change(options: LinkOptions): void {
    this.#options = { ...this.#options, ...options };
  }

  send(datagram: Uint8Array, now: Instant): void {
    this.sent++;
    if (this.isTapped) this.tapped.push(new Uint8Array(datagram));
    const isFull = this.#queue.length >= this.#options.capacity;
    if (!this.isUp || isFull || this.#random.chance(this.#options.loss)) {
      this.lost++;
      return;
    }
    this.#schedule(datagram, now);
    if (this.#random.chance(this.#options.duplication)) this.#schedule(datagram, now);
  }

  /** When the next datagram comes out. */
  pollTimeout(): Instant | undefined {
    return this.#queue[0]?.at;
  }

  /** The next datagram that is there at `now`. */
  receive(now: Instant): Uint8Array | undefined {
    const first = this.#queue[0];
    if (first === undefined || first.at > now) return undefined;
    this.#queue.shift();
    return first.datagram;
  }

  /** Loses everything that is under way. */
  clear(): void {
    this.#queue = [];
  }

  #schedule(datagram: Uint8Array, now: Instant): void {
    const at = now + this.#options.delayMs + this.#random.fraction() * this.#options.jitterMs;
    let place = this.#queue.length;
    while (place > 0 && (this.#queue[place - 1]?.at ?? 0) > at) place--;
    this.#queue.splice(place, 0, { at, datagram: new Uint8Array(datagram) });
  }
}

/** Anything with deadlines: a core behind an adapter, a source of traffic. */
export interface Party {
  /** Does what is due at `now`: takes what its links bring, handles timeouts, sends what must leave. */
  step(now: Instant): void;
  /** When `step` is to be called next. */
  pollTimeout(): Instant | undefined;
}

/** Parties under one clock, which jumps from deadline to deadline. */
export class Simulation {
  readonly #parties: Party[] = [];
  #now: Instant;

  constructor(start: Instant = 1_000) {
    this.#now = start;
  }

  get now(): Instant {
    return this.#now;
  }

  add(party: Party): void {
    this.#parties.push(party);
  }

  remove(party: Party): void {
    const at = this.#parties.indexOf(party);
    if (at >= 0) this.#parties.splice(at, 1);
  }

  /** Runs until nothing is due within `durationMs`, and lets the clock stand there. */
  runFor(durationMs: number): void {
    const end = this.#now + durationMs;
    this.#stepAll();
    for (let next = this.#next(); next !== undefined && next <= end; next = this.#next()) {
      // A deadline in the past means "at once"; time itself never goes back.
      this.#now = Math.max(this.#now, next);
      this.#stepAll();
    }
    this.#now = end;
  }

  /** Runs until `isDone` holds or `limitMs` have passed; whether it held. */
  runUntil(isDone: () => boolean, limitMs: number): boolean {
    const end = this.#now + limitMs;
    this.#stepAll();
    while (!isDone()) {
      const next = this.#next();
      if (next === undefined || next > end) {
        this.#now = end;
        return false;
      }
      this.#now = Math.max(this.#now, next);
      this.#stepAll();
    }
    return true;
  }

  /** Time goes by and nobody notices, as when the machine sleeps: deadlines are late afterwards. */
  sleep(durationMs: number): void {
    this.#now += durationMs;
  }

  #stepAll(): void {
    for (const party of [...this.#parties]) party.step(this.#now);
  }

  #next(): Instant | undefined {
    let next: Instant | undefined;
    for (const party of this.#parties) next = earlier(next, party.pollTimeout());
    return next;
  }
}

/** Runs `body` with `seed` and names the seed in the error if it fails. `SIM_SEED` in the environment overrides it. */
export function withSeed(seed: number, body: (random: SeededRandom) => void): void {
  const override = Deno.env.get("SIM_SEED");
  const used = override === undefined ? seed : Number(override);
  try {
    body(new SeededRandom(used));
  } catch (error) {
    throw new Error(`Simulation failed with seed ${used} (set SIM_SEED=${used} to repeat)`, {
      cause: error,
    });
  }
}

/**
 * All timers of a core in one table of named deadlines (quinn-proto `connection/timer.rs`, the idea).
 * A core declares the names with a "When to…" line each, sets and clears them, and asks for the earliest.
 */
import type { Instant } from "./core.ts";

export class Deadlines<Name extends string> {
  readonly #at = new Map<Name, Instant>();
  /** The earliest; asked for in every turn of a driver, by every core, while deadlines change seldom. */
  #next: Instant | undefined;
  #isNextKnown = true;

  /** Arms or moves a deadline. */
  set(name: Name, at: Instant): void {
    const before = this.#at.get(name);
    this.#at.set(name, at);
    if (this.#next === undefined || at <= this.#next) this.#next = at;
    else if (before === this.#next) this.#isNextKnown = false;
  }

  clear(name: Name): void {
    if (this.#at.get(name) === this.#next) this.#isNextKnown = false;
    this.#at.delete(name);
  }

  clearAll(): void {
    this.#at.clear();
    this.#next = undefined;
    this.#isNextKnown = true;
  }

  get(name: Name): Instant | undefined {
    return this.#at.get(name);
  }

  has(name: Name): boolean {
    return this.#at.has(name);
  }

  /** The earliest deadline, or `undefined` when none is armed. */
  next(): Instant | undefined {
    if (this.#isNextKnown) return this.#next;
    let earliest: Instant | undefined;
    for (const at of this.#at.values()) {
      if (earliest === undefined || at < earliest) earliest = at;
    }
    this.#next = earliest;
    this.#isNextKnown = true;
    return earliest;
  }

  /** Removes and returns one deadline that is due at `now`, the earliest first; `undefined` when none is. */
  pop(now: Instant): Name | undefined {
    const next = this.next();
    if (next === undefined || next > now) return undefined;
    for (const [name, at] of this.#at) {
      if (at !== next) continue;
      this.clear(name);
      return name;
    }
    return undefined;
  }
}

/** The earlier of two optional instants. */
export function earlier(a: Instant | undefined, b: Instant | undefined): Instant | undefined {
  if (a === undefined) return b;
  if (b === undefined) return a;
  return a < b ? a : b;
}

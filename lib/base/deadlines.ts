/**
 * All timers of a core in one table of named deadlines (quinn-proto `connection/timer.rs`, the idea).
 * A core declares the names with a "When to…" line each, sets and clears them, and asks for the earliest.
 */
import type { Instant } from "./core.ts";

export class Deadlines<Name extends string> {
  readonly #at = new Map<Name, Instant>();

  /** Arms or moves a deadline. */
  set(name: Name, at: Instant): void {
    this.#at.set(name, at);
  }

  clear(name: Name): void {
    this.#at.delete(name);
  }

  clearAll(): void {
    this.#at.clear();
  }

  get(name: Name): Instant | undefined {
    return this.#at.get(name);
  }

  has(name: Name): boolean {
    return this.#at.has(name);
  }

  /** The earliest deadline, or `undefined` when none is armed. */
  next(): Instant | undefined {
    let earliest: Instant | undefined;
    for (const at of this.#at.values()) {
      if (earliest === undefined || at < earliest) earliest = at;
    }
    return earliest;
  }

  /** Removes and returns one deadline that is due at `now`, the earliest first; `undefined` when none is. */
  pop(now: Instant): Name | undefined {
    let due: Name | undefined;
    let dueAt = Infinity;
    for (const [name, at] of this.#at) {
      if (at <= now && at < dueAt) {
        due = name;
        dueAt = at;
      }
    }
    if (due !== undefined) this.#at.delete(due);
    return due;
  }
}

/** The earlier of two optional instants. */
export function earlier(a: Instant | undefined, b: Instant | undefined): Instant | undefined {
  if (a === undefined) return b;
  if (b === undefined) return a;
  return a < b ? a : b;
}

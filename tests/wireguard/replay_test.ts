import { ok, strictEqual } from "node:assert";
import fc from "fast-check";
import { COUNTER_LIMIT, REPLAY_WINDOW } from "../../lib/wireguard/limits.ts";
import { ReplayFilter } from "../../lib/wireguard/replay.ts";

const T = REPLAY_WINDOW + 1;
const R = COUNTER_LIMIT;

// The ladder of WireGuard/wireguard-go `replay/replay_test.go`, with our limit in the place of 2^64 - 2^13 - 1.
const LADDER: readonly (readonly [counter: number, verdict: "accept" | "refuse"])[] = [
  [0, "accept"],
  [1, "accept"],
  [1, "refuse"],
  [9, "accept"],
  [8, "accept"],
  [7, "accept"],
  [7, "refuse"],
  [T, "accept"],
  [T - 1, "accept"],
  [T - 1, "refuse"],
  [T - 2, "accept"],
  [2, "accept"],
  [2, "refuse"],
  [T + 16, "accept"],
  [3, "refuse"],
  [T + 16, "refuse"],
  [T * 4, "accept"],
  [T * 4 - (T - 1), "accept"],
  [10, "refuse"],
  [T * 4 - T, "refuse"],
  [T * 4 - (T + 1), "refuse"],
  [T * 4 - (T - 2), "accept"],
  [T * 4 + 1 - T, "refuse"],
  [0, "refuse"],
  [R, "refuse"],
  [R - 1, "accept"],
  [R, "refuse"],
  [R - 1, "refuse"],
  [R - 2, "accept"],
  [R + 1, "refuse"],
  [R + 2, "refuse"],
  [R - 2, "refuse"],
  [R - 3, "accept"],
  [0, "refuse"],
];

Deno.test("ReplayFilter.accept() climbs wireguard-go's ladder (RFC 6479)", () => {
  const filter = new ReplayFilter();
  LADDER.forEach(([counter, verdict], i) => {
    const got = filter.accept(counter) ? "accept" : "refuse";
    strictEqual(got, verdict, `rung ${i}, counter ${counter}`);
  });
});

const BULK = [
  { name: "ascending", from: 1, to: T, step: 1 },
  { name: "the whole window backwards", from: T - 1, to: 0, step: -1 },
  { name: "one beyond the window backwards", from: T, to: 0, step: -1 },
];

Deno.test("ReplayFilter.accept() takes every counter of the window once (RFC 6479)", async (t) => {
  for (const { name, from, to, step } of BULK) {
    await t.step(name, () => {
      const filter = new ReplayFilter();
      for (let counter = from; counter !== to; counter += step) {
        ok(filter.accept(counter), `counter ${counter}`);
      }
      for (let counter = from; counter !== to; counter += step) {
        ok(!filter.accept(counter), `counter ${counter} again`);
      }
    });
  }
});

/** The obvious version: remembers everything. */
class PlainFilter {
  readonly #seen = new Set<number>();
  #greatest = 0;

  accept(counter: number): boolean {
    if (counter >= COUNTER_LIMIT || counter + REPLAY_WINDOW < this.#greatest) return false;
    if (this.#seen.has(counter)) return false;
    this.#seen.add(counter);
    this.#greatest = Math.max(this.#greatest, counter);
    return true;
  }
}

Deno.test("ReplayFilter equals a filter that remembers everything", () => {
  const move = fc.oneof(
    fc.integer({ min: -3, max: 3 }),
    fc.integer({ min: -REPLAY_WINDOW - 70, max: REPLAY_WINDOW + 70 }),
    fc.integer({ min: 0, max: 2 ** 34 }),
  );
  const start = fc.constantFrom(0, 1, 31, 8127, 2 ** 31 - 5, 2 ** 32 - 5, COUNTER_LIMIT - 40_000);
  fc.assert(
    fc.property(start, fc.array(move, { maxLength: 200 }), (from, moves) => {
      const filter = new ReplayFilter();
      const plain = new PlainFilter();
      let counter = from;
      for (const by of moves) {
        counter = Math.max(0, Math.min(counter + by, COUNTER_LIMIT + 2));
        strictEqual(filter.accept(counter), plain.accept(counter), `counter ${counter}`);
      }
    }),
    { numRuns: 300 },
  );
});

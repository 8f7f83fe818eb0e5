/** The fuzzer itself: a fault that it does not find would be a test that cannot fail. */
import { deepStrictEqual, match, ok } from "node:assert/strict";
import { ProtocolError } from "../../lib/base/errors.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { MAX_INPUT_BYTES, mutate } from "./mutate.ts";
import { fuzz, type FuzzOptions } from "./runner.ts";
import { type FuzzTarget, textTarget } from "./target.ts";
import { TARGETS } from "./targets/mod.ts";

/** A clock of the work done: no real time. */
function options(ticks: { now: number }, seed = 7): FuzzOptions {
  return {
    seed,
    maxInputs: 3_000,
    maxMs: Infinity,
    now: () => ticks.now,
    residentBytes: () => 0,
  };
}

const target = (run: (text: string) => void, more: Partial<FuzzTarget> = {}) =>
  textTarget({ room: "x", name: "x", ...more, corpus: ["key: value", "a=b"], run });

Deno.test("fuzz() finds an undeclared error and says how to see it again", async () => {
  const report = await fuzz(
    target((text) => {
      if (text.includes("${")) throw new TypeError("unguarded");
    }),
    options({ now: 0 }),
  );
  match(report.fault ?? "", /TypeError: unguarded[^]*input [0-9a-f]+[^]*\(seed 7, input \d+\)$/);
});

Deno.test("fuzz() counts declared errors and goes on", async () => {
  const isDeclared = (error: unknown) => error instanceof ProtocolError;
  const report = await fuzz(
    target((text) => {
      if (text.includes("a")) throw new ProtocolError("declared", { code: "x" });
    }, { isDeclared }),
    options({ now: 0 }),
  );
  deepStrictEqual([report.fault, report.inputs], [undefined, 3_000]);
  ok(report.declared > 100);
});

Deno.test("fuzz() finds what backtracks: runs long enough for quadratic work are among its inputs", async () => {
  const ticks = { now: 0 };
  const report = await fuzz(
    target((text) => {
      // The work that /\s+$/ does on such a text, in steps of a clock.
      const run = Math.max(0, ...text.split(/[^ ]+/).map((blanks) => blanks.length));
      ticks.now += run * run / 1e6;
    }),
    options(ticks),
  );
  match(report.fault ?? "", /^took \d+ ms/);
});

Deno.test("fuzz() does not blame an input for a pause of the machine", async () => {
  const ticks = { now: 0 };
  let calls = 0;
  const report = await fuzz(
    target(() => void (ticks.now += calls++ % 5 === 0 ? 500 : 0)),
    options(ticks),
  );
  deepStrictEqual(report.fault, undefined);
});

Deno.test("mutate() gives the same inputs for the same seed, bounded, and not just one kind", () => {
  const corpus = [new TextEncoder().encode("hello"), Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)];
  const inputs = (seed: number) => {
    const random = new SeededRandom(seed);
    return Array.from({ length: 2_000 }, () => mutate(corpus, random));
  };
  const some = inputs(1);
  deepStrictEqual(some, inputs(1));
  ok(some.every((input) => input.length <= MAX_INPUT_BYTES));
  ok(some.some((input) => input.length > 20_000));
  ok(new Set(some.map(String)).size > 1_200);
});

Deno.test("Every target takes its own corpus in one piece and in many", async () => {
  for (const one of TARGETS) {
    for (const input of one.corpus) {
      for (let seed = 1; seed <= 20; seed++) {
        await one.prepare?.();
        try {
          await one.run(input.slice(), new SeededRandom(seed));
        } catch (error) {
          if (one.isDeclared?.(error) !== true) throw error;
        }
      }
    }
    await one.end?.();
  }
});

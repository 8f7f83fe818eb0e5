/** The base room: sequence numbers, deadlines, durations, bytes. */
import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import { ByteReader, ByteWriter, equalSecret, fromHex, toHex } from "../../lib/base/bytes.ts";
import { Deadlines, earlier } from "../../lib/base/deadlines.ts";
import { formatElapsed, formatGoDuration, parseDuration } from "../../lib/base/duration.ts";
import { seqAdd, seqDiff, seqGt, seqLt } from "../../lib/base/seq.ts";

Deno.test("seqLt() and its kin compare across the wrap (RFC 9293 §3.4)", () => {
  ok(seqLt(0xffff_fff0, 5));
  ok(seqGt(5, 0xffff_fff0));
  strictEqual(seqAdd(0xffff_ffff, 2), 1);
  strictEqual(seqDiff(1, 0xffff_ffff), 2);
});

Deno.test("seqDiff() undoes seqAdd() for any distance below 2^31", () => {
  fc.assert(
    fc.property(
      fc.nat(0xffff_ffff),
      fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff }),
      (a, d) => {
        strictEqual(seqDiff(seqAdd(a, d), a), d);
      },
    ),
  );
});

Deno.test("Deadlines pops what is due, the earliest first", () => {
  const deadlines = new Deadlines<"a" | "b" | "c">();
  deadlines.set("a", 30);
  deadlines.set("b", 10);
  deadlines.set("c", 99);
  strictEqual(deadlines.next(), 10);
  strictEqual(deadlines.pop(5), undefined);
  strictEqual(deadlines.pop(50), "b");
  strictEqual(deadlines.pop(50), "a");
  strictEqual(deadlines.pop(50), undefined);
  strictEqual(deadlines.next(), 99);
  strictEqual(earlier(undefined, 3), 3);
});

Deno.test("Deadlines says the earliest and pops it after any sets, clears and pops", () => {
  const name = fc.constantFrom("a", "b", "c", "d");
  const step = fc.oneof(
    fc.record({ kind: fc.constant("set" as const), name, at: fc.nat(20) }),
    fc.record({ kind: fc.constant("clear" as const), name }),
    fc.record({ kind: fc.constant("pop" as const), now: fc.nat(20) }),
    fc.record({ kind: fc.constant("next" as const) }),
    fc.record({ kind: fc.constant("clearAll" as const) }),
  );
  fc.assert(fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
    const deadlines = new Deadlines<string>();
    const model = new Map<string, number>();
    const earliest = () => model.size === 0 ? undefined : Math.min(...model.values());
    for (const step of steps) {
      if (step.kind === "set") {
        deadlines.set(step.name, step.at);
        model.set(step.name, step.at);
      } else if (step.kind === "clear") {
        deadlines.clear(step.name);
        model.delete(step.name);
      } else if (step.kind === "clearAll") {
        deadlines.clearAll();
        model.clear();
      } else if (step.kind === "pop") {
        const due = earliest();
        const popped = deadlines.pop(step.now);
        const at = popped === undefined ? undefined : model.get(popped);
        strictEqual(at, due === undefined || due > step.now ? undefined : due);
        if (popped !== undefined) model.delete(popped);
      } else strictEqual(deadlines.next(), earliest());
    }
    strictEqual(deadlines.next(), earliest());
  }));
});

Deno.test("parseDuration() reads Go's durations, days and weeks", async (t) => {
  const rows: [string, number | undefined][] = [
    ["0", 0],
    ["1h30m", 5_400_000],
    ["1.5s", 1_500],
    ["-2m", -120_000],
    [".5s", 500],
    ["250us", 0.25],
    ["2d", 172_800_000],
    ["1w", 604_800_000],
    ["", undefined],
    ["5", undefined],
    ["1h ", undefined],
    ["h", undefined],
    ["1x", undefined],
  ];
  for (const [text, ms] of rows) {
    await t.step(JSON.stringify(text), () => strictEqual(parseDuration(text), ms));
  }
});

Deno.test("formatGoDuration() is Go's Duration.String", () => {
  const cases = [0, 1e-5, 0.0015, 0.441739, 12.3, 1_234, 62_500, 3_600_000, -7_262_000, 999.999999];
  deepStrictEqual(cases.map(formatGoDuration), [
    ...["0s", "10ns", "1.5µs", "441.739µs", "12.3ms", "1.234s", "1m2.5s", "1h0m0s"],
    ...["-2h1m2s", "999.999999ms"],
  ]);
});

Deno.test("formatElapsed() is short at every size", () => {
  deepStrictEqual([0, 850, 12_400, 185_000, 7_260_000].map(formatElapsed), [
    "0ms",
    "850ms",
    "12s",
    "3m5s",
    "2h1m",
  ]);
});

Deno.test("toHex() and fromHex() are inverse; fromHex() refuses the rest", () => {
  fc.assert(
    fc.property(
      fc.uint8Array(),
      (bytes) => deepStrictEqual([...fromHex(toHex(bytes))], [...bytes]),
    ),
  );
  throws(() => fromHex("abc"), TypeError);
  throws(() => fromHex("zz"), TypeError);
});

Deno.test("ByteReader reads what ByteWriter wrote, and neither passes the end", () => {
  const bytes = new Uint8Array(21);
  new ByteWriter(bytes).u8(1).u16be(2).u32be(3).u32le(4).u64be(5n).zeros(2);
  const reader = new ByteReader(bytes);
  deepStrictEqual([reader.u8(), reader.u16be(), reader.u32be(), reader.u32le(), reader.u64be()], [
    1,
    2,
    3,
    4,
    5n,
  ]);
  strictEqual(reader.remaining, 2);
  throws(() => reader.u32be(), RangeError);
  throws(() => new ByteWriter(bytes, 20).u16be(1), RangeError);
});

Deno.test("equalSecret() equals plain comparison", () => {
  fc.assert(fc.property(fc.uint8Array(), fc.uint8Array(), (a, b) => {
    strictEqual(equalSecret(a, b), toHex(a) === toHex(b));
    ok(equalSecret(a, a.slice()));
  }));
});

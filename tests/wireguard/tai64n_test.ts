import { ok, strictEqual } from "node:assert";
import fc from "fast-check";
import { fromHex, toHex } from "../../lib/base/bytes.ts";
import { isLaterTimestamp, TimestampSource } from "../../lib/wireguard/tai64n.ts";
import { WIREGUARD } from "./vectors.ts";

/** The first stamp of a source, which depends on the clock alone. */
function stampOf(unixMs: number): Uint8Array {
  return new TimestampSource(unixMs).next(0);
}

Deno.test("TimestampSource.next() clears what is finer than 2^24 ns (wireguard-go tai64n)", async (t) => {
  const rows = [
    { name: "the epoch", unixMs: 0, out: "400000000000000a00000000" },
    { name: "the vector", unixMs: WIREGUARD.unixMs, out: WIREGUARD.timestamp },
    { name: "below the first step", unixMs: 16.7, out: "400000000000000a00000000" },
    { name: "above the first step", unixMs: 16.8, out: "400000000000000a01000000" },
    { name: "the end of a second", unixMs: 999.999999, out: "400000000000000a3b000000" },
    { name: "the next second", unixMs: 1_000, out: "400000000000000b00000000" },
  ];
  for (const { name, unixMs, out } of rows) {
    await t.step(name, () => strictEqual(toHex(stampOf(unixMs)), out));
  }
});

Deno.test("TimestampSource.next() tells 20 ms apart, but not 10 ms (wireguard-go tai64n_test.go)", async (t) => {
  const start = 123.456789;
  const rows = [
    { name: "10 us", laterMs: 0.01, isLater: false },
    { name: "1 ms", laterMs: 1, isLater: false },
    { name: "10 ms", laterMs: 10, isLater: false },
    { name: "20 ms", laterMs: 20, isLater: true },
  ];
  for (const { name, laterMs, isLater } of rows) {
    await t.step(name, () => {
      const later = stampOf(start + laterMs);
      strictEqual(isLaterTimestamp(later, stampOf(start)), isLater);
    });
  }
});

Deno.test("isLaterTimestamp() compares bytewise (whitepaper §5.4.2)", () => {
  const a = fromHex("400000000000000a3b000000");
  const b = fromHex("400000000000000b00000000");
  ok(isLaterTimestamp(b, a));
  ok(!isLaterTimestamp(a, b));
  ok(!isLaterTimestamp(a, a));
});

Deno.test("TimestampSource.next() is later than any before, whatever the clock does", () => {
  const advance = fc.oneof(fc.constant(0), fc.double({ min: 0, max: 40, noNaN: true }));
  fc.assert(
    fc.property(fc.nat(2 ** 31), fc.array(advance, { maxLength: 150 }), (wallMs, advances) => {
      const source = new TimestampSource(wallMs);
      let now = 0;
      let last = source.next(now);
      for (const by of advances) {
        now += by;
        const next = source.next(now);
        ok(isLaterTimestamp(next, last), `${toHex(next)} after ${toHex(last)}`);
        last = next;
      }
    }),
    { numRuns: 100 },
  );
});

Deno.test("TimestampSource.next() follows the clock again once it has caught up", () => {
  const source = new TimestampSource(0);
  for (let i = 0; i < 100; i++) source.next(0); // 1.68 s ahead
  strictEqual(toHex(source.next(60_000)), toHex(stampOf(60_000)));
});

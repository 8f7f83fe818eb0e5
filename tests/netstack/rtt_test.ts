import assert from "node:assert/strict";
import { RttEstimator } from "../../lib/netstack/rtt.ts";

Deno.test("RttEstimator follows RFC 6298 §2", async (t) => {
  const rows = [
    { name: "no sample: 1 s (§2.1)", samples: [], rto: 1_000 },
    { name: "first sample: three times it (§2.2)", samples: [100], rto: 300 },
    { name: "the same again: the variance falls (§2.3)", samples: [100, 100], rto: 250 },
    { name: "least timeout", samples: [10, 10, 10], rto: 200 },
    { name: "a jump raises the variance", samples: [100, 300], rto: 125 + 4 * 87.5 },
    { name: "most", samples: [20_000], rto: 15_000 },
  ];
  for (const row of rows) {
    await t.step(row.name, () => {
      const rtt = new RttEstimator();
      for (const sample of row.samples) rtt.sample(sample);
      assert.equal(rtt.rtoMs, row.rto);
    });
  }
});

Deno.test("RttEstimator doubles with every timeout up to its limit, and forgets that with new data (RFC 6298 §5.5)", () => {
  const rtt = new RttEstimator();
  rtt.sample(100);
  const seen = [];
  for (let i = 0; i < 8; i++) {
    seen.push(rtt.rtoMs);
    rtt.backOff();
  }
  assert.deepEqual(seen, [300, 600, 1_200, 2_400, 4_800, 9_600, 15_000, 15_000]);
  rtt.clearBackoff();
  assert.equal(rtt.rtoMs, 300);
});

Deno.test("RttEstimator keeps some of the back-off until a round trip was measured (RFC 6298 §5.7)", () => {
  const rtt = new RttEstimator();
  rtt.sample(1);
  for (let i = 0; i < 6; i++) rtt.backOff();
  rtt.easeBackoff();
  assert.equal(rtt.rtoMs, 4 * 200);
  rtt.easeBackoff();
  assert.equal(rtt.rtoMs, 4 * 200);
  rtt.sample(1);
  assert.equal(rtt.rtoMs, 200);
});

Deno.test("RttEstimator.reset() knows as much as at first", () => {
  const rtt = new RttEstimator();
  rtt.sample(1);
  rtt.backOff();
  rtt.reset();
  assert.deepEqual([rtt.rtoMs, rtt.hasSample, rtt.minMs], [1_000, false, Infinity]);
});

Deno.test("RttEstimator begins with 3 s after a lost SYN (RFC 6298 §5.7)", () => {
  const rtt = new RttEstimator();
  rtt.backOff();
  rtt.startAfterLostSyn();
  assert.equal(rtt.rtoMs, 3_000);
});

Deno.test("RttEstimator.recentMinMs says what four samples in a row took at least, and nothing before there are four", () => {
  const rtt = new RttEstimator();
  for (const sample of [50, 60, 70]) rtt.sample(sample);
  assert.equal(rtt.recentMinMs, 0);
  rtt.sample(80);
  assert.equal(rtt.recentMinMs, 50);
  rtt.sample(90);
  assert.equal(rtt.recentMinMs, 60);
  rtt.forgetLeast();
  rtt.sample(90);
  assert.equal(rtt.recentMinMs, 0);
});

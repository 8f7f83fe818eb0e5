import assert from "node:assert/strict";
import { AckFacts, Congestion } from "../../lib/netstack/congestion.ts";
import { HyStart } from "../../lib/netstack/hystart.ts";
import { Pacer } from "../../lib/netstack/pacer.ts";

const MSS = 1_000;

function ack(bytes: number, now: number, srttMs = 100): AckFacts {
  return Object.assign(new AckFacts(), { bytes, now, srttMs });
}

/** A round trip's worth of ACKs, each of a segment. */
function round(congestion: Congestion, now: number, srttMs: number): void {
  const segments = Math.floor(congestion.cwndBytes / MSS);
  for (let i = 0; i < segments; i++) congestion.handleAck(ack(MSS, now, srttMs));
}

Deno.test("Congestion begins with ten segments (RFC 6928 §2)", () => {
  assert.equal(new Congestion(1220).cwndBytes, 12_200);
  assert.equal(new Congestion(1460).cwndBytes, 14_600);
  assert.equal(new Congestion(9000).cwndBytes, 18_000);
});

Deno.test("Slow start grows by all that a stretch ACK acknowledges", () => {
  const congestion = new Congestion(MSS);
  congestion.handleAck(ack(64 * MSS, 1));
  assert.equal(congestion.cwndBytes, 74 * MSS);
});

Deno.test("A loss leaves 0.7 of the flight (RFC 9438 §4.6), a timeout one segment (RFC 5681 §3.1)", () => {
  const congestion = new Congestion(MSS);
  congestion.handleAck(ack(90 * MSS, 1));
  congestion.handleLoss(100 * MSS);
  assert.equal(congestion.cwndBytes, 70 * MSS);
  congestion.handleTimeout(70 * MSS, 1);
  assert.equal(congestion.cwndBytes, MSS);
  assert.equal(congestion.ssthreshBytes, 49 * MSS);
  congestion.handleTimeout(MSS, 2);
  assert.equal(congestion.ssthreshBytes, 49 * MSS, "held when it fires again");
});

Deno.test("CUBIC rows: after a loss at 1000 segments it is back after K = cbrt(W_max × 0.3 / C) (RFC 9438 §4.2)", () => {
  const congestion = new Congestion(MSS);
  congestion.handleAck(ack(990 * MSS, 0));
  congestion.handleLoss(1_000 * MSS);
  const kSeconds = Math.cbrt(300 / 0.4); // 9.09 s
  const srttMs = 100;
  const seen: Record<string, number> = {};
  for (let now = 0; now <= 14_000; now += srttMs) {
    round(congestion, now, srttMs);
    seen[now] = congestion.cwndBytes / MSS;
  }
  const cubic = (seconds: number): number => 0.4 * (seconds - kSeconds) ** 3 + 1_000;
  for (const now of [1_000, 3_000, 5_000, 7_000, 9_000, 9_100, 11_000, 13_000]) {
    // The window of a round trip is what the curve says for its end.
    const expected = cubic((now + srttMs) / 1000);
    assert.ok(
      Math.abs((seen[now] ?? 0) - expected) < 8,
      `${now} ms: ${seen[now]}, not ${expected}`,
    );
  }
});

Deno.test("CUBIC is never slower than Reno at short round trips (RFC 9438 §4.3)", () => {
  const congestion = new Congestion(MSS);
  congestion.handleAck(ack(10 * MSS, 0));
  congestion.handleLoss(20 * MSS);
  const before = congestion.cwndBytes;
  for (let i = 0; i < 40; i++) round(congestion, i * 2, 2);
  const alpha = (3 * 0.3) / 1.7;
  const reno = before + 40 * alpha * MSS;
  assert.ok(congestion.cwndBytes >= 0.9 * Math.min(reno, 20 * MSS), `${congestion.cwndBytes}`);
});

Deno.test("Fast convergence leaves room after a second loss (RFC 9438 §4.7)", () => {
  const congestion = new Congestion(MSS);
  congestion.handleAck(ack(90 * MSS, 0));
  congestion.handleLoss(100 * MSS);
  congestion.handleLoss(70 * MSS);
  for (let now = 0; now <= 3_000; now += 100) round(congestion, now, 100);
  assert.ok(congestion.cwndBytes / MSS < 67, `${congestion.cwndBytes / MSS} of W_max 59.5`);
});

Deno.test("Idleness leaves the initial window (RFC 5681 §4.1)", () => {
  const congestion = new Congestion(MSS);
  congestion.handleAck(ack(500 * MSS, 1));
  congestion.handleIdle();
  assert.equal(congestion.cwndBytes, 10 * MSS);
});

Deno.test("HyStart++ ends slow start when round trips grow (RFC 9406 §4.2), not when they do not", () => {
  const run = (growthMs: number): boolean => {
    const hystart = new HyStart();
    let isOver = false;
    let seq = 0;
    for (let r = 0; r < 12; r++) {
      for (let i = 0; i < 10; i++) {
        seq += 1_000;
        isOver ||= hystart.handleAck(
          40 + r * growthMs,
          seq,
          (Math.floor(seq / 10_000) + 1) * 10_000,
        );
      }
    }
    return isOver;
  };
  assert.ok(!run(0));
  assert.ok(run(8));
});

Deno.test("Pacer lets a burst of 128 segments go, then what the round trip allows twice over", () => {
  const pacer = new Pacer(MSS);
  const cwnd = 1_000 * MSS;
  let sent = 0;
  while (pacer.canSend(1_000, cwnd, 100)) {
    pacer.take(MSS);
    sent++;
  }
  assert.equal(sent, 128);
  const retryAt = pacer.retryAt(1_000, cwnd, 100);
  assert.equal(retryAt, 1_001);
  sent = 0;
  while (pacer.canSend(retryAt, cwnd, 100)) {
    pacer.take(MSS);
    sent++;
  }
  assert.equal(sent, 20);
});

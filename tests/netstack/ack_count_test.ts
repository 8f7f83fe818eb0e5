/** However a peer sends, we say no more than a few ACKs for each of its segments. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { TcpSocket } from "../../lib/netstack/socket.ts";
import { TcpScript } from "./tcp_script.ts";

/** One at once; three more for what came again. */
const MOST = 4;
const AFTER_ALL_MS = 100_000;

interface Step {
  readonly seq: number;
  readonly bytes: number;
  readonly waitMs: number;
}

function acksFor(steps: readonly Step[], rttMs: number | undefined): number {
  const t = new TcpScript().establish({ windowScale: 7 });
  t.advance(10);
  const { destination } = TcpSocket.connectionOf(t.socket);
  assert(destination !== undefined);
  if (rttMs !== undefined) {
    t.stack.resume(t.now);
    destination.way = {
      burstBytes: 1_048_576,
      rttMs,
      queueBytes: 40_960,
      losesNothingElse: true,
    };
  }
  t.poll(t.now);
  t.skip();
  let acks = 0;
  for (const { seq, bytes, waitMs } of steps) {
    t.deliver(t.now, { seq: 1 + seq, ack: 1, payload: new Uint8Array(bytes) });
    if (waitMs === 0) continue;
    t.advance(t.now + waitMs);
    acks += t.skip();
  }
  t.advance(t.now + AFTER_ALL_MS);
  return acks + t.skip();
}

Deno.test("no order of segments makes us say more than four ACKs for each", () => {
  const step = fc.record({
    seq: fc.oneof(fc.nat({ max: 5 }), fc.nat({ max: 20_000 })),
    bytes: fc.oneof(fc.constantFrom(1, 2, 1_220), fc.integer({ min: 1, max: 1_220 })),
    waitMs: fc.constantFrom(0, 0, 1, 20, 300, 10_000),
  });
  const rttMs = fc.constantFrom(undefined, 5, 50, 1_000);
  fc.assert(fc.property(fc.array(step, { minLength: 1, maxLength: 60 }), rttMs, (steps, rttMs) => {
    const acks = acksFor(steps, rttMs);
    assert.ok(acks <= MOST * steps.length, `${acks} for ${steps.length}`);
  }));
});

Deno.test("nor do those that were made for it", () => {
  const rows: readonly Step[][] = [
    // What came before, again and again.
    Array.from({ length: 200 }, () => ({ seq: 0, bytes: 10, waitMs: 10_000 })),
    // A hole that is filled byte by byte.
    Array.from({ length: 200 }, (_, i) => ({
      seq: i === 0 ? 5_000 : i - 1,
      bytes: i === 0 ? 1_000 : 1,
      waitMs: 30,
    })),
    // Many holes, told one by one.
    Array.from({ length: 200 }, (_, i) => ({ seq: 2_000 - 10 * i, bytes: 5, waitMs: 30 })),
  ].map((steps) => steps.filter(({ seq }) => seq >= 0));
  for (const steps of rows) {
    const acks = acksFor(steps, undefined);
    assert.ok(acks <= MOST * steps.length, `${acks} for ${steps.length}`);
  }
});

/** Pauses before connecting again. */
import { deepStrictEqual, ok } from "node:assert/strict";
import { BackOff } from "../../../../lib/cli/session/persist/back_off.ts";
import { SeededRandom } from "../../../support/seeded_random.ts";

/** In the middle of what chance may give. */
const MIDDLE = { fill: (bytes: Uint8Array) => bytes.fill(127) };

function pauses(backOff: BackOff, count: number): number[] {
  return Array.from({ length: count }, () => Math.round(backOff.handleLost(0) / 1_000));
}

Deno.test("BackOff waits longer each time, to a limit", () => {
  deepStrictEqual(pauses(new BackOff(MIDDLE), 8), [1, 2, 4, 8, 15, 30, 30, 30]);
});

Deno.test("BackOff begins anew after a connection that lasted, not after one that fell over", () => {
  const backOff = new BackOff(MIDDLE);
  pauses(backOff, 3);
  backOff.handleConnected(1_000);
  ok(backOff.handleLost(5_000) > 7_000);
  backOff.handleConnected(10_000);
  ok(backOff.handleLost(40_000) < 1_100);
});

Deno.test("BackOff spreads clients by a quarter either way", () => {
  const random = new SeededRandom(7);
  for (let i = 0; i < 100; i++) {
    const ms = new BackOff(random).handleLost(0);
    ok(ms >= 750 && ms <= 1_250, String(ms));
  }
});

/** Transfers over paths that lose in both directions: none stands still for longer than a few repairs in a row that were lost. */
import assert from "node:assert/strict";
import { GvisorWorld } from "./gvisor_world.ts";

const BYTES = 200_000;
const LIMIT_MS = 400_000;
/** The last ones lose the acknowledgement of a repair again and again: 7 to 10 s were waited for it once. */
const SEEDS = [...Array(20).keys(), 394, 674, 1461, 2275, 3577];
const LONG_MS = 6_000;

interface Transfer {
  readonly seed: number;
  readonly direction: "up" | "down";
  readonly lossRate: number;
}

/** The longest time in which nothing came forward. */
function longestStandstillMs({ seed, direction, lossRate }: Transfer): number {
  const world = new GvisorWorld({
    seed,
    ours: direction === "up" ? BYTES : 0,
    its: direction === "down" ? BYTES : 0,
    link: { delayMs: seed % 3 === 0 ? 2 : 25, lossRate },
    peer: { hasSack: seed % 4 !== 0 },
  });
  let [moved, since, longest] = [0, 0, 0];
  world.run(() => {
    const now = world.app.received + world.peer.received;
    if (now !== moved) {
      longest = Math.max(longest, world.now - since);
      [moved, since] = [now, world.now];
    }
    return moved === BYTES;
  }, LIMIT_MS);
  return longest;
}

for (const direction of ["up", "down"] as const) {
  Deno.test(`No transfer ${direction} stands still for long with 5 % loss both ways`, () => {
    for (const seed of SEEDS) {
      const ms = longestStandstillMs({ seed, direction, lossRate: 0.05 });
      assert.ok(ms < LONG_MS, `seed ${seed}: ${ms} ms`);
    }
  });
}

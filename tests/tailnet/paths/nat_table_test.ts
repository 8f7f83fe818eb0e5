/** Which pairs of NATs find a direct path, and how soon: one table, every cell with three seeds and some loss. */
import assert from "node:assert/strict";
import { withSeed } from "../../sim/link.ts";
import { makePair } from "./sim_side.ts";
import type { NatKind } from "./sim_udp.ts";

const KINDS: readonly NatKind[] = [
  "none",
  "full-cone",
  "restricted",
  "port-restricted",
  "symmetric",
];
/** Both sides would have to guess the other's next port. */
const isHopeless = (a: NatKind, b: NatKind) =>
  (a === "symmetric" && (b === "symmetric" || b === "port-restricted")) ||
  (b === "symmetric" && a === "port-restricted");

function hostOf(kind: NatKind, side: 1 | 2) {
  return kind === "none"
    ? { nat: kind, local: `198.51.100.${side}:4100${side}` } as const
    : { nat: kind } as const;
}

for (const loss of [0, 0.05]) {
  Deno.test(`DirectPaths finds a path through NATs, or stays on the relay; loss ${loss}`, async (t) => {
    for (const ours of KINDS) {
      for (const theirs of KINDS) {
        await t.step(`${ours} and ${theirs}`, () => {
          for (const seed of [1, 2, 3]) {
            withSeed(seed, (random) => {
              const { sim, net, us, them } = makePair(random, {
                us: hostOf(ours, 1),
                them: hostOf(theirs, 2),
              });
              net.loss = loss;
              us.seek(sim.now);
              us.isSending = true;
              const isBothDirect = () => us.inUse !== undefined && them.inUse !== undefined;
              if (isHopeless(ours, theirs)) {
                assert(!sim.runUntil(isBothDirect, 30_000));
                assert.deepEqual([us.inUse, them.inUse], [undefined, undefined]);
              } else {
                assert(sim.runUntil(isBothDirect, loss === 0 ? 600 : 3_000), `at ${sim.now}`);
              }
              sim.runFor(1_000);
              us.isSending = false;
              sim.runFor(1_000);
              assert(them.arrivals.size >= us.sent * 0.9, `${them.arrivals.size} of ${us.sent}`);
            });
          }
        });
      }
    }
  });
}

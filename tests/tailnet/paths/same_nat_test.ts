/** Two nodes behind one NAT, or on one machine: the short way where there is one, the NAT's own where it turns packets round. */
import assert from "node:assert/strict";
import { formatEndpoint } from "../../../lib/tailnet/endpoint_text.ts";
import { withSeed } from "../../sim/link.ts";
import type { SeededRandom } from "../../support/seeded_random.ts";
import { makePair, type SimPair } from "./sim_side.ts";
import type { HostOptions, NatKind } from "./sim_udp.ts";

const SEEDS = [1, 2, 3, 4];
const OUTSIDE = "198.51.100.1";
const NATS: readonly NatKind[] = ["full-cone", "restricted", "port-restricted", "symmetric"];

interface Place {
  readonly us: HostOptions;
  readonly them: HostOptions;
}

/** Both behind `nat`; with `lan` they reach each other inside it. */
function behind(nat: NatKind, lan: string | undefined): Place {
  const shared = { nat, ...(lan === undefined ? {} : { lan }) };
  return {
    us: { ...shared, local: "10.1.0.2:41001", outside: `${OUTSIDE}:50001` },
    them: { ...shared, local: "10.1.0.3:41002", outside: `${OUTSIDE}:60001` },
  };
}

/** A flow of three seconds each way. */
function flow(random: SeededRandom, place: Place, { hairpins }: { hairpins: boolean }): SimPair {
  const pair = makePair(random, place);
  const { sim, net, us, them } = pair;
  net.hairpins = hairpins;
  us.seek(sim.now);
  us.isSending = true;
  them.isSending = true;
  sim.runFor(3_000);
  us.isSending = false;
  them.isSending = false;
  sim.runFor(1_000);
  assert.equal(them.arrivals.size, us.sent);
  assert.equal(us.arrivals.size, them.sent);
  return pair;
}

const inUse = ({ us, them }: SimPair) =>
  [us, them].map((side) => side.inUse && formatEndpoint(side.inUse.endpoint));

for (const hairpins of [true, false]) {
  Deno.test(`two in one local network go straight through it; their NAT ${hairpins ? "hairpins" : "does not hairpin"}`, () => {
    for (const nat of NATS) {
      for (const seed of SEEDS) {
        withSeed(seed, (random) => {
          const pair = flow(random, behind(nat, "home"), { hairpins });
          assert.deepEqual(inUse(pair), ["10.1.0.3:41002", "10.1.0.2:41001"], nat);
        });
      }
    }
  });

  Deno.test(`two on one machine meet at its address; its NAT ${hairpins ? "hairpins" : "does not hairpin"}`, () => {
    for (const nat of ["none", ...NATS] as const) {
      withSeed(1, (random) => {
        const { us, them } = behind(nat, "machine");
        const place = { us, them: { ...them, local: "10.1.0.2:41002" } };
        const pair = flow(random, place, { hairpins });
        assert.deepEqual(inUse(pair), ["10.1.0.2:41002", "10.1.0.2:41001"], nat);
      });
    }
  });
}

Deno.test("two behind one NAT that keeps them apart inside meet at its outside, if it hairpins", () => {
  for (const nat of ["full-cone", "restricted", "port-restricted"] as const) {
    for (const seed of SEEDS) {
      withSeed(seed, (random) => {
        const pair = flow(random, behind(nat, undefined), { hairpins: true });
        assert.deepEqual(inUse(pair), [`${OUTSIDE}:60001`, `${OUTSIDE}:50001`], nat);
      });
    }
  }
});

Deno.test("two behind one NAT that keeps them apart and does not hairpin stay on the relay, and nothing is lost", () => {
  for (const nat of NATS) {
    withSeed(1, (random) => {
      const pair = flow(random, behind(nat, undefined), { hairpins: false });
      assert.deepEqual(inUse(pair), [undefined, undefined], nat);
      assert.equal(pair.them.count.direct, 0);
    });
  }
});

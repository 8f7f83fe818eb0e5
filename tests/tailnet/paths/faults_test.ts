/** What happens to a flow when its direct path fails, and when it comes back: real cores, seeded network, a clock that jumps. */
import assert from "node:assert/strict";
import { withSeed } from "../../sim/link.ts";
import { makePair, type SimPair } from "./sim_side.ts";
import { endpointOf } from "./sim_udp.ts";

const SEEDS = [1, 2, 3, 4, 5];

interface Fault {
  readonly name: string;
  readonly begin: (pair: SimPair) => void;
  readonly end: (pair: SimPair) => void;
  /** The longest time without a new packet that is allowed, from the fault until a second after its end. */
  readonly maxGapMs: number;
  /** Whether the relay has to carry the flow for the ten seconds that the fault lasts. */
  readonly needsRelay: boolean;
}

const FAULTS: readonly Fault[] = [
  {
    name: "nothing passes any more",
    begin: ({ us }) => void (us.host.isOutBlocked = us.host.isInBlocked = true),
    end: ({ us }) => void (us.host.isOutBlocked = us.host.isInBlocked = false),
    maxGapMs: 700,
    needsRelay: true,
  },
  {
    name: "nothing of ours arrives any more",
    begin: ({ us }) => void (us.host.isOutBlocked = true),
    end: ({ us }) => void (us.host.isOutBlocked = false),
    maxGapMs: 700,
    needsRelay: true,
  },
  {
    name: "nothing arrives here any more",
    begin: ({ us }) => void (us.host.isInBlocked = true),
    end: ({ us }) => void (us.host.isInBlocked = false),
    maxGapMs: 700,
    needsRelay: true,
  },
  {
    name: "full packets do not fit any more",
    begin: ({ us }) => void (us.host.maxBytes = 1_300),
    end: ({ us }) => void (us.host.maxBytes = 65_535),
    maxGapMs: 700,
    needsRelay: true,
  },
  {
    name: "our NAT forgets everything",
    begin: ({ us }) => us.host.forgetMappings(),
    end: () => {},
    maxGapMs: 700,
    needsRelay: false,
  },
  {
    name: "the peer's NAT forgets everything",
    begin: ({ them }) => them.host.forgetMappings(),
    end: () => {},
    maxGapMs: 700,
    needsRelay: false,
  },
  {
    name: "we move to another network",
    begin: ({ us, sim }) => us.useInterface(endpointOf("10.9.0.9:41001"), sim.now),
    end: () => {},
    maxGapMs: 400,
    needsRelay: false,
  },
];

for (const loss of [0, 0.02]) {
  Deno.test(`a flow goes on over the relay and comes back; loss ${loss}`, async (t) => {
    for (const fault of FAULTS) {
      await t.step(fault.name, () => {
        for (const seed of SEEDS) {
          withSeed(seed, (random) => {
            const pair = makePair(random, {
              us: { nat: "port-restricted" },
              them: { nat: "port-restricted" },
            });
            const { sim, net, us, them } = pair;
            net.loss = loss;
            us.seek(sim.now);
            us.isSending = true;
            const isBothDirect = () => us.inUse !== undefined && them.inUse !== undefined;
            assert(sim.runUntil(isBothDirect, 5_000));
            sim.runFor(3_000);
            const begunAt = sim.now;
            const relayedBefore = them.count.relay;
            fault.begin(pair);
            sim.runFor(10_000);
            assert.equal(them.count.relay - relayedBefore > 1_000, fault.needsRelay);
            const endedAt = sim.now;
            fault.end(pair);
            assert(sim.runUntil(isBothDirect, 2_500), "direct again");
            sim.runFor(2_000);
            const gap = them.longestGap(begunAt, sim.now);
            assert(gap <= fault.maxGapMs * (loss === 0 ? 1 : 1.5), `gap of ${gap} ms`);
            const relayedAfter = them.count.relay;
            sim.runFor(2_000);
            if (loss === 0) assert.equal(them.count.relay, relayedAfter, "the relay is left");
            assert(endedAt < sim.now);
          });
        }
      });
    }
  });
}

Deno.test("a download comes back too: the peer is told to leave the dead address", () => {
  for (const seed of SEEDS) {
    withSeed(seed, (random) => {
      const { sim, us, them } = makePair(random, { us: { nat: "restricted" } });
      us.seek(sim.now);
      them.isSending = true;
      assert(sim.runUntil(() => us.inUse !== undefined && them.inUse !== undefined, 5_000));
      sim.runFor(3_000);
      const begunAt = sim.now;
      // We alone notice: the peer's packets leave it, and nothing says that they do not arrive.
      us.host.isInBlocked = true;
      sim.runFor(5_000);
      const gap = us.longestGap(begunAt, sim.now);
      assert(gap <= 800, `gap of ${gap} ms`);
      assert.equal(us.inUse, undefined);
    });
  }
});

Deno.test("a path is only used when it carries full packets (magicsock padded pings)", () => {
  withSeed(1, (random) => {
    const { sim, us, them } = makePair(random, { us: { local: "198.51.100.9:1" } });
    them.host.maxBytes = 1_311;
    us.seek(sim.now);
    us.isSending = true;
    sim.runFor(20_000);
    assert.equal(us.inUse, undefined);
    assert.equal(them.count.direct, 0);
    assert(them.arrivals.size > 3_900);
  });
});

Deno.test("a firewall that cuts every flow after a moment is met less and less often", () => {
  withSeed(1, (random) => {
    const { sim, us, them } = makePair(random, { them: { nat: "full-cone" } });
    us.seek(sim.now);
    us.isSending = true;
    // As soon as data flows directly nothing passes for two seconds; pings pass at other times.
    for (let i = 0; i < 60; i++) {
      sim.runUntil(() => us.inUse !== undefined, 2_000);
      if (us.inUse !== undefined) us.host.isOutBlocked = us.host.isInBlocked = true;
      sim.runFor(2_000);
      us.host.isOutBlocked = us.host.isInBlocked = false;
    }
    const switches = us.changes.filter(({ change }) => change.kind === "direct").length;
    assert(switches >= 10 && switches <= 45, `${switches} switches`);
    assert(them.arrivals.size > us.sent * 0.85, `${them.arrivals.size} of ${us.sent}`);
  });
});

Deno.test("nothing is sent while nothing is sent: an idle session costs nothing after its 45 s", () => {
  withSeed(1, (random) => {
    const { sim, us, them } = makePair(random);
    us.seek(sim.now);
    us.isSending = true;
    sim.runFor(5_000);
    us.isSending = false;
    sim.runFor(60_000);
    const totalOf = () => [...us.host.sentTo.values()].reduce((sum, { count }) => sum + count, 0);
    const before = totalOf();
    sim.runFor(3_600_000);
    assert.equal(totalOf(), before);
    assert.equal(us.paths.pollTimeout(), undefined);
    // The first packet after it goes both ways, and the path is trusted again at once.
    us.send(sim.now);
    sim.runFor(200);
    assert.deepEqual([them.arrivals.has(us.sent - 1), them.count.relay > 0], [true, true]);
    assert(us.inUse !== undefined);
  });
});

Deno.test("after a sleep of the machine the path is asked before it is trusted", () => {
  withSeed(1, (random) => {
    const { sim, us, them } = makePair(random, { us: { nat: "port-restricted" } });
    us.seek(sim.now);
    us.isSending = true;
    sim.runFor(5_000);
    const relayed = them.count.relay;
    sim.sleep(600_000);
    us.host.forgetMappings();
    them.host.forgetMappings();
    us.paths.handleNetworkChange(sim.now);
    us.send(sim.now);
    sim.runFor(60);
    assert(them.count.relay > relayed, "the relay carries it meanwhile");
    sim.runFor(940);
    assert(us.inUse !== undefined);
  });
});

/** An agent that the last run found is greeted before the coordinator has said where it is, and trusted not a moment sooner. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import type { AgentTrace } from "../../lib/base/tunnel.ts";
import { AGENT_ID, World, type WorldOptions } from "./sim/world.ts";
import { transfer } from "./sim/transfer.ts";

const DELAY_MS = 50;
const network = { delayMs: DELAY_MS };
const agentDelayMs = 0;

/** What a run learns. Worlds of one seed have agents of the same keys. */
function learn(
  options: WorldOptions = {},
): { readonly trace: AgentTrace; readonly tookMs: number } {
  const world = new World({ network, agentDelayMs, ...options });
  const tookMs = world.reach();
  world.pass(1_000);
  const trace = world.client.session.trace();
  if (trace === undefined) throw new Error("nothing was learnt");
  return { trace, tookMs };
}

function initiationsOf(world: World): number {
  return Number(world.client.session.node.counts()["wireguard.initiationsSent"]);
}

Deno.test("an agent that is known is reached a round trip earlier, by one initiation", () => {
  const { trace, tookMs } = learn();
  const world = new World({ network, agentDelayMs, agentSendBytes: 3_000, client: { trace } });
  const greetedMs = world.reach();
  ok(
    tookMs - greetedMs > 2 * DELAY_MS - 10 && tookMs - greetedMs < 2 * DELAY_MS + 10,
    `${greetedMs} ms in place of ${tookMs}`,
  );
  strictEqual(initiationsOf(world), 1);
  transfer(world, 3_000);
  deepStrictEqual(world.client.lost(), []);
});

Deno.test("another process under its id: who was greeted is forgotten, whatever it answers", () => {
  const { trace, tookMs } = learn();
  const world = new World({ network, agentDelayMs, client: { trace } });
  world.agent.kill(world.now);
  world.startAgent();
  const reachedMs = world.reach();
  ok(reachedMs <= tookMs + 60, `${reachedMs} ms, without a memory ${tookMs}`);
  deepStrictEqual(world.client.lost(), []);
  deepStrictEqual(world.client.kinds().filter((kind) => kind === "reachable"), ["reachable"]);
  world.pass(1_000);
  const learnt = world.client.session.trace();
  ok(learnt !== undefined && learnt.nodeKey.join() !== trace.nodeKey.join());
});

Deno.test("an agent that answers but is not named by the coordinator is not reachable", () => {
  const { trace } = learn();
  const world = new World({ network, agentDelayMs, client: { trace } });
  world.agent.claim({ key: new Uint8Array(32).fill(9) }, world.now);
  world.pass(5_000);
  ok(!world.client.session.isReachable);
  const peer = world.client.session.node.wireguardOf(AGENT_ID);
  ok(peer !== undefined && peer.publicKey.join() !== trace.nodeKey.join());
});

Deno.test("an agent that was greeted and is never named answers no ping of ours, and is forgotten", () => {
  const { trace } = learn();
  const world = new World({ network, agentDelayMs, client: { trace } });
  world.agent.claim({ preferredDerp: 0 }, world.now);
  const { session } = world.client;
  let wasEstablished = false;
  for (let i = 0; i < 100; i++) {
    session.ping(world.now);
    world.pass(50);
    wasEstablished ||= session.node.wireguardOf(AGENT_ID)?.lastHandshakeAt !== undefined;
  }
  ok(wasEstablished);
  ok(!world.client.kinds().includes("pong"));
  ok(!session.isReachable);
  strictEqual(session.node.wireguardOf(AGENT_ID), undefined);
});

Deno.test("an agent that is away is hoped for a moment, then it is as if nothing were known", () => {
  const { trace } = learn();
  const world = new World({ network, agentDelayMs, client: { trace } });
  world.agent.kill(world.now);
  world.pass(4_000);
  strictEqual(world.client.session.node.wireguardOf(AGENT_ID), undefined);
  const before = initiationsOf(world);
  world.pass(60_000);
  strictEqual(initiationsOf(world), before);
  strictEqual(world.client.session.status().step, "agent");
  world.startAgent();
  ok(world.reach() < 1_000);
});

Deno.test("a relay of another home than ours is left with the hope", () => {
  const { trace } = learn();
  const world = new World({ network, agentDelayMs, regions: [12], client: { trace } });
  world.agent.kill(world.now);
  const regions = () => world.client.session.node.relays.status().map(({ region }) => region);
  while (regions().length < 2) {
    world.pass(100);
    ok(world.now < 10_000, `${regions()}`);
  }
  deepStrictEqual(regions(), [12, trace.homeRegion]);
  world.pass(4_000);
  deepStrictEqual(regions(), [12]);
});

Deno.test("keys that a damaged or foreign file names prevent nothing", () => {
  const { trace, tookMs } = learn();
  const { node } = new World({ network, agentDelayMs }).client.session;
  const keys = [
    // Of small order, one beyond the prime, and our own.
    new Uint8Array(32),
    Uint8Array.of(1, ...new Uint8Array(31)),
    Uint8Array.of(0xec, ...new Uint8Array(30).fill(0xff), 0x7f),
    new Uint8Array(32).fill(0xff),
    node.nodePublicKey,
    node.discoPublicKey,
  ];
  for (const key of keys) {
    for (const wrong of [{ nodeKey: key }, { discoKey: key }, { nodeKey: key, discoKey: key }]) {
      const client = { trace: { ...trace, ...wrong } };
      const world = new World({ network, agentDelayMs, client });
      ok(world.reach() <= tookMs + 60);
      deepStrictEqual(world.client.lost(), []);
    }
  }
});

Deno.test("an agent that learns of us later than it did is reached all the same, and the lag is learnt anew", () => {
  const { trace, tookMs } = learn();
  const world = new World({ network, agentDelayMs, client: { trace } });
  world.agent.hearsFrom = world.now + 4 * DELAY_MS + 40;
  const reachedMs = world.reach();
  ok(reachedMs < tookMs + 200, `${reachedMs} ms, without a memory ${tookMs}`);
  world.pass(1_000);
  const learnt = world.client.session.trace();
  ok(learnt !== undefined && learnt.readyLagMs > trace.readyLagMs);
});

Deno.test("a greeting that came too early is later in the next run, and stays so when it came in time", () => {
  const { trace } = learn();
  const run = (
    known: AgentTrace,
  ): { readonly learnt: AgentTrace; readonly initiations: number } => {
    let initiations = 0;
    const fate = ({ packet }: { readonly packet: Uint8Array }) => {
      if (packet[0] !== 1) return "forward" as const;
      initiations++;
      // It says that it knows us before that is so.
      return world.now < began + 3 * DELAY_MS + 30 ? "drop" as const : "forward" as const;
    };
    const world: World = new World({ network, agentDelayMs, fate, client: { trace: known } });
    const began = world.now;
    world.reach();
    world.pass(1_000);
    const learnt = world.client.session.trace();
    if (learnt === undefined) throw new Error("nothing was learnt");
    return { learnt, initiations };
  };
  const lags = [trace.readyLagMs];
  const counts: number[] = [];
  let known = trace;
  for (let i = 0; i < 4; i++) {
    const { learnt, initiations } = run(known);
    known = learnt;
    lags.push(learnt.readyLagMs);
    counts.push(initiations);
  }
  deepStrictEqual(counts, [2, 2, 1, 1], `lags ${lags}`);
});

Deno.test("who was slow to learn of us is waited for", () => {
  const { trace, tookMs } = learn();
  const world = new World({
    network,
    agentDelayMs,
    client: { trace: { ...trace, readyLagMs: 1_000 } },
  });
  strictEqual(world.reach(), tookMs);
});

Deno.test("a home that is no relay of the map, or another relay, prevents nothing", () => {
  const { trace, tookMs } = learn();
  for (const homeRegion of [12, 998]) {
    const world = new World({ network, agentDelayMs, client: { trace: { ...trace, homeRegion } } });
    ok(world.reach() <= tookMs + 10);
  }
});

Deno.test("where agents do not say that they know us nothing is learnt", () => {
  const world = new World({ client: { coordination: "v1", expectsReady: false } });
  world.reach();
  strictEqual(world.client.session.trace(), undefined);
});

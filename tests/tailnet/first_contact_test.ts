/** From nothing to a tunnel that carries data, in memory: what it takes, in which order, and what it survives. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { transfer } from "./sim/transfer.ts";
import { TOKEN, World } from "./sim/world.ts";

Deno.test("AgentSession reaches its agent and carries bytes both ways", () => {
  const world = new World({ agentSendBytes: 100_000 });
  world.reach();
  transfer(world, 100_000);
  strictEqual(world.client.session.status().step, "reachable");
  strictEqual(world.client.failure(), undefined);
});

Deno.test("AgentSession needs few round trips: coordinator and relay side by side", () => {
  const world = new World();
  // Dial 5, upgrade 10, answer of the coordinator and the agent's word 10, handshake 20, and some rounds to spare.
  const took = world.reach();
  ok(took < 100, `took ${took} ms`);
  const dialled = world.network.dials.slice(0, 4);
  deepStrictEqual(dialled.filter((to) => to === "coder.test:3000").length, 2);
  ok(dialled.includes("coder.test:3001"));
});

Deno.test("frames cut at every byte change nothing", () => {
  const world = new World({ network: { pieceBytes: 1 }, agentSendBytes: 3_000 });
  world.reach();
  transfer(world, 3_000);
});

Deno.test("a relay that knows only websockets is reached by one, frames cut at every byte", async (t) => {
  for (const mode of ["websocket-only", "websocket-only-old", "websocket-only-stuck"] as const) {
    await t.step(mode, () => {
      const world = new World({ network: { pieceBytes: 1 }, agentSendBytes: 3_000 });
      world.relay.mode = mode;
      world.reach();
      transfer(world, 3_000);
      ok(world.relay.requests.some((request) => request.upgrade === "websocket"));
    });
  }
});

Deno.test("forcesWebsocket never asks for Upgrade: DERP", () => {
  const world = new World({ client: { forcesWebsocket: true } });
  world.reach();
  const upgrades = world.relay.requests.map((request) => request.upgrade).sort();
  deepStrictEqual(upgrades, ["DERP", "websocket"]); // the agent's, ours
});

Deno.test("the session token goes to the coordinator and never to a relay, the user's headers to both", () => {
  const world = new World({ regions: [5], agentRegion: 5 });
  world.client.latencies = new Map([[5, 10], [999, 20]]);
  world.relay.mode = "websocket-only"; // both transports
  world.reach();
  ok(world.coordinator.requests.length > 0);
  for (const request of world.coordinator.requests) {
    strictEqual(request.headers.get("coder-session-token"), TOKEN);
    strictEqual(request.headers.get("x-mine"), "yes");
  }
  const relays = [...world.relays.values()];
  ok(relays.some((relay) => relay.requests.some((r) => r.headers.get("x-mine") === "yes")));
  for (const head of relays.flatMap((relay) => relay.heads)) ok(!head.includes(TOKEN));
});

Deno.test("the first initiation may be lost: the next comes quickly", () => {
  let dropped = 0;
  const world = new World({
    fate: ({ packet }) => packet[0] === 1 && dropped++ < 1 ? "drop" : "forward",
  });
  const took = world.reach();
  ok(dropped > 1);
  ok(took < 700, `took ${took} ms`);
});

/** Milliseconds that the agent is late, and within which it is reached: half a second after the first, then at most doubled. */
const LATE: readonly (readonly [number, number])[] = [
  [100, 800],
  [400, 800],
  [900, 1_900],
  [1_900, 4_000],
  [4_000, 9_200],
];

for (const [lateMs, withinMs] of LATE) {
  Deno.test(`JSON: an agent that learns of us ${lateMs} ms after our first initiation is reached within ${withinMs} ms`, () => {
    // Servers before v2.8 have no word for "it knows you": initiations that come before it does are lost.
    let initiations = 0;
    const world = new World({
      client: { coordination: "v1", expectsReady: false },
      fate: ({ packet }) => {
        if (packet[0] === 1 && initiations++ === 0) world.agent.hearsFrom = world.now + lateMs;
        return "forward";
      },
    });
    world.agent.hearsFrom = Infinity;
    const took = world.reach(20_000);
    ok(initiations > 1, "the first one was too early");
    ok(took < withinMs, `took ${took} ms, ${initiations} initiations`);
  });
}

Deno.test("JSON: each process of an agent of v0.24 has another id, and takes the place of the one before", () => {
  const world = new World({
    client: { coordination: "v1", expectsReady: false },
    agentSendBytes: 3_000,
  });
  world.agent.claim({ id: 77n }, world.now);
  world.reach();
  transfer(world, 3_000);
  for (const id of [2n ** 62n + 1n, 5n]) {
    world.agent.kill(world.now);
    world.startAgent().claim({ id }, world.now);
    world.pass(1_000);
    // v0.24 says each word again: the same node is no news.
    for (let again = 0; again < 3; again++) world.agent.claim({ id }, world.now);
    world.pass(1_000);
    ok(world.reach() < 1_000);
    transfer(world, 3_000);
  }
  strictEqual(world.client.failure(), undefined);
});

Deno.test("an agent that never says that it knows us is tried after five seconds", () => {
  const world = new World();
  world.agent.saysReady = false;
  world.reach(10_000);
});

Deno.test("an agent that comes late is reached when it comes, and until then it is said what is waited for", () => {
  const world = new World();
  world.agent.kill(world.now);
  world.pass(60_000);
  strictEqual(world.client.session.status().step, "agent");
  match(world.client.waitsFor, /agent to join/);
  strictEqual(world.client.failure(), undefined);
  world.startAgent();
  ok(world.reach() < 1_000);
});

Deno.test("an agent that is announced and answers nothing is given up after two minutes", () => {
  const world = new World({ fate: () => "drop" });
  world.pass(130_000);
  match(world.client.failure()?.message ?? "", /does not answer/);
  ok((world.client.failure()?.hint ?? "") !== "");
});

Deno.test("seeds: loss and disorder on the relay neither prevent the contact nor damage what is sent", () => {
  for (let seed = 1; seed <= 12; seed++) {
    const world: World = new World({
      seed,
      agentSendBytes: 40_000,
      fate: () => {
        if (world.random.chance(0.1)) return "drop";
        return { delaysMs: [world.random.below(20), ...world.random.chance(0.1) ? [5] : []] };
      },
    });
    try {
      world.reach();
      transfer(world, 40_000);
    } catch (error) {
      throw new Error(`failed with seed ${seed}`, { cause: error });
    }
  }
});

Deno.test("leave() tells the coordinator, closes its connection and is over within a second", () => {
  const world = new World();
  world.reach();
  world.client.session.leave(world.now);
  const before = world.now;
  ok(world.until(() => world.client.hasLeft, 1_000), "has not left");
  world.pass(100);
  strictEqual(world.coordinator.connectionCount, 0);
  deepStrictEqual(world.client.coordinatorEnds(), []);
  ok(world.now - before <= 1_100);
  // The agent heard a goodbye, not a loss.
  strictEqual(world.agent.node.wireguardOf("nobody")?.lastHandshakeAt, undefined);
});

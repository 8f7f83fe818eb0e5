/** Relays that fail, each in its own way: what is tried again, what is told, and what is given up. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { derpMapOf } from "../../lib/tailnet/derp_map.ts";
import { blackhole } from "./sim/network.ts";
import type { RelayMode } from "./sim/relay.ts";
import { awaitProgress, beginTransfer, finishTransfer, transfer } from "./sim/transfer.ts";
import { nodeOf, World } from "./sim/world.ts";

/** A client whose relay fails from the start; the agent is there already. */
function worldWith(mode: RelayMode): World {
  const world = new World();
  world.relay.mode = mode;
  return world;
}

Deno.test("a relay that fails from the start is given up with one line each of what and what to do", async (t) => {
  const rows: { mode: RelayMode; message: RegExp; withinMs: number }[] = [
    { mode: "silent", message: /accepts connections but says nothing/, withinMs: 15_000 },
    { mode: "half", message: /accepts connections but says nothing/, withinMs: 15_000 },
    { mode: "nonsense", message: /Cannot reach the relay "Region 999": /, withinMs: 5_000 },
    { mode: "derp-nonsense", message: /Cannot reach the relay "Region 999": /, withinMs: 5_000 },
    { mode: "forbidden", message: /answered status 403/, withinMs: 5_000 },
    { mode: "bad-gateway", message: /answered status 502/, withinMs: 5_000 },
  ];
  for (const { mode, message, withinMs } of rows) {
    await t.step(mode, () => {
      const world = worldWith(mode);
      world.pass(60_000);
      const failure = world.client.failure();
      match(failure?.message ?? "no failure", message);
      ok(!/\n/.test(failure?.message ?? "") && (failure?.hint ?? "") !== "");
      if (/status|says nothing/.test(message.source)) {
        match(failure?.hint ?? "", /passes websockets on/);
      }
      ok((failure?.at ?? Infinity) - 1_000 <= withinMs, `at ${failure?.at}`);
    });
  }
});

Deno.test("whatever happens to Upgrade: DERP, the websocket has its turn within four seconds", async (t) => {
  const modes = [
    "websocket-only",
    "websocket-only-502",
    "websocket-only-reset",
    "websocket-only-silent",
  ] as const;
  for (const mode of modes) {
    await t.step(mode, () => {
      const world = worldWith(mode);
      const took = world.reach();
      ok(took < (mode === "websocket-only-silent" ? 4_000 : 1_000), `${took} ms`);
      strictEqual(world.client.failure(), undefined);
      strictEqual(world.client.session.node.relays.readyLink(999)?.transport, "websocket");
      transfer(world, 0);
      // What let us in is taken first the next time.
      world.pass(6_000);
      world.relay.requests.length = 0;
      world.relay.restart(world.now);
      world.pass(1_000);
      ok(world.client.session.node.relays.readyLink(999) !== undefined);
      ok(world.relay.requests.every(({ upgrade }) => upgrade === "websocket"));
    });
  }
});

Deno.test("a relay that is asked for a websocket first is reached by it at once, and so where it moves", () => {
  const world = new World({ client: { beginsWithWebsocket: true } });
  world.relay.requests.length = 0;
  world.reach();
  const asked = () => world.relay.requests.filter(({ upgrade }) => upgrade === "websocket").length;
  const { relays } = world.client.session.node;
  strictEqual(relays.readyLink(999)?.transport, "websocket");
  strictEqual(world.client.session.diagnostics(world.now).relayTransport, "websocket");
  const before = asked();
  strictEqual(before, 1);
  const [home] = [...world.map.regions.values()];
  const node = home?.nodes[0];
  if (home === undefined || node === undefined) throw new TypeError("The world has a relay");
  const moved = derpMapOf([{ ...home, nodes: [{ ...node, certName: "another.test" }] }]);
  world.client.session.handleMap(moved, world.now);
  world.pass(2_000);
  strictEqual(relays.readyLink(999)?.transport, "websocket");
  strictEqual(asked(), before + 1);
});

Deno.test("a relay that takes no websocket any more is reached by the other upgrade, and that is told", async (t) => {
  for (const mode of ["upgrade-only", "upgrade-only-502", "upgrade-only-reset"] as const) {
    await t.step(mode, () => {
      const world = new World({ client: { beginsWithWebsocket: true } });
      world.relay.mode = mode;
      ok(world.reach() < 1_000);
      strictEqual(world.client.session.node.relays.readyLink(999)?.transport, "upgrade");
      strictEqual(world.client.session.diagnostics(world.now).relayTransport, "upgrade");
      strictEqual(world.client.failure(), undefined);
    });
  }
});

Deno.test("a relay whose proxy answers 502 while it restarts is back at once, by the upgrade that it had", () => {
  const world = new World();
  world.reach();
  world.pass(6_000);
  world.relay.mode = "bad-gateway";
  world.relay.restart(world.now);
  world.pass(8_000);
  world.relay.mode = "ok";
  ok(world.until(() => world.client.session.node.relays.readyLink(999) !== undefined, 1_500));
});

Deno.test("a relay that refuses the connection is tried three times within five seconds, then it is said", () => {
  const world = new World();
  world.agent.kill(world.now);
  world.network.dials.length = 0;
  world.relay.isUp = false;
  world.pass(4_999);
  strictEqual(world.network.dials.filter((to) => to === "coder.test:3000").length, 3);
  match(world.client.failure()?.message ?? "", /refused the connection/);
});

Deno.test("while a relay is not reached it is said which and why", () => {
  const world = worldWith("forbidden");
  world.pass(500);
  strictEqual(world.client.session.status().step, "relay");
  match(world.client.waitsFor, /"Region 999" \(answered status 403\)/);
});

Deno.test("a relay that is there at the third attempt is good enough", () => {
  const world = new World();
  world.relay.isUp = false;
  world.pass(2_500);
  world.relay.isUp = true;
  world.reach();
  strictEqual(world.client.failure(), undefined);
});

Deno.test("a refused connection is closed by us: nothing of it stays", () => {
  const world = worldWith("forbidden");
  world.pass(60_000);
  world.relay.mode = "ok";
  world.pass(20_000);
  strictEqual(world.relay.connectionCount, 2); // ours and the agent's
});

Deno.test("each server of a region is asked by its own name", () => {
  const map = derpMapOf([{
    id: 999,
    code: "x",
    name: "Region 999",
    embeddedRelay: false,
    avoid: false,
    nodes: [nodeOf(999, { name: "a", hostName: "down.test" }), nodeOf(999, { name: "b" })],
  }]);
  const world = new World({ client: { derpMap: map } });
  world.coordinator.setMap(map, world.now);
  world.reach();
  for (const request of world.relay.requests) {
    strictEqual(request.headers.get("host"), "coder.test:3000");
  }
});

Deno.test("a relay that falls silent is noticed and dialled again; nothing of a stream is lost", () => {
  const world = new World({ agentSendBytes: 2_000_000, network: { bytesPerMs: 1_000 } });
  world.reach();
  const bulk = beginTransfer(world, 2_000_000);
  awaitProgress(world, bulk, 100_000);
  for (const end of world.relay.ends()) blackhole(end);
  finishTransfer(world, bulk, { up: 2_000_000, down: 2_000_000, limitMs: 120_000 });
});

Deno.test("a relay that lets us in and shows us out is not dialled in a frenzy", () => {
  const world = new World();
  world.reach();
  world.agent.kill(world.now);
  world.relay.mode = "revolving";
  world.relay.restart(world.now);
  world.network.dials.length = 0;
  world.pass(60_000);
  const dials = world.network.dials.filter((to) => to === "coder.test:3000").length;
  ok(dials > 5 && dials < 80, `${dials} dials in a minute`);
});

Deno.test("batches that are full most of the time wedge nothing", () => {
  const world = new World({ agentSendBytes: 1_000_000, network: { bytesPerMs: 100, delayMs: 20 } });
  world.reach();
  transfer(world, 1_000_000);
});

Deno.test("the home region is the one with the lowest latency; only it and the agent's are connected", () => {
  const world = new World({ regions: [5, 6], agentRegion: 5 });
  world.client.latencies = new Map([[5, 40], [6, 12], [999, 90]]);
  world.reach();
  strictEqual(world.client.session.homeRegion, 6);
  transfer(world, 0);
  // The agent's relay and our home: nothing else is connected.
  deepStrictEqual(world.client.session.node.relays.status().map((r) => r.region).sort(), [5, 6]);
});

Deno.test("relays that do not answer the probe in time are not waited for", () => {
  const world = new World({ regions: [5, 6] });
  ok(world.reach() < 2_000);
  strictEqual(world.client.session.homeRegion, 5); // the default: no latency is known
});

Deno.test("a home region that cannot be reached gives its place to another", () => {
  const world = new World({ regions: [5, 6], agentRegion: 999 });
  world.client.latencies = new Map([[5, 10], [6, 20]]);
  for (const region of [5, 6]) {
    const relay = world.relays.get(region);
    if (relay !== undefined) relay.isUp = false;
  }
  world.reach();
  ok(world.until(() => world.client.session.homeRegion === 999, 10_000), "still at home nowhere");
  strictEqual(world.client.failure(), undefined);
  const [peerId = ""] = world.coordinator.peerIds;
  world.pass(1_000);
  strictEqual(world.agent.homeOf(peerId), 999);
});

Deno.test("a home region that goes away for good gives its place to another, a restart does not", () => {
  const world = new World({ regions: [5], agentRegion: 999 });
  world.client.latencies = new Map([[5, 10], [999, 20]]);
  world.reach();
  const five = world.relays.get(5);
  if (five === undefined) throw new Error("no relay 5");
  five.isUp = false;
  five.restart(world.now);
  world.pass(20_000);
  five.isUp = true;
  world.pass(60_000);
  strictEqual(world.client.session.homeRegion, 5);
  five.isUp = false;
  five.restart(world.now);
  world.pass(45_000);
  strictEqual(world.client.session.homeRegion, 999);
  ok(world.client.session.isReachable);
});

Deno.test("an agent whose relay we cannot reach is told of as that", () => {
  const world = new World({ regions: [5], agentRegion: 5 });
  world.client.latencies = new Map([[999, 10]]);
  world.pass(20);
  const theirs = world.relays.get(5);
  if (theirs !== undefined) theirs.mode = "forbidden";
  world.pass(1_000);
  match(world.client.waitsFor, /"Region 5" \(answered status 403\)/);
  world.pass(5_000);
  match(world.client.failure()?.message ?? "", /relay "Region 5": answered status 403/);
});

Deno.test("latencies of regions that left the map meanwhile choose no home", () => {
  const world = new World({ regions: [5, 6] });
  world.pass(100);
  const { session } = world.client;
  world.coordinator.setMap(derpMapOf([...world.map.regions.values()].slice(0, 2)), world.now);
  world.pass(100);
  session.handleRelayLatencies(new Map([[6, 1], [5, 30]]), world.now);
  strictEqual(session.homeRegion, 5);
});

/** Coordinators that fail, each in its own way: what is tried again, what is told, and what is given up. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import type { CoordinatorMode } from "./sim/coordinator.ts";
import { blackhole } from "./sim/network.ts";
import { awaitProgress, beginTransfer, finishTransfer, transfer } from "./sim/transfer.ts";
import { World } from "./sim/world.ts";

/** How often the client dialled the coordinator. */
function dials(world: World): number {
  return world.network.dials.filter((to) => to === "coder.test:3001").length;
}

Deno.test("a coordinator that fails from the start is given up with one line each of what and what to do", async (t) => {
  const rows: { mode: CoordinatorMode; message: RegExp; withinMs: number }[] = [
    { mode: "silent", message: /accepts connections but says nothing/, withinMs: 15_000 },
    { mode: "half", message: /accepts connections but says nothing/, withinMs: 15_000 },
    { mode: "open-silent", message: /accepts connections but says nothing/, withinMs: 15_000 },
    { mode: "nonsense", message: /network coordinator: The peer broke yamux/, withinMs: 5_000 },
    { mode: "not-http", message: /network coordinator: Cannot/, withinMs: 5_000 },
  ];
  for (const { mode, message, withinMs } of rows) {
    await t.step(mode, () => {
      const world = new World();
      world.coordinator.mode = mode;
      world.pass(60_000);
      const failure = world.client.failure();
      match(failure?.message ?? "no failure", message);
      ok(!/\n/.test(failure?.message ?? "") && (failure?.hint ?? "") !== "");
      ok((failure?.at ?? Infinity) - 1_000 <= withinMs, `at ${failure?.at}`);
    });
  }
});

Deno.test("a coordinator that refuses the connection is tried three times within five seconds, then it is said", () => {
  const world = new World();
  world.coordinator.isUp = false;
  world.pass(1_500);
  match(world.client.waitsFor, /coordinator \(refused the connection\)/);
  world.pass(3_499);
  strictEqual(dials(world), 3);
  match(world.client.failure()?.message ?? "", /coordinator: refused the connection/);
});

Deno.test("a coordinator that is there at the third attempt is good enough", () => {
  const world = new World();
  world.coordinator.isUp = false;
  world.pass(2_500);
  world.coordinator.isUp = true;
  world.reach();
  strictEqual(world.client.failure(), undefined);
});

Deno.test("a verdict is told at once, whether its body has a length or ends with the connection", async (t) => {
  const body = JSON.stringify({ message: "You are signed out", detail: "API key expired" });
  for (const ends of [false, true]) {
    await t.step(ends ? "ends" : "has a length", () => {
      const world = new World({ network: { pieceBytes: 3 } });
      world.coordinator.refusal = { status: 401, body, ends };
      world.pass(500);
      const failure = world.client.failure();
      match(failure?.message ?? "", /\(401\): You are signed out: API key expired/);
      match(failure?.hint ?? "", /hawser login/);
      strictEqual(dials(world), 1);
      deepStrictEqual(world.client.coordinatorEnds(), []); // hung up, though the server did not
      strictEqual(world.coordinator.connectionCount, 0);
    });
  }
});

Deno.test("a proxy's passing trouble is no verdict", () => {
  const world = new World();
  world.coordinator.refusal = { status: 502, body: "<html>", ends: false };
  world.pass(500);
  strictEqual(world.client.failure(), undefined);
  world.coordinator.refusal = undefined;
  world.reach();
});

Deno.test("a coordinator that restarts ends nothing and is found again with the resume token", () => {
  const world = new World({ agentSendBytes: 1_000_000, network: { bytesPerMs: 500 } });
  world.reach();
  const bulk = beginTransfer(world, 1_000_000);
  awaitProgress(world, bulk, 100_000);
  world.coordinator.restart(world.now);
  finishTransfer(world, bulk, { up: 1_000_000, down: 1_000_000 });
  world.pass(5_000);
  const [first, second] = world.coordinator.peerIds;
  strictEqual(world.coordinator.peerIds.length, 2);
  strictEqual(second, first);
  deepStrictEqual(world.client.lost(), []);
  strictEqual(world.coordinator.connectionCount, 1);
});

Deno.test("a coordinator that honours no token knows us under another id; nothing is lost", () => {
  const world = new World({ agentSendBytes: 1_000_000, network: { bytesPerMs: 500 } });
  world.reach();
  const bulk = beginTransfer(world, 1_000_000);
  awaitProgress(world, bulk, 100_000);
  world.coordinator.acceptsTokens = false;
  world.coordinator.restart(world.now);
  finishTransfer(world, bulk, { up: 1_000_000, down: 1_000_000 });
  world.pass(5_000);
  strictEqual(new Set(world.coordinator.peerIds).size, 2);
  deepStrictEqual(world.client.lost(), []);
  strictEqual(world.client.session.status().step, "reachable");
  transfer(world, 1_000_000);
});

Deno.test("a coordinator that is away for ten minutes is missed by nobody who is connected", () => {
  const world = new World({ agentSendBytes: 1_000 });
  world.reach();
  world.coordinator.isUp = false;
  world.coordinator.restart(world.now);
  world.pass(10 * 60_000);
  ok(world.client.session.isReachable);
  transfer(world, 1_000);
  world.coordinator.isUp = true;
  world.pass(15_000);
  strictEqual(world.coordinator.connectionCount, 1);
  strictEqual(world.client.failure(), undefined);
});

Deno.test("a coordinator that says no once we are connected ends nothing", () => {
  const world = new World({ agentSendBytes: 1_000 });
  world.reach();
  world.coordinator.refusal = { status: 403, body: JSON.stringify({ message: "no" }), ends: false };
  world.coordinator.restart(world.now);
  world.pass(60_000);
  strictEqual(world.client.failure(), undefined);
  const verdicts = world.client.events.filter(({ event }) => event.kind === "refused");
  deepStrictEqual(verdicts[0]?.event, {
    kind: "refused",
    failure: { kind: "coordinatorRefused", status: 403, reason: "no" },
  });
  transfer(world, 1_000);
});

Deno.test("a coordinator behind a cable that is out is given up and dialled again, whatever the state", async (t) => {
  await t.step("while its websocket is open", () => {
    const world = new World();
    world.reach();
    for (const end of world.coordinator.ends()) blackhole(end);
    const before = dials(world);
    ok(world.until(() => dials(world) > before, 60_000), "not dialled again");
  });
  await t.step("while it is asked for one, with the agent reachable", () => {
    const world = new World();
    world.reach();
    world.coordinator.mode = "silent";
    world.coordinator.restart(world.now);
    world.pass(1_000);
    const before = dials(world);
    ok(world.until(() => dials(world) > before, 30_000), "waits for ever");
    world.coordinator.mode = "ok";
    world.pass(30_000);
    strictEqual(world.coordinator.peerIds.length, 2);
  });
});

Deno.test("connections that say nothing are closed by us, each of them", () => {
  const world = new World();
  world.coordinator.mode = "silent";
  world.pass(120_000);
  ok(dials(world) >= 4);
  ok(world.coordinator.connectionCount <= 1, `${world.coordinator.connectionCount} are open`);
});

Deno.test("a healthy coordinator that has nothing to tell is left in peace", () => {
  const world = new World();
  world.reach();
  world.agent.stopGracefully(world.now);
  world.coordinator.restart(world.now);
  world.pass(10 * 60_000);
  strictEqual(world.coordinator.peerIds.length, 2);
});

Deno.test("leave() works in every state", async (t) => {
  await t.step("while the coordinator is being dialled", () => {
    const world = new World();
    world.client.session.leave(world.now);
    world.pass(1_000);
    ok(world.client.hasLeft);
    strictEqual(dials(world), 0);
  });
  await t.step("while the next attempt is waited for", () => {
    const world = new World();
    world.coordinator.isUp = false;
    world.pass(500);
    world.client.session.leave(world.now);
    world.coordinator.isUp = true;
    world.pass(20_000);
    ok(world.client.hasLeft);
    strictEqual(dials(world), 1);
  });
  await t.step("while the coordinator says nothing", () => {
    const world = new World();
    world.reach();
    for (const end of world.coordinator.ends()) blackhole(end);
    world.client.session.leave(world.now);
    ok(world.until(() => world.client.hasLeft, 1_000));
    deepStrictEqual(world.client.coordinatorEnds(), []);
  });
});

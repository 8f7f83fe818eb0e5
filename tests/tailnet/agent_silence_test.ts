/** When an agent counts as silent, since when, and when it does not: told in a world whose clock jumps. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import type { Bulk } from "./sim/bulk.ts";
import { blackhole } from "./sim/network.ts";
import { awaitProgress, beginTransfer, finishTransfer } from "./sim/transfer.ts";
import { AGENT_ID, World } from "./sim/world.ts";

const MINUTE_MS = 60_000;
const BYTES = 1_000_000;

interface Told {
  readonly at: number;
  readonly kind: "silent" | "silenceEnded";
  readonly since: number;
}

function told(world: World): Told[] {
  return world.client.events.flatMap(({ at, event }): Told[] => {
    if (event.kind === "silent") return [{ at, kind: event.kind, since: event.since }];
    return event.kind === "silenceEnded" ? [{ at, kind: event.kind, since: event.since }] : [];
  });
}

function kindsTold(world: World): string[] {
  return told(world).map(({ kind }) => kind);
}

function pongs(world: World): number {
  return world.client.kinds().filter((kind) => kind === "pong").length;
}

/** A world with an open connection on which nothing moves any more. */
function idle(options: ConstructorParameters<typeof World>[0] = {}): {
  readonly world: World;
  readonly bulk: Bulk;
} {
  const world = new World(options);
  world.reach();
  const bulk = beginTransfer(world, 0);
  world.pass(MINUTE_MS);
  return { world, bulk };
}

/** One connection with a keystroke's worth of data to send. */
function type(world: World): Bulk {
  return world.client.openBulk(100, world.now);
}

/** The client's cable is out: what is under way is lost, what it dials is not answered. */
function cutClient(world: World): void {
  for (const end of world.client.driver.carriers.values()) blackhole(end);
  world.network.isCut = true;
}

function waitsFor(world: World): string {
  const status = world.client.session.silentStatus();
  return status.step === "relay" ? `${status.step}: ${status.lastFailure}` : status.step;
}

Deno.test("a cut under a transfer is a silence after three seconds, since the last that was sent into it, and over with the first answer", () => {
  for (let seed = 1; seed <= 5; seed++) {
    const world = new World({ seed, agentSendBytes: BYTES, network: { bytesPerMs: 500 } });
    world.reach();
    const bulk = beginTransfer(world, BYTES);
    awaitProgress(world, bulk, 100_000);
    const cutAt = world.now;
    cutClient(world);
    world.pass(2_900);
    deepStrictEqual(told(world), []);
    world.pass(5_000);
    const [silent] = told(world);
    strictEqual(silent?.kind, "silent");
    ok(silent.at - cutAt <= 3_300, `told after ${silent.at - cutAt} ms`);
    ok(Math.abs(silent.since - cutAt) <= 250, `since ${silent.since - cutAt} ms`);
    strictEqual(waitsFor(world), "relay: does not answer");
    world.network.isCut = false;
    const liftedAt = world.now;
    ok(world.until(() => kindsTold(world).length === 2, 5_000), "not over");
    ok(world.now - liftedAt <= 1_300, `over ${world.now - liftedAt} ms after it`);
    finishTransfer(world, bulk, { up: BYTES, down: BYTES, limitMs: 90_000 });
    deepStrictEqual(kindsTold(world), ["silent", "silenceEnded"]);
  }
});

Deno.test("an idle connection of an hour is no silence, and costs hardly a question", () => {
  const { world } = idle();
  const before = pongs(world);
  world.pass(60 * MINUTE_MS);
  deepStrictEqual(told(world), []);
  ok(pongs(world) - before <= 2, `${pongs(world) - before} questions`);
});

Deno.test("the end of a transfer has nothing to follow it: one question, no silence", () => {
  const { world } = idle({ agentSendBytes: 5_000 });
  deepStrictEqual(told(world), []);
  ok(pongs(world) <= 3, `${pongs(world)} questions`);
});

Deno.test("an agent that stands still is silent once something is sent to it; the relay answers", () => {
  const { world } = idle();
  world.agent.isFrozen = true;
  world.pass(MINUTE_MS);
  deepStrictEqual(told(world), []); // nothing was asked of it
  const typedAt = world.now;
  type(world);
  world.pass(2_900);
  deepStrictEqual(told(world), []);
  world.pass(400);
  deepStrictEqual(told(world).map(({ since }) => since), [typedAt]);
  strictEqual(waitsFor(world), "handshake");
  world.pass(2 * MINUTE_MS);
  strictEqual(kindsTold(world).length, 1);
  world.agent.isFrozen = false;
  ok(world.until(() => kindsTold(world).length === 2, 20_000), "not over");
  ok(world.until(() => world.agent.bulks.at(-1)?.receivedBytes === 100, 60_000));
});

Deno.test("a relay that is gone is a silence though nothing was sent, with the reason, until it and the agent are back", () => {
  const { world } = idle();
  world.relay.isUp = false;
  world.relay.restart(world.now);
  world.pass(3_300);
  deepStrictEqual(kindsTold(world), ["silent"]);
  strictEqual(waitsFor(world), "relay: refused the connection");
  world.pass(MINUTE_MS);
  world.relay.isUp = true;
  ok(world.until(() => kindsTold(world).length === 2, 10_000), "not over, and nobody types");
});

Deno.test("a relay that restarts within a second is no silence", () => {
  const { world } = idle();
  world.relay.restart(world.now);
  world.pass(MINUTE_MS);
  deepStrictEqual(told(world), []);
});

Deno.test("an idle client whose cable is out learns of it by the relay's silence", () => {
  const { world } = idle();
  const cutAt = world.now;
  cutClient(world);
  ok(world.until(() => kindsTold(world).length === 1, MINUTE_MS), "nothing told");
  ok(world.now - cutAt <= 35_000, `told after ${world.now - cutAt} ms`);
});

Deno.test("a machine that wakes asks first: what waited to be read is no silence, but it is known how long it was", () => {
  for (const ms of [8_000, 25_000, 10 * MINUTE_MS]) {
    const { world } = idle();
    type(world);
    world.settle(); // sent, and not answered yet
    const sentAt = world.now;
    world.sleepClient(ms);
    world.pass(5_000);
    const [over, ...more] = told(world);
    deepStrictEqual(more, []);
    strictEqual(over?.kind, "silenceEnded", `asleep for ${ms} ms`);
    strictEqual(over.since, sentAt);
    ok(over.at - sentAt - ms < 1_000);
  }
});

Deno.test("the loss of the agent ends its silence", () => {
  const { world } = idle();
  world.agent.isFrozen = true;
  type(world);
  world.pass(5_000);
  deepStrictEqual(kindsTold(world), ["silent"]);
  world.agent.kill(world.now);
  world.startAgent();
  world.reach();
  world.pass(MINUTE_MS);
  deepStrictEqual(kindsTold(world), ["silent", "silenceEnded"]);
});

Deno.test("a relay that is gone under a direct connection is no silence", () => {
  const world = new World({ agentSendBytes: 1_000 });
  world.reach();
  world.useDirect({ client: "198.51.100.1:41000", agent: "198.51.100.2:42000" });
  const bulk = beginTransfer(world, 1_000);
  finishTransfer(world, bulk, { up: 1_000, down: 1_000 });
  const { direct } = world.client;
  ok(world.until(() => direct?.paths.inUse(AGENT_ID) !== undefined, 30_000), "no direct path");
  world.relay.isUp = false;
  world.relay.restart(world.now);
  world.pass(20_000);
  deepStrictEqual(told(world), []);
});

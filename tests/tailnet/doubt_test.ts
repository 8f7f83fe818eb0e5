/** Relays that fall silent under a session: how soon they are doubted, and what is done beside the old connection. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import type { RelayLink } from "../../lib/tailnet/relay_link.ts";
import { blackhole, type SimEnd } from "./sim/network.ts";
import { awaitProgress, beginTransfer, finishTransfer } from "./sim/transfer.ts";
import { World } from "./sim/world.ts";

const BYTES = 1_000_000;
const SIZES = { up: BYTES, down: BYTES };

function linkOf(world: World): RelayLink | undefined {
  return world.client.session.node.relays.readyLink(999);
}

function relayEnds(world: World): SimEnd[] {
  return [...world.client.driver.carriers].flatMap(([line, end]) =>
    line.name === "coordinator" ? [] : [end]
  );
}

/** A world in the middle of a transfer of a megabyte each way. */
function transferring(seed: number, options: { readonly agentRetransmissions?: number } = {}) {
  const network = { bytesPerMs: 500 };
  const world = new World({ seed, agentSendBytes: BYTES, network, ...options });
  world.reach();
  const bulk = beginTransfer(world, BYTES);
  awaitProgress(world, bulk, 100_000);
  return { world, bulk };
}

Deno.test("after a cut of any length a new connection stands a second after it, whatever the old one's kernel does", () => {
  for (const [index, cutMs] of [3_000, 5_000, 8_000, 10_000, 13_700, 45_000].entries()) {
    // An agent gives a segment up after twelve seconds, unless its round trips were long; that is not what is asked here.
    const { world, bulk } = transferring(index + 1, { agentRetransmissions: Infinity });
    world.pass(world.random.below(1_000));
    const before = linkOf(world);
    for (const end of relayEnds(world)) blackhole(end);
    world.network.isCut = true;
    world.pass(cutMs);
    world.network.isCut = false;
    // In three seconds of silence nothing was doubted yet.
    const limitMs = cutMs <= 4_000 ? 2_500 : 1_100;
    const isBack = () => linkOf(world) !== undefined && linkOf(world) !== before;
    ok(world.until(isBack, limitMs), `not back after ${cutMs} ms`);
    finishTransfer(world, bulk, { ...SIZES, limitMs: 90_000 });
    strictEqual(world.client.failure(), undefined);
    deepStrictEqual(world.client.lost(), []);
  }
});

Deno.test("an old connection that answers after all is gone on with, and what was dialled beside it called off", () => {
  const { world, bulk } = transferring(7);
  const before = linkOf(world);
  const ends = relayEnds(world);
  for (const end of ends) end.stall();
  for (const end of ends) end.peer?.stall();
  world.network.isCut = true;
  world.network.dials.length = 0;
  world.pass(7_000);
  const dials = world.network.dials.length;
  ok(dials >= 4 && dials <= 6, `${dials} attempts in seven seconds`);
  for (const end of ends) end.resume();
  for (const end of ends) end.peer?.resume();
  world.pass(500);
  world.network.isCut = false;
  finishTransfer(world, bulk, SIZES);
  strictEqual(linkOf(world), before);
  world.network.dials.length = 0;
  world.pass(60_000);
  deepStrictEqual(world.network.dials, []);
});

Deno.test("a connection that was replaced is read for a while: what was on its way in it arrives", () => {
  const { world, bulk } = transferring(8);
  const ends = relayEnds(world);
  for (const end of ends) end.stall(); // what the relay sent is in the kernel's hands
  world.pass(4_000);
  for (const end of ends) end.resume();
  finishTransfer(world, bulk, SIZES);
  world.pass(10_000);
  strictEqual(relayEnds(world).length, 1);
});

Deno.test("a program that was stopped keeps its connection where it still works, and dials beside it at once", () => {
  for (const [index, stopMs] of [16_000, 60_000, 600_000].entries()) {
    const world = new World({ seed: index + 20 });
    world.reach();
    const before = linkOf(world);
    world.sleepClient(stopMs);
    world.network.dials.length = 0;
    world.pass(2_000);
    ok(world.network.dials.includes("coder.test:3000"));
    strictEqual(linkOf(world), before); // it answered first: a new one needs three round trips more
    strictEqual(relayEnds(world).length, 1);
  }
});

Deno.test("a program that was stopped in the middle of a transfer goes on with what the kernel kept for it", () => {
  for (const [index, stopMs] of [3_000, 16_000, 60_000, 600_000].entries()) {
    const { world, bulk } = transferring(index + 30, { agentRetransmissions: Infinity });
    world.sleepClient(stopMs);
    finishTransfer(world, bulk, { ...SIZES, limitMs: 30_000 });
    world.pass(10_000);
    strictEqual(relayEnds(world).length, 1);
  }
});

Deno.test("an agent that does not answer makes nobody dial a relay that does", () => {
  const { world } = transferring(9);
  world.agent.isFrozen = true;
  world.network.dials.length = 0;
  world.pass(120_000);
  deepStrictEqual(world.network.dials, []);
});

Deno.test("an idle session dials nothing and asks its relay seldom", () => {
  const world = new World({ agentSendBytes: 1_000 });
  world.reach();
  world.pass(5_000);
  world.network.dials.length = 0;
  const before = world.client.session.node.counters.bytesOut;
  world.pass(600_000);
  deepStrictEqual(world.network.dials, []);
  const perMinute = (world.client.session.node.counters.bytesOut - before) / 10;
  ok(perMinute < 3_000, `${perMinute} bytes a minute`);
});

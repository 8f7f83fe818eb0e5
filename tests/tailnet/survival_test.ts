/**
 * Sessions with bytes under way through what networks and machines do: each byte arrives once, in order, and after what an agent's
 * stack has no patience for it is back soon. Where an outage is longer than that patience, the agent's is made endless, so
 * that times are what is looked at; what agents make of it is at the end, and against a real one in `tests/interop/outage_test.ts`.
 */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { derpMapOf } from "../../lib/tailnet/derp_map.ts";
import type { Bulk } from "./sim/bulk.ts";
import { blackhole } from "./sim/network.ts";
import { endpointOf } from "./paths/sim_udp.ts";
import { awaitProgress, beginTransfer, finishTransfer } from "./sim/transfer.ts";
import { AGENT_ID, mapOf, nodeOf, World } from "./sim/world.ts";

const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const BYTES = 1_000_000;
const SIZES = { up: BYTES, down: BYTES };
/** From a link's return until bytes move: a new attempt is made each second. */
const BACK_MS = 1_500;
const SEEDS = [1, 2, 3, 4];

type Options = ConstructorParameters<typeof World>[0];

/** An agent that gives nothing up. */
const PATIENT = { agentRetransmissions: Infinity };

/** A world in the middle of a transfer of a megabyte each way. */
function transferring(options: Options = {}) {
  const world = new World({ agentSendBytes: BYTES, network: { bytesPerMs: 500 }, ...options });
  world.reach();
  const bulk = beginTransfer(world, BYTES);
  awaitProgress(world, bulk, 100_000);
  world.pass(world.random.below(100));
  return { world, bulk };
}

/** A world whose client has a line open and types a little now and then. */
function typing(options: Options = {}) {
  const world = new World({ agentSendBytes: 1_000, ...options });
  world.reach();
  const bulk = world.client.openBulk(BYTES, world.now, { heldAt: 100 });
  const heard = () => world.agent.bulks.at(-1)?.receivedBytes ?? 0;
  ok(world.until(() => heard() === 100, 5_000));
  const type = (bytes: number) => {
    bulk.heldAt += bytes;
    bulk.pump(world.now);
    world.client.driver.turn(world.now);
  };
  return { world, bulk, heard, type };
}

/** Bytes move in both directions within `limitMs`. */
function expectBack(world: World, bulk: Bulk, limitMs: number, what: string): void {
  const other = world.agent.bulks.at(-1);
  const before = { down: bulk.receivedBytes, up: other?.receivedBytes ?? 0 };
  const isBack = () => bulk.receivedBytes > before.down && (other?.receivedBytes ?? 0) > before.up;
  ok(world.until(isBack, limitMs), `${what}: not back within ${limitMs} ms`);
}

function expectUnharmed(world: World, bulk: Bulk): void {
  finishTransfer(world, bulk, { ...SIZES, limitMs: 2 * MINUTE_MS });
  deepStrictEqual(world.client.lost(), []);
  strictEqual(world.client.failure(), undefined);
}

/** The relay's process ends: what is connected to it hears so, and nobody gets in. */
function killRelay(world: World): void {
  world.relay.isUp = false;
  world.relay.restart(world.now);
}

function killCoordinator(world: World): void {
  world.coordinator.isUp = false;
  world.coordinator.restart(world.now);
}

/** What the client has open is dead, and it is not told; what it dials from now on works. */
function deafenClient(world: World): void {
  for (const end of world.client.driver.carriers.values()) blackhole(end);
}

for (const awayMs of [5 * SECOND_MS, 10 * SECOND_MS]) {
  const seconds = awayMs / SECOND_MS;
  Deno.test(`a relay that is killed for ${seconds} s with bytes under way: they move again within a second of its return`, () => {
    for (const seed of SEEDS) {
      const { world, bulk } = transferring({ seed });
      killRelay(world);
      world.pass(awayMs);
      world.relay.isUp = true;
      expectBack(world, bulk, BACK_MS, `seed ${seed}`);
      expectUnharmed(world, bulk);
    }
  });

  Deno.test(`a server, relay and coordinator in one, that is killed for ${seconds} s with bytes under way`, () => {
    for (const seed of SEEDS) {
      const { world, bulk } = transferring({ seed });
      killRelay(world);
      killCoordinator(world);
      world.pass(awayMs);
      world.relay.isUp = true;
      world.coordinator.isUp = true;
      expectBack(world, bulk, BACK_MS, `seed ${seed}`);
      expectUnharmed(world, bulk);
      ok(world.until(() => world.coordinator.connectionCount === 1, 20_000));
    }
  });

  Deno.test(`a relay that is killed for ${seconds} s after a minute without a word: what is typed meanwhile and afterwards arrives`, () => {
    for (const seed of SEEDS) {
      const { world, bulk, heard, type } = typing({ seed });
      world.pass(MINUTE_MS + world.random.below(25_000));
      killRelay(world);
      world.pass(awayMs / 2);
      type(10);
      world.pass(awayMs / 2);
      world.relay.isUp = true;
      ok(world.until(() => heard() === 110, BACK_MS), `seed ${seed}`);
      type(20);
      ok(world.until(() => heard() === 130, 500));
      strictEqual(bulk.wrongAt ?? world.agent.bulks.at(-1)?.wrongAt, undefined);
    }
  });
}

Deno.test("a coordinator that is gone for an hour is missed by no byte, through every renewal of keys, and found again", () => {
  const { world, bulk, heard, type } = typing();
  killCoordinator(world);
  for (let passedMs = 0; passedMs < HOUR_MS; passedMs += 10 * SECOND_MS) {
    type(1_000);
    const before = heard();
    ok(world.until(() => heard() === before + 1_000, 1_000), `after ${passedMs} ms`);
    world.pass(10 * SECOND_MS);
  }
  ok(bulk.wrongAt === undefined && world.agent.bulks.at(-1)?.wrongAt === undefined);
  world.coordinator.isUp = true;
  ok(world.until(() => world.coordinator.connectionCount === 1, 20_000));
  world.pass(MINUTE_MS);
  type(1_000);
  world.pass(1_000);
  strictEqual(heard(), 361_100);
  deepStrictEqual(world.client.lost(), []);
});

Deno.test("a client with another address, whose connections are dead and do not say so, is back in five seconds", () => {
  for (const seed of SEEDS) {
    const { world, bulk } = transferring({ seed });
    deafenClient(world);
    const heard = () => world.agent.bulks.at(-1)?.receivedBytes ?? 0;
    const before = heard();
    // Two seconds of silence, a question, one second for its answer, then a new connection.
    ok(world.until(() => heard() > before, 4_500), `seed ${seed}: not back within 4500 ms`);
    // The agent sends again by its own clock: five times in nine seconds where round trips are short.
    expectBack(world, bulk, 6_000, `seed ${seed}`);
    expectUnharmed(world, bulk);
  }
});

Deno.test("a client with another address on a direct path: the relay carries until there is another", () => {
  for (const seed of SEEDS) {
    const world = new World({ seed, agentSendBytes: BYTES, network: { bytesPerMs: 500 } });
    world.reach();
    const { clientHost, client } = world.useDirect({
      client: "198.51.100.1:41000",
      agent: "198.51.100.2:42000",
    });
    const isDirect = () => world.client.direct?.paths.inUse(AGENT_ID) !== undefined;
    ok(world.until(isDirect, 5_000));
    const bulk = beginTransfer(world, BYTES);
    awaitProgress(world, bulk, 50_000);
    clientHost.local = endpointOf("198.51.100.77:41000");
    deafenClient(world);
    expectBack(world, bulk, BACK_MS, `seed ${seed}`);
    client.look(world.now);
    expectUnharmed(world, bulk);
    ok(world.until(isDirect, 10_000), "not direct again");
  }
});

Deno.test("a client that is stopped and goes on, for seconds and for hours, with bytes under way", () => {
  for (const ms of [3 * SECOND_MS, 25 * SECOND_MS, 10 * MINUTE_MS, 9 * HOUR_MS]) {
    const { world, bulk } = transferring(PATIENT);
    world.sleepClient(ms);
    expectBack(world, bulk, 3_000, `stopped for ${ms} ms`);
    expectUnharmed(world, bulk);
  }
});

Deno.test("an agent that is stopped and goes on, for seconds and for hours, with bytes under way", () => {
  for (const ms of [3 * SECOND_MS, 20 * SECOND_MS, 5 * MINUTE_MS, 3 * HOUR_MS]) {
    const { world, bulk } = transferring();
    world.agent.isFrozen = true;
    world.pass(ms);
    world.agent.isFrozen = false;
    expectBack(world, bulk, 5_000, `stopped for ${ms} ms`);
    expectUnharmed(world, bulk);
  }
});

Deno.test("a map that names another server for the relay, while the old one dies, with bytes under way", () => {
  for (const seed of SEEDS) {
    const { world, bulk } = transferring({ seed });
    world.network.servers.set("elsewhere.test:3000", world.relay);
    world.network.servers.delete("coder.test:3000");
    const [region] = world.map.regions.values();
    if (region === undefined) throw new Error("no region");
    const nodes = [nodeOf(999, { hostName: "elsewhere.test" })];
    world.coordinator.setMap(derpMapOf([{ ...region, nodes }]), world.now);
    expectBack(world, bulk, BACK_MS, `seed ${seed}`);
    expectUnharmed(world, bulk);
  }
});

Deno.test("our home region leaves the map with bytes under way: another takes its place, no byte is lost", () => {
  for (const seed of SEEDS) {
    const { world, bulk } = transferring({ seed, regions: [5] });
    world.coordinator.setMap(mapOf([5]), world.now);
    world.agent.announce(5, world.now);
    expectBack(world, bulk, BACK_MS, `seed ${seed}`);
    expectUnharmed(world, bulk);
    world.pass(10 * SECOND_MS);
    strictEqual(world.client.session.homeRegion, 5);
    deepStrictEqual(world.client.session.node.relays.status().map(({ region }) => region), [5]);
  }
});

Deno.test("a resume token that expires with bytes under way: the next connection is made without it, under another id", () => {
  const { world, heard, type } = typing();
  world.coordinator.tokenLife = { refreshInMs: 12 * HOUR_MS, expiresInMs: 5 * MINUTE_MS };
  for (const end of world.coordinator.ends()) blackhole(end);
  world.coordinator.restart(world.now); // from now on tokens have a short life
  ok(world.until(() => world.coordinator.requests.length === 2, 2 * MINUTE_MS));
  world.pass(MINUTE_MS);
  for (let i = 0; i < 30; i++) {
    type(100);
    world.pass(10 * SECOND_MS);
  }
  world.coordinator.restart(world.now);
  ok(world.until(() => world.coordinator.requests.length === 3, 20_000), "not dialled again");
  world.pass(5 * SECOND_MS);
  const [, resumed, fresh] = world.coordinator.requests.map(({ path }) =>
    path.includes("resume_token=")
  );
  deepStrictEqual([resumed, fresh], [true, false]);
  strictEqual(new Set(world.coordinator.peerIds).size, 2);
  type(100);
  world.pass(1_000);
  strictEqual(heard(), 3_200);
  deepStrictEqual(world.client.lost(), []);
});

interface AwayOptions {
  readonly hasOutput: boolean;
  readonly seed: number;
  /** Whether the coordinator is away as well. @default false */
  readonly isServer?: boolean;
}

/** A relay that is away for so long while the agent has output to send, or nothing. */
function awayWhile(awayMs: number, { hasOutput, seed, isServer = false }: AwayOptions) {
  const world = new World({
    seed,
    agentSendBytes: hasOutput ? 4 * BYTES : 1_000,
    network: { bytesPerMs: 50_000 },
  });
  world.reach();
  const bulk = world.client.openBulk(BYTES, world.now, { heldAt: 100 });
  ok(world.until(() => bulk.receivedBytes >= (hasOutput ? 100_000 : 1_000), 5_000));
  if (!hasOutput) world.pass(500); // the last of it is acknowledged
  killRelay(world);
  if (isServer) {
    world.coordinator.isUp = false;
    world.coordinator.restart(world.now);
  }
  world.pass(awayMs);
  world.relay.isUp = true;
  world.coordinator.isUp = true;
  world.pass(isServer ? 20_000 : 3_000);
  bulk.heldAt = Infinity;
  bulk.pump(world.now);
  world.client.driver.turn(world.now);
  world.pass(20_000);
  return { end: bulk.socket.end?.kind, lost: world.client.lost(), bulk, world };
}

Deno.test("output that flows outlives an outage that is shorter than an agent's patience of 12.6 s, and none that is longer", () => {
  for (const seed of SEEDS) {
    for (const awayMs of [3, 9, 11].map((seconds) => seconds * SECOND_MS)) {
      const { bulk } = awayWhile(awayMs, { hasOutput: true, seed });
      strictEqual(bulk.receivedBytes, 4 * BYTES, `${awayMs} ms`);
    }
    for (const awayMs of [14, 60, 600].map((seconds) => seconds * SECOND_MS)) {
      const { end, lost, bulk } = awayWhile(awayMs, { hasOutput: true, seed });
      strictEqual(
        end,
        "reset",
        `${awayMs} ms: what is sent to a connection that was given up is refused`,
      );
      ok(bulk.receivedBytes < 4 * BYTES);
      deepStrictEqual(lost, [], "the tunnel itself is whole");
    }
  }
});

Deno.test("a session in which the agent has nothing to send outlives an outage however long", () => {
  for (const awayMs of [14 * SECOND_MS, 10 * MINUTE_MS, 20 * MINUTE_MS, 9 * HOUR_MS]) {
    for (const isServer of [false, true]) {
      const { world, bulk, lost } = awayWhile(awayMs, { hasOutput: false, seed: 1, isServer });
      deepStrictEqual(lost, [], `${awayMs} ms`);
      finishTransfer(world, bulk, { up: BYTES, down: 1_000 });
    }
  }
});

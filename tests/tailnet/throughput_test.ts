/**
 * Bulk on a direct path that loses packets, with a relay beside it: whole nodes, both directions, from seeds. The agent here is
 * ours, whose TCP bears losses better than an agent's: what the relay wins is less than with a real one.
 */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { beginTransfer, finishTransfer } from "./sim/transfer.ts";
import { AGENT_ID, World } from "./sim/world.ts";

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
/** More than any of these transfers moves. */
const ENDLESS = 2_000_000_000;
const FAST_RELAY = 600;
const SEEDS = [1, 2];

type Direction = "down" | "up";

interface LinkOptions {
  readonly seed: number;
  readonly direction: Direction;
  readonly loss: number;
  /** Bytes in a millisecond. */
  readonly relayRate: number;
  readonly bytes?: number;
  /** Which packets the relay drops. @default none */
  readonly dropsAtRelay?: (packet: Uint8Array) => boolean;
}

/** A transfer that goes straight, over a path of 150 ms that loses. */
function transferring(options: LinkOptions) {
  const { seed, direction, loss, relayRate, bytes = ENDLESS, dropsAtRelay = () => false } = options;
  const [up, down] = direction === "up" ? [bytes, 0] : [0, bytes];
  const network = { bytesPerMs: relayRate, delayMs: 10 };
  const world = new World({
    seed,
    agentSendBytes: down,
    network,
    fate: ({ packet }) => dropsAtRelay(packet) ? "drop" : "forward",
  });
  world.reach();
  const sides = world.useDirect({ client: "198.51.100.1:41000", agent: "198.51.100.2:42000" });
  const { paths } = sides.client.direct;
  ok(world.until(() => paths.inUse(AGENT_ID) !== undefined, 5_000), "no direct path");
  sides.internet.loss = loss;
  sides.internet.delayMs = 75;
  const bulk = beginTransfer(world, up);
  const moved = () => bulk.receivedBytes + (world.agent.bulks.at(-1)?.receivedBytes ?? 0);
  /** Bytes in a millisecond. */
  const rate = (ms: number) => {
    const before = moved();
    world.pass(ms);
    return (moved() - before) / ms;
  };
  const isHeld = () => paths.held(AGENT_ID) !== undefined;
  const isDirect = () => paths.inUse(AGENT_ID) !== undefined;
  const sizes = { up, down, limitMs: 5 * MINUTE_MS };
  return { ...sides, world, bulk, paths, rate, isHeld, isDirect, sizes };
}

/** A way that lets half of the next full packets through, so that who waits for them knows, and then none. */
function closing(): (packet: Uint8Array) => boolean {
  const WIREGUARD_DATA = 4;
  let count = 0;
  return (packet) => {
    if (packet[0] !== WIREGUARD_DATA || packet.length < 500) return false;
    return ++count > 40 || count % 2 === 0;
  };
}

/** How often the transfer was taken off the path, and how often it was put on it, beginning included. */
function changes(world: World): { left: number; taken: number } {
  const kinds = world.client.events.flatMap(({ event }) =>
    event.kind === "changed" ? [event.change.kind] : []
  );
  const left = kinds.filter((kind) => kind === "relay").length;
  return { left, taken: kinds.length - left };
}

for (const direction of ["down", "up"] as const) {
  Deno.test(`a bulk ${direction} over a path that loses at random goes over the relay, at what that carries`, () => {
    for (const seed of SEEDS) {
      for (const loss of [0.02, 0.05]) {
        const sides = transferring({ seed, direction, loss, relayRate: FAST_RELAY });
        const { world, clientHost, agentHost } = sides;
        const direct = sides.rate(1_500);
        ok(world.until(sides.isHeld, 10_000), `loss ${loss}, seed ${seed}: not held`);
        world.pass(15_000);
        const relayed = sides.rate(5_000);
        ok(
          relayed > 0.8 * FAST_RELAY,
          `loss ${loss}, seed ${seed}: ${relayed} instead of ${direct} KB/s`,
        );
        const bytesOf = () =>
          [clientHost, agentHost].flatMap(({ sentTo }) => [...sentTo.values()])
            .reduce((sum, { bytes }) => sum + bytes, 0);
        const before = bytesOf();
        world.pass(10_000);
        const perSecond = (bytesOf() - before) / 10;
        ok(perSecond < 20_000, `${perSecond} bytes of questions a second by UDP`);
        deepStrictEqual(changes(world), { left: 1, taken: 1 });
      }
    }
  });

  Deno.test(`a bulk ${direction} stays on a lossy path when the relay brings no more, and asks less and less often`, () => {
    for (const seed of SEEDS) {
      const sides = transferring({ seed, direction, loss: 0.02, relayRate: 60 });
      const { world } = sides;
      ok(world.until(sides.isHeld, 15_000), `seed ${seed}: not tried`);
      ok(world.until(sides.isDirect, 10_000), `seed ${seed}: not given up`);
      world.pass(5 * MINUTE_MS);
      const { left } = changes(world);
      ok(left >= 2 && left <= 5, `seed ${seed}: tried ${left} times in five minutes`);
    }
  });

  Deno.test(`a bulk ${direction} is back on its path when that loses no more`, () => {
    for (const seed of SEEDS) {
      const sides = transferring({ seed, direction, loss: 0.05, relayRate: FAST_RELAY });
      const { world, internet } = sides;
      ok(world.until(sides.isHeld, 10_000), "not held");
      world.pass(20_000);
      ok(sides.isHeld(), "still held while it loses");
      internet.loss = 0;
      ok(world.until(sides.isDirect, 45_000), `seed ${seed}: not back`);
      world.pass(3_000); // at the full speed of a path without a rate
      ok(sides.isDirect());
      deepStrictEqual(changes(world), { left: 1, taken: 2 });
    }
  });

  Deno.test(`a burst of losses takes no bulk ${direction} off its path`, () => {
    for (const seed of SEEDS) {
      const sides = transferring({ seed, direction, loss: 0, relayRate: FAST_RELAY });
      const { world, internet } = sides;
      world.pass(1_500);
      for (let i = 0; i < 4; i++) {
        internet.loss = 0.1;
        world.pass(400);
        internet.loss = 0;
        world.pass(4_000);
      }
      ok(!sides.isHeld(), `seed ${seed}`);
      deepStrictEqual(changes(world), { left: 0, taken: 1 }, `seed ${seed}`);
    }
  });
}

for (const direction of ["down", "up"] as const) {
  Deno.test(`a bulk ${direction} that stands still on a path which answers pings goes over the relay, and there and back as long as neither moves it`, () => {
    for (const seed of SEEDS) {
      let dropsAtRelay = (_packet: Uint8Array) => false;
      const sides = transferring({
        seed,
        direction,
        loss: 0,
        relayRate: FAST_RELAY,
        dropsAtRelay: (packet) => dropsAtRelay(packet),
      });
      const { world, internet } = sides;
      world.pass(2_000);
      internet.drops = closing();
      ok(world.until(sides.isHeld, 5_000), `seed ${seed}: not left`);
      world.pass(5_000);
      ok(sides.rate(2_000) > 0.2 * FAST_RELAY, `seed ${seed}: stands still`);
      dropsAtRelay = closing();
      world.pass(60_000);
      const { left, taken } = changes(world);
      ok(left >= 2 && left <= 9, `seed ${seed}: left ${left} times, taken ${taken} times`);
    }
  });
}

Deno.test("no byte is lost, doubled or reordered by moves between a lossy path and the relay, whenever they are", () => {
  for (let seed = 1; seed <= 6; seed++) {
    const direction = seed % 2 === 0 ? "up" : "down";
    const bytes = 30_000_000;
    const sides = transferring({ seed, direction, loss: 0.04, relayRate: FAST_RELAY, bytes });
    const { world, internet } = sides;
    world.until(sides.isHeld, 10_000);
    world.pass(world.random.below(3_000));
    internet.loss = 0;
    world.pass(world.random.below(2_000));
    internet.loss = 0.03;
    finishTransfer(world, sides.bulk, sides.sizes);
    deepStrictEqual(world.client.lost(), []);
  }
});

Deno.test("a relay that goes away while it carries the bulk: the lossy path takes it back within two seconds and a half", () => {
  for (const seed of SEEDS) {
    const sides = transferring({ seed, direction: "down", loss: 0.03, relayRate: FAST_RELAY });
    const { world, bulk } = sides;
    ok(world.until(sides.isHeld, 10_000));
    world.pass(10_000);
    world.relay.isUp = false;
    world.relay.restart(world.now);
    world.pass(200);
    const before = bulk.receivedBytes;
    ok(world.until(() => bulk.receivedBytes > before + 50_000, 2_300), `seed ${seed}`);
    ok(sides.isDirect());
  }
});

Deno.test("an upload over a far relay comes there in bursts of less than half of its queue for the agent, straight in greater ones", () => {
  const HALF_QUEUE_PACKETS = 16;
  const PASSED_PER_MS = 20;
  let [at, queued, most] = [0, 0, 0];
  const world: World = new World({
    network: { delayMs: 25 },
    agentDelayMs: 0.1,
    fate: () => {
      queued = Math.max(0, queued - PASSED_PER_MS * (world.now - at)) + 1;
      at = world.now;
      most = Math.max(most, queued);
      return "forward";
    },
  });
  world.reach();
  beginTransfer(world, ENDLESS);
  world.pass(1_000);
  ok(most > 0 && most <= HALF_QUEUE_PACKETS, `${most} at once`);
  const moved = world.agent.bulks.at(-1)?.receivedBytes ?? 0;
  ok(moved > 1_500_000, `${moved} bytes in a second`);
  const { client, clientHost, internet } = world.useDirect({
    client: "198.51.100.1:41000",
    agent: "198.51.100.2:42000",
  });
  internet.delayMs = 25;
  ok(world.until(() => client.direct.paths.inUse(AGENT_ID) !== undefined, 5_000), "not direct");
  const sent = () => [...clientHost.sentTo.values()].reduce((sum, { count }) => sum + count, 0);
  let before = sent();
  const isBurst = () => {
    const count = sent() - before;
    before += count;
    return count > HALF_QUEUE_PACKETS;
  };
  ok(world.until(isBurst, 2_000), "no bursts");
});

Deno.test("keystrokes stay on a lossy path", () => {
  for (const seed of SEEDS) {
    const world = new World({ seed, agentSendBytes: 1_000, network: { delayMs: 10 } });
    world.reach();
    const { internet, client } = world.useDirect({
      client: "198.51.100.1:41000",
      agent: "198.51.100.2:42000",
    });
    const isDirect = () => client.direct.paths.inUse(AGENT_ID) !== undefined;
    ok(world.until(isDirect, 5_000));
    internet.loss = 0.05;
    const bulk = world.client.openBulk(ENDLESS, world.now, { heldAt: 10 });
    for (let i = 0; i < 600; i++) {
      bulk.heldAt += 40;
      bulk.pump(world.now);
      world.client.driver.turn(world.now);
      world.pass(100);
      strictEqual(client.direct.paths.held(AGENT_ID), undefined);
    }
  }
});

Deno.test("a path that is held back is let go a minute after the bulk is over, and costs nothing then", () => {
  const bytes = 20_000_000;
  const sides = transferring({
    seed: 1,
    direction: "down",
    loss: 0.05,
    relayRate: FAST_RELAY,
    bytes,
  });
  const { world } = sides;
  ok(world.until(sides.isHeld, 10_000));
  finishTransfer(world, sides.bulk, sides.sizes);
  ok(sides.isHeld());
  world.pass(65_000);
  ok(!sides.isHeld());
});

Deno.test("another network frees a path that was held back", () => {
  const sides = transferring({ seed: 1, direction: "down", loss: 0.05, relayRate: FAST_RELAY });
  const { world, internet } = sides;
  ok(world.until(sides.isHeld, 10_000));
  world.pass(5_000);
  internet.loss = 0;
  sides.client.direct.paths.handleNetworkChange(world.now);
  world.client.driver.turn(world.now);
  ok(!sides.isHeld());
  ok(world.until(sides.isDirect, 5_000));
});

/** What a session outlives, and what ends it: relays, agents and machines that go away and come back. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { equalBytes } from "../../lib/base/bytes.ts";
import { derpMapOf } from "../../lib/tailnet/derp_map.ts";
import { blackhole } from "./sim/network.ts";
import { awaitProgress, beginTransfer, finishTransfer, transfer } from "./sim/transfer.ts";
import { AGENT_ID, mapOf, nodeOf, World } from "./sim/world.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const BYTES = 1_000_000;
const SIZES = { up: BYTES, down: BYTES };

/** A world in the middle of a transfer of a megabyte each way. */
function transferring(options: ConstructorParameters<typeof World>[0] = {}) {
  const world = new World({ agentSendBytes: BYTES, network: { bytesPerMs: 500 }, ...options });
  world.reach();
  const bulk = beginTransfer(world, BYTES);
  awaitProgress(world, bulk, 100_000);
  return { world, bulk };
}

/** An agent that gives nothing up: what is looked at is what we do. What agents do is in `survival_test.ts`. */
const PATIENT = { agentRetransmissions: Infinity };

Deno.test("a relay that restarts loses, doubles and reorders nothing, whenever it does", () => {
  for (let seed = 1; seed <= 10; seed++) {
    const { world, bulk } = transferring({ seed });
    world.pass(world.random.below(200));
    world.relay.restart(world.now);
    finishTransfer(world, bulk, SIZES);
    deepStrictEqual(world.client.lost(), []);
  }
});

Deno.test("datagrams arrive once and whole, wait while the relay is away, and go on after it", () => {
  for (let seed = 1; seed <= 10; seed++) {
    const { world, bulk } = transferring({ ...PATIENT, seed });
    const { session, datagrams } = world.client;
    const flow = session.openUdp({ remote: session.agentAddress, port: 53 });
    const send = (count: number) => {
      const sent = Array.from({ length: count }, (_, i) => new Uint8Array(i * 30).fill(i));
      for (const data of sent) strictEqual(flow.send(data), "queued");
      return sent;
    };
    const first = send(20);
    world.until(() => datagrams.length === first.length, MINUTE_MS);
    deepStrictEqual(datagrams, first);
    world.relay.isUp = false;
    world.relay.restart(world.now);
    world.pass(world.random.below(3_000));
    datagrams.length = 0;
    const second = send(20);
    world.pass(20_000);
    deepStrictEqual(datagrams, []);
    world.relay.isUp = true;
    world.until(() => datagrams.length === second.length, MINUTE_MS);
    deepStrictEqual(datagrams, second);
    finishTransfer(world, bulk, SIZES);
  }
});

Deno.test("a relay that restarts five times in a row, and by websocket, changes nothing either", () => {
  const { world, bulk } = transferring({ client: { forcesWebsocket: true } });
  for (let i = 0; i < 5; i++) {
    world.pass(100);
    world.relay.restart(world.now);
  }
  finishTransfer(world, bulk, SIZES);
});

Deno.test("a relay that is away for five minutes: what waits goes on within seconds of its return", () => {
  const { world, bulk } = transferring(PATIENT);
  world.relay.isUp = false;
  world.relay.restart(world.now);
  world.pass(5 * MINUTE_MS);
  world.relay.isUp = true;
  finishTransfer(world, bulk, { ...SIZES, limitMs: 20_000 });
  strictEqual(world.client.failure(), undefined);
});

Deno.test("a relay that comes back after every key has expired is used at once, coordinator or not", () => {
  // Wherever in the rhythm of its timers WireGuard is when the relay comes back.
  for (let seconds = 0; seconds < 6; seconds++) {
    // The agent asks for no session by itself, so that it is us who have to.
    const agent: { key?: Uint8Array } = {};
    const { world, bulk } = transferring({
      ...PATIENT,
      fate: ({ source, packet }) =>
        packet[0] === 1 && agent.key !== undefined && equalBytes(source, agent.key)
          ? "drop"
          : "forward",
    });
    agent.key = world.agent.node.nodePublicKey;
    world.coordinator.isUp = false;
    world.coordinator.restart(world.now);
    world.relay.isUp = false;
    world.relay.restart(world.now);
    world.pass(5 * MINUTE_MS + seconds * 1_000);
    world.relay.isUp = true;
    // The agent is back before us: whoever comes first has nobody to talk to yet.
    world.agent.node.relays.handleWake(world.now);
    const { node } = world.client.session;
    const nodes = [node, world.agent.node];
    ok(world.until(() => nodes.every(({ relays }) => relays.readyLink(999) !== undefined), 10_000));
    ok(world.until(() => node.canSend(AGENT_ID, world.now), 250), "waits for a timer");
    finishTransfer(world, bulk, { ...SIZES, limitMs: 20_000 });
  }
});

Deno.test("an agent that is killed and comes back with new keys: streams end as lost, new ones work", () => {
  const { world } = transferring();
  world.agent.kill(world.now);
  world.pass(2_000);
  deepStrictEqual(world.client.lost(), []); // lost to the coordinator only: the tunnel might work on
  world.startAgent();
  world.pass(500);
  deepStrictEqual(world.client.lost(), ["The workspace agent was restarted"]);
  world.reach();
  transfer(world, BYTES);
});

Deno.test("an agent that leaves and comes back with new keys is told of as gone, then reachable again", () => {
  const world = new World({ agentSendBytes: 1_000 });
  world.reach();
  world.agent.stopGracefully(world.now);
  world.pass(2_000);
  deepStrictEqual(world.client.lost(), ["The workspace agent disconnected"]);
  ok(!world.client.session.isReachable);
  strictEqual(world.client.session.status().step, "agent");
  world.startAgent();
  ok(world.reach() < 1_000);
  transfer(world, 1_000);
  const kinds = world.client.kinds().filter((kind) => kind !== "dialCoordinator");
  deepStrictEqual(kinds, ["reachable", "agentLost", "reachable"]);
});

Deno.test("an agent that the coordinator lost is kept fifteen minutes from the last handshake, then given up", () => {
  const world = new World();
  world.reach();
  world.agent.kill(world.now);
  const handshakeAt = world.client.session.node.wireguardOf(AGENT_ID)?.lastHandshakeAt ?? 0;
  world.pass(15 * MINUTE_MS - (world.now - handshakeAt) - 1_000);
  deepStrictEqual(world.client.lost(), []);
  world.pass(2_000);
  deepStrictEqual(world.client.lost(), ["The workspace agent has been gone too long"]);
  world.startAgent();
  ok(world.reach() < 1_000);
});

Deno.test("an agent that only the coordinator lost works on for hours", () => {
  const world = new World({ agentSendBytes: 1_000 });
  world.reach();
  world.coordinator.isUp = false;
  world.coordinator.restart(world.now);
  world.pass(2 * HOUR_MS);
  deepStrictEqual(world.client.lost(), []);
  transfer(world, 1_000);
});

Deno.test("a machine that sleeps ten minutes or eight hours goes on where it was", async (t) => {
  for (
    const [name, ms] of [["ten minutes", 10 * MINUTE_MS], ["eight hours", 8 * HOUR_MS]] as const
  ) {
    await t.step(name, () => {
      const world = new World({ agentSendBytes: 1_000 });
      world.reach();
      const bulk = world.client.openBulk(0, world.now);
      ok(world.until(() => bulk.receivedBytes === 1_000, 5_000));
      // Sockets of a machine that sleeps die without a word.
      for (const end of [...world.client.driver.carriers.values()]) blackhole(end);
      for (const end of world.client.coordinatorEnds()) blackhole(end);
      world.sleepClient(ms);
      const other = world.client.openBulk(5_000, world.now);
      ok(world.until(() => other.receivedBytes === 1_000, 3_000), "not back within three seconds");
      finishTransfer(world, other, { up: 5_000, down: 1_000 });
      deepStrictEqual(world.client.lost(), []);
      strictEqual(bulk.socket.end?.kind ?? "open", "closed"); // in order, before the sleep
      strictEqual(world.client.coordinatorEnds().length, 1); // the old one was hung up
    });
  }
});

Deno.test("a machine that sleeps when its network had gone already goes on where it was, however long it slept", () => {
  for (const ms of [20 * MINUTE_MS, 8 * HOUR_MS]) {
    const world = new World({ agentSendBytes: 1_000 });
    world.reach();
    const bulk = world.client.openBulk(5_000, world.now);
    ok(world.until(() => bulk.receivedBytes === 1_000, 5_000));
    for (const end of [...world.client.driver.carriers.values()]) blackhole(end);
    world.coordinator.isUp = false;
    world.coordinator.restart(world.now);
    world.pass(MINUTE_MS);
    world.sleepClient(ms);
    world.coordinator.isUp = true;
    const other = world.client.openBulk(5_000, world.now);
    ok(world.until(() => other.receivedBytes === 1_000, 5_000), "not back within five seconds");
    deepStrictEqual(world.client.lost(), []);
  }
});

Deno.test("a machine that sleeps ten minutes in the middle of a transfer loses nothing of it", () => {
  const { world, bulk } = transferring(PATIENT);
  for (const end of [...world.client.driver.carriers.values()]) blackhole(end);
  for (const end of world.client.coordinatorEnds()) blackhole(end);
  world.sleepClient(10 * MINUTE_MS);
  finishTransfer(world, bulk, { ...SIZES, limitMs: 30_000 });
});

Deno.test("a relay that moves to another address is dialled there, nothing is lost", () => {
  const { world, bulk } = transferring();
  world.network.servers.set("elsewhere.test:3000", world.relay);
  const [region] = world.map.regions.values();
  if (region === undefined) throw new Error("no region");
  const map = derpMapOf([{ ...region, nodes: [nodeOf(999, { hostName: "elsewhere.test" })] }]);
  world.network.dials.length = 0;
  world.coordinator.setMap(map, world.now);
  finishTransfer(world, bulk, SIZES);
  ok(world.network.dials.includes("elsewhere.test:3000"));
});

Deno.test("a map without relays is somebody's mistake: what works is kept", () => {
  const { world, bulk } = transferring();
  world.coordinator.setMap(derpMapOf([]), world.now);
  finishTransfer(world, bulk, SIZES);
  strictEqual(world.client.failure(), undefined);
});

Deno.test("a home region that leaves the map gives its place to another", () => {
  const world = new World({ regions: [5], agentRegion: 999, agentSendBytes: 1_000 });
  world.client.latencies = new Map([[5, 1], [999, 20]]);
  world.reach();
  world.coordinator.setMap(mapOf([999]), world.now);
  world.pass(1_000);
  strictEqual(world.client.session.homeRegion, 999);
  transfer(world, 1_000);
  deepStrictEqual(world.client.session.node.relays.status().map((r) => r.region), [999]);
});

Deno.test("an agent at home in a region that our map lacks is reached when the map brings it", () => {
  const world = new World({ regions: [5], agentRegion: 5, client: { derpMap: mapOf([999]) } });
  world.coordinator.setMap(mapOf([999]), world.now);
  world.pass(3_000);
  ok(!world.client.session.isReachable);
  world.coordinator.setMap(mapOf([999, 5]), world.now);
  ok(world.reach() < 5_000);
});

Deno.test("an agent that moves to another region is followed there", () => {
  const world = new World({ regions: [5], agentSendBytes: 1_000 });
  world.client.latencies = new Map([[999, 1]]);
  world.reach();
  world.agent.announce(5, world.now);
  world.pass(1_000);
  transfer(world, 1_000);
  deepStrictEqual(world.client.session.node.relays.status().map((r) => r.region).sort(), [5, 999]);
});

Deno.test("a renewal of keys wakes no connection: nothing had to wait for it", () => {
  const world = new World();
  world.reach();
  const { session } = world.client;
  // Probes of its own would come after an hour only.
  session.connect({ remote: session.agentAddress, port: 1, keepaliveMs: HOUR_MS }, world.now);
  world.pass(30_000);
  const before = session.node.counts()["wireguard.sessionsEstablished"];
  world.pass(HOUR_MS / 2);
  const after = session.node.counts()["wireguard.sessionsEstablished"];
  ok(Number(after) - Number(before) > 5, `${before} sessions, then ${after}`);
  strictEqual(session.node.netstack.counters.keepaliveProbes, 0);
});

Deno.test("a session lives for days, through every renewal of keys", () => {
  const world = new World({ agentSendBytes: 1_000 });
  world.reach();
  for (let hour = 0; hour < 24; hour++) {
    world.pass(HOUR_MS);
    transfer(world, 1_000);
  }
  deepStrictEqual(world.client.lost(), []);
  strictEqual(world.client.failure(), undefined);
});

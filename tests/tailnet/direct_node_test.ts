/** Whole nodes with a way beside the relay: transfers that change ways, and who would use that way to harm us. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { ByteWriter, equalBytes } from "../../lib/base/bytes.ts";
import { generatePrivateKey, publicKey } from "../../lib/crypto/mod.ts";
import { DiscoPinger, encodeStunResponse, isDisco } from "../../lib/disco/mod.ts";
import { endpointKey } from "../../lib/wire/endpoint.ts";
import { endpointOf } from "./paths/sim_udp.ts";
import { blackhole } from "./sim/network.ts";
import { awaitProgress, beginTransfer, finishTransfer } from "./sim/transfer.ts";
import { AGENT_ID, World } from "./sim/world.ts";

const BYTES = 2_000_000;
const SIZES = { up: BYTES, down: BYTES };
/** What a stall of the transfer may come to when a path dies: found out, and sent again. */
const STALL_LIMIT_MS = 1_000;
const MINUTE_MS = 60_000;

type Family = "ipv4" | "ipv6";

/** A world whose client and agent can reach each other by UDP. */
function directWorld(
  options: ConstructorParameters<typeof World>[0] = {},
  family: Family = "ipv4",
) {
  const world = new World({ agentSendBytes: BYTES, network: { bytesPerMs: 5_000 }, ...options });
  const [client, agent] = family === "ipv4"
    ? ["198.51.100.1:41000", "198.51.100.2:42000"]
    : ["[2001:db8::1]:41000", "[2001:db8::2]:42000"];
  world.reach();
  const sides = world.useDirect({ client, agent });
  return { world, ...sides };
}

function untilDirect(world: World): void {
  const isDirect = () => world.client.direct?.paths.inUse(AGENT_ID) !== undefined;
  ok(world.until(isDirect, 5_000), "no direct path");
}

/** In the middle of a transfer on the direct path. */
function transferring(
  options: ConstructorParameters<typeof World>[0] = {},
  family: Family = "ipv4",
) {
  const sides = directWorld(options, family);
  const { world } = sides;
  untilDirect(world);
  const bulk = beginTransfer(world, BYTES);
  awaitProgress(world, bulk, 100_000);
  return { ...sides, bulk };
}

const changes = (world: World) =>
  world.client.events.flatMap(({ event }) => event.kind === "changed" ? [event.change.kind] : []);

for (const family of ["ipv4", "ipv6"] as const) {
  Deno.test(`a transfer goes straight once there is a path, ${family}, and the relay carries none of it`, () => {
    const { world, clientHost, agentHost } = directWorld({}, family);
    untilDirect(world);
    const bulk = beginTransfer(world, BYTES);
    finishTransfer(world, bulk, SIZES);
    for (const [from, to] of [[clientHost, agentHost], [agentHost, clientHost]] as const) {
      const sent = from.sentTo.get(endpointKey(to.local))?.bytes ?? 0;
      ok(sent > BYTES, `${sent} bytes by UDP`);
    }
    deepStrictEqual(new Set(changes(world)), new Set(["direct"]));
  });
}

Deno.test("after a move to a straight way what is said of data that the relay still brings goes over the relay, and nothing else", () => {
  const down = 60_000_000;
  const delayMs = 25;
  /** What the relay has for us waits there as long as the move takes. */
  const heldMs = 400;
  /** When packets of ours left for the relay, and when it brought the last of data. */
  const leftAt: number[] = [];
  let drainedAt = 0;
  const world: World = new World({
    agentSendBytes: down,
    network: { delayMs, bytesPerMs: 20_000 },
    fate: ({ source, packet }, now) => {
      if (equalBytes(source, world.client.session.node.nodePublicKey)) {
        leftAt.push(now - delayMs);
        return "forward";
      }
      if (packet.length > 1_000) drainedAt = now + heldMs + delayMs;
      return { delaysMs: [heldMs] };
    },
  });
  world.reach();
  const bulk = beginTransfer(world, 0);
  ok(world.until(() => bulk.receivedBytes > BYTES, MINUTE_MS));
  const { internet, clientHost, agentHost } = world.useDirect({
    client: "198.51.100.1:41000",
    agent: "198.51.100.2:42000",
  });
  internet.delayMs = 5;
  const straight = () => clientHost.sentTo.get(endpointKey(agentHost.local))?.count ?? 0;
  untilDirect(world);
  const [movedAt, before] = [world.now, straight()];
  finishTransfer(world, bulk, { up: 0, down });
  const left = (from: number, to: number) => leftAt.filter((at) => at > from && at < to).length;
  ok(drainedAt > movedAt + delayMs, "nothing was on its way over the relay");
  const drain = left(movedAt, drainedAt);
  ok(drain > 10, `${drain} packets of ours went over the relay while it brought data`);
  const after = left(drainedAt + 50, world.now);
  ok(after < 5, `${after} packets of ours went over the relay after that`);
  ok(straight() - before > 1_000, `${straight() - before} packets went straight`);
});

Deno.test("a path that dies in either direction or both stalls a transfer for less than a second, and comes back", () => {
  const ways = [{ out: true, in: false }, { out: false, in: true }, { out: true, in: true }];
  for (const [i, way] of ways.entries()) {
    const { world, bulk, clientHost } = transferring({ seed: i + 1 });
    const other = world.agent.bulks.at(-1);
    clientHost.isOutBlocked = way.out;
    clientHost.isInBlocked = way.in;
    const before = { down: bulk.receivedBytes, up: other?.receivedBytes ?? 0 };
    // What was under way arrives; then more must.
    world.pass(100);
    const isBack = () =>
      bulk.receivedBytes > before.down + 100_000 &&
      (other?.receivedBytes ?? 0) > before.up + 100_000;
    const began = world.now;
    ok(world.until(isBack, 10_000), "the transfer stands still");
    ok(world.now - began < STALL_LIMIT_MS, `${JSON.stringify(way)}: ${world.now - began} ms`);
    clientHost.isOutBlocked = false;
    clientHost.isInBlocked = false;
    finishTransfer(world, bulk, SIZES);
    deepStrictEqual(world.client.lost(), []);
  }
});

Deno.test("a path that comes and goes loses, doubles and reorders nothing, whenever it does", () => {
  for (let seed = 1; seed <= 8; seed++) {
    const { world, bulk, clientHost, internet } = transferring({ seed });
    internet.loss = seed % 2 === 0 ? 0.01 : 0;
    for (let i = 0; i < 6; i++) {
      world.pass(world.random.below(800));
      clientHost.isOutBlocked = i % 2 === 0;
      clientHost.isInBlocked = i % 2 === 0;
    }
    finishTransfer(world, bulk, { ...SIZES, limitMs: 5 * MINUTE_MS });
  }
});

Deno.test("a session on a direct path outlives the relay, and the coordinator", () => {
  const { world, bulk } = transferring();
  world.relay.isUp = false;
  world.relay.restart(world.now);
  world.coordinator.isUp = false;
  finishTransfer(world, bulk, SIZES);
  world.pass(MINUTE_MS);
  ok(world.client.session.isReachable);
});

Deno.test("after ten minutes of sleep a session goes on, and goes straight again", () => {
  const { world, bulk } = transferring();
  world.sleepClient(10 * MINUTE_MS);
  ok(world.until(() => world.client.session.isReachable, 30_000));
  untilDirect(world);
  world.pass(1_000);
  deepStrictEqual(world.client.lost(), []);
  ok(bulk.wrongAt === undefined);
});

Deno.test("other interfaces are asked about at once, and told to the coordinator", () => {
  const { world, clientHost, client } = directWorld();
  untilDirect(world);
  clientHost.local = endpointOf("198.51.100.9:41000");
  client.look(world.now);
  world.pass(1_000);
  const told = world.agent.peerEndpoints;
  ok(told.includes("198.51.100.9:41000"), told.join());
  untilDirect(world);
  strictEqual(changes(world).at(-1), "direct");
});

Deno.test("with other interfaces the relay is asked too, and left when it does not answer", () => {
  const { world, clientHost, client } = directWorld();
  untilDirect(world);
  const { driver } = world.client;
  const move = (to: string) => {
    clientHost.local = endpointOf(to);
    client.look(world.now);
  };
  const before = driver.dialCount;
  move("198.51.100.8:41000");
  world.pass(5_000);
  strictEqual(driver.dialCount, before, "it answered");
  for (const [line, end] of driver.carriers) {
    if (line.name !== "coordinator") blackhole(end);
  }
  move("198.51.100.9:41000");
  world.pass(5_000);
  strictEqual(driver.dialCount, before + 1, "it did not");
  ok(world.client.session.node.relays.readyLink(999) !== undefined);
});

Deno.test("addresses that no agent can have are sent nothing, whoever names them", () => {
  const { world, clientHost } = directWorld();
  untilDirect(world);
  const before = new Set(clientHost.sentTo.keys());
  const endpoints = [
    "127.0.0.1:1",
    "[::1]:1",
    "224.0.0.1:1",
    "[ff02::1]:1",
    "255.255.255.255:1",
    "0.0.0.0:1",
    "169.254.1.1:1",
    "[fe80::1]:1",
    "[fd7a:115c:a1e0::1]:1",
    "[fd60:627a:a42b::1]:1",
    "127.3.3.40:999",
    "198.51.100.1:41000",
  ].map(endpointOf);
  world.agent.claim({ endpoints }, world.now);
  world.pass(MINUTE_MS);
  const sentTo = [...clientHost.sentTo.keys()].filter((key) => !before.has(key));
  deepStrictEqual(sentTo, []);
  ok((world.client.direct?.paths.counters.refusedAddresses ?? 0) >= endpoints.length);
});

Deno.test("a coordinator that names thousands of addresses makes us ping few of them, slowly", () => {
  const { world, clientHost } = directWorld();
  untilDirect(world);
  clientHost.isInBlocked = true; // so that a path is sought all the time
  for (let i = 0; i < 200; i++) {
    const endpoints = Array.from({ length: 60 }, (_, at) => endpointOf(`203.0.113.${i}:${at + 1}`));
    world.agent.claim({ endpoints }, world.now);
    world.pass(50);
  }
  const counts = [...clientHost.sentTo].filter(([key]) =>
    !key.startsWith("00".repeat(10) + "ffffc6")
  );
  const pings = counts.reduce((sum, [, { count }]) => sum + count, 0);
  ok(pings <= 48 + 10 * 11, `${pings} pings in ten seconds`);
  ok((world.client.direct?.paths.candidateCount(AGENT_ID) ?? 0) <= 24 + 24 + 8);
});

Deno.test("strangers' datagrams are counted and lead to nothing: not one byte goes back", () => {
  const { world, client, clientHost } = directWorld();
  untilDirect(world);
  const { node } = world.client.session;
  const stranger = endpointOf("192.0.2.66:6666");
  const random = world.random;
  const nodeKey = publicKey(generatePrivateKey(random));
  const them = new DiscoPinger({
    privateKey: generatePrivateKey(random),
    nodePublicKey: nodeKey,
    random,
  });
  them.addPeer("us", { discoKey: node.discoPublicKey, nodeKey: node.nodePublicKey });
  const path = { kind: "udp", endpoint: clientHost.local } as const;
  const wireguard = new Uint8Array(148);
  new ByteWriter(wireguard).u32le(1);
  const stun = encodeStunResponse(new Uint8Array(12), stranger);
  const counters = client.direct.paths.counters;
  const before = { ...counters };
  for (let i = 0; i < 1_000; i++) {
    const ping = them.ping("us", path, world.now);
    ok(ping !== undefined && isDisco(ping));
    for (const datagram of [ping, wireguard, stun, new Uint8Array(1_400), new Uint8Array(0)]) {
      node.handleDatagram(datagram.slice(), stranger, world.now);
    }
    if (i % 100 === 0) world.pass(10);
  }
  world.pass(1_000);
  strictEqual(clientHost.sentTo.get(endpointKey(stranger)), undefined);
  strictEqual(counters.strangers - before.strangers, 1_000);
  strictEqual(counters.unaskedStun - before.unaskedStun, 1_000);
  strictEqual(counters.unknown - before.unknown, 2_000);
  const disco = (counts: typeof before) => counts.badDisco + counts.excessDisco;
  strictEqual(disco(counters) - disco(before), 1_000);
  untilDirect(world);
});

Deno.test("what the agent sent before, played again from elsewhere, moves nothing", () => {
  const { world, bulk, agentHost, internet } = transferring();
  const stranger = endpointOf("192.0.2.66:6666");
  const { node } = world.client.session;
  const played: Uint8Array[] = [];
  internet.onSend = (host, datagram) => {
    if (host === agentHost && played.length < 5_000) played.push(datagram.slice());
  };
  awaitProgress(world, bulk, 300_000);
  for (const datagram of played) {
    node.handleDatagram(datagram.slice(), stranger, world.now);
    node.handleDatagram(datagram.slice(), agentHost.local, world.now);
  }
  finishTransfer(world, bulk, SIZES);
  const inUse = world.client.direct?.paths.inUse(AGENT_ID)?.endpoint;
  ok(inUse === undefined || endpointKey(inUse) === endpointKey(agentHost.local));
});

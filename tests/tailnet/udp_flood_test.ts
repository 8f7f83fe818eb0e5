/** Floods that reach a whole node, by UDP and over a relay: what they make it send and keep stays small, and data goes on. */
import { ok, strictEqual } from "node:assert/strict";
import { ByteReader, ByteWriter } from "../../lib/base/bytes.ts";
import { encodeStunResponse, isDisco } from "../../lib/disco/mod.ts";
import type { TunnelNode } from "../../lib/tailnet/node.ts";
import { bytesIn } from "../support/object_graph.ts";
import { endpointOf } from "./paths/sim_udp.ts";
import { transfer } from "./sim/transfer.ts";
import { AGENT_ID, World } from "./sim/world.ts";

const BYTES = 300_000;
const FLOOD = 5_000;
/** What a node may keep of a flood, whatever its length: tables with named bounds. */
const MOST_KEPT_BYTES = 64 * 1024;
const MOST_KEPT_ARRAYS = 100;
/** What any node references: keys, tables, buffers. */
const FEWEST_PARTS = 50;
const COOKIE_REPLY_BYTES = 64;
const TRANSPORT_DATA = 4;

function directWorld(options: ConstructorParameters<typeof World>[0] = {}) {
  const world = new World({ agentSendBytes: BYTES, ...options });
  world.reach();
  const sides = world.useDirect({ client: "198.51.100.1:41000", agent: "198.51.100.2:42000" });
  const isDirect = () => world.client.direct?.paths.inUse(AGENT_ID) !== undefined;
  ok(world.until(isDirect, 5_000), "no direct path");
  return { world, node: world.client.session.node, ...sides };
}

/** Runs the flood and compares what the node holds before and after, all that it references included. */
async function assertKeepsLittle(node: TunnelNode, flood: () => void): Promise<void> {
  const held = async () => {
    const found = await bytesIn(node);
    const buffers = new Set(found.map(({ bytes }) => bytes.buffer));
    const bytes = [...buffers].reduce((sum, { byteLength }) => sum + byteLength, 0);
    return { arrays: found.length, bytes };
  };
  const before = await held();
  ok(before.arrays > FEWEST_PARTS, "the parts of the node are not seen");
  flood();
  const after = await held();
  ok(after.bytes - before.bytes <= MOST_KEPT_BYTES, `${after.bytes - before.bytes} bytes kept`);
  ok(
    after.arrays - before.arrays <= MOST_KEPT_ARRAYS,
    `${after.arrays - before.arrays} arrays kept`,
  );
}

Deno.test("forged cookie replies from the agent's own address, to an index in use: counted, and nothing comes of them", async () => {
  const { world, node, agentHost, clientHost, internet } = directWorld();
  let index: number | undefined;
  internet.onSend = (host, datagram) => {
    if (host !== agentHost || datagram[0] !== TRANSPORT_DATA) return;
    index = new ByteReader(datagram.subarray(4)).u32le();
  };
  transfer(world, BYTES);
  ok(index !== undefined, "nothing was sent straight");
  const named = index;
  const sent = () => [...clientHost.sentTo.values()].reduce((sum, { count }) => sum + count, 0);
  const before = sent();
  const drops = Number(node.counts()["wireguard.dropped bad-cookie-reply"] ?? 0);
  await assertKeepsLittle(node, () => {
    for (let i = 0; i < FLOOD; i++) {
      const forged = new Uint8Array(COOKIE_REPLY_BYTES);
      world.random.fill(forged);
      new ByteWriter(forged).u32le(3).u32le(i % 2 === 0 ? named : i);
      node.handleDatagram(forged, agentHost.local, world.now);
    }
  });
  strictEqual(Number(node.counts()["wireguard.dropped bad-cookie-reply"]) - drops, FLOOD);
  node.pump(world.now);
  strictEqual(sent(), before);
  transfer(world, BYTES);
});

Deno.test("thousands of the agent's own call-me-maybes over the relay make us ping a few times, not thousands", async () => {
  let copies = 1;
  const { world, node, clientHost, agentHost } = directWorld({
    fate: ({ packet }) => isDisco(packet) ? { delaysMs: new Array(copies).fill(0) } : "forward",
  });
  const pings = () => [...clientHost.sentTo.values()].reduce((sum, { count }) => sum + count, 0);
  clientHost.isInBlocked = true; // so that both look for a way
  agentHost.isInBlocked = true;
  transfer(world, BYTES);
  const before = { pings: pings(), excess: world.client.direct?.paths.counters.excessDisco ?? 0 };
  await assertKeepsLittle(node, () => {
    copies = 400;
    world.pass(20_000);
  });
  const counters = world.client.direct?.paths.counters;
  ok((counters?.excessDisco ?? 0) - before.excess >= 400, `${counters?.excessDisco} heeded too`);
  const count = pings() - before.pings;
  ok(count <= 48 + 10 * 20, `${count} datagrams in twenty seconds`);
  ok((world.client.direct?.paths.candidateCount(AGENT_ID) ?? 0) <= 24 + 24 + 8);
  copies = 1;
  clientHost.isInBlocked = false;
  agentHost.isInBlocked = false;
  transfer(world, BYTES);
});

Deno.test("datagrams of every kind from thousands of strangers leave nothing behind", async () => {
  const { world, node, clientHost } = directWorld();
  transfer(world, BYTES);
  const heads = [[1, 0, 0, 0], [2, 0, 0, 0], [3, 0, 0, 0], [4, 0, 0, 0], [
    0x54,
    0x53,
    0xf0,
    0x9f,
    0x92,
    0xac,
  ], []];
  const before = clientHost.sentTo.size;
  await assertKeepsLittle(node, () => {
    for (let i = 0; i < FLOOD; i++) {
      const from = endpointOf(`192.0.${2 + (i >> 8)}.${i & 0xff}:${1 + i}`);
      const datagram = new Uint8Array(20 + world.random.below(1_280));
      world.random.fill(datagram);
      datagram.set(heads[i % heads.length] ?? []);
      node.handleDatagram(datagram, from, world.now);
      node.handleDatagram(encodeStunResponse(datagram.slice(0, 12), from), from, world.now);
      if (i % 500 === 0) world.pass(1);
    }
  });
  world.pass(1_000);
  strictEqual(clientHost.sentTo.size, before);
  transfer(world, BYTES);
});

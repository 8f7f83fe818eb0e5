/** A coordinator that says too much: what it makes us dial, compute and keep stays small, and its last word counts. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { generatePrivateKey, publicKey } from "../../lib/crypto/mod.ts";
import { derpMapOf } from "../../lib/tailnet/derp_map.ts";
import { PeerBook } from "../../lib/tailnet/coordinator/mod.ts";
import { transfer } from "./sim/transfer.ts";
import { nodeOf, World } from "./sim/world.ts";
import { testNode, testUuid } from "./support.ts";

/** More than the burst of dials that a change of everything may need, far below what was sent. */
const FEW_DIALS = 25;

Deno.test("an agent that moves through hundreds of regions in one breath costs a few dials", () => {
  const regions = Array.from({ length: 400 }, (_, at) => at + 1);
  const world = new World({ regions, agentSendBytes: 1_000 });
  world.reach();
  const before = world.client.driver.dialCount;
  for (const region of regions) world.agent.claim({ preferredDerp: region }, world.now);
  world.pass(3_000);
  const dials = world.client.driver.dialCount - before;
  ok(dials <= FEW_DIALS, `${dials} dials`);
  world.agent.announce(7, world.now);
  world.pass(3_000);
  transfer(world, 1_000);
  const connected = world.client.session.node.relays.status().map((relay) => relay.region);
  deepStrictEqual(connected.sort(), [7, world.client.session.homeRegion].sort());
});

Deno.test("an agent that moves again and again, a region each tick, costs a few dials a second", () => {
  const regions = Array.from({ length: 300 }, (_, at) => at + 1);
  const world = new World({ regions });
  world.reach();
  const before = world.client.driver.dialCount;
  for (const region of regions) {
    world.agent.claim({ preferredDerp: region }, world.now);
    world.pass(20);
  }
  const dials = world.client.driver.dialCount - before;
  ok(dials <= FEW_DIALS, `${dials} dials in 6 s`);
});

Deno.test("a map that changes hundreds of times costs a few dials, and the last one counts", () => {
  const world = new World({ agentSendBytes: 1_000 });
  world.reach();
  const before = world.client.driver.dialCount;
  const [region] = world.map.regions.values();
  if (region === undefined) throw new Error("no region");
  const moved = (hostName: string) =>
    derpMapOf([{ ...region, nodes: [nodeOf(999, { hostName })] }]);
  world.network.servers.set("home.test:3000", world.relay);
  for (let i = 0; i < 400; i++) {
    world.coordinator.setMap(moved(`relay-${i}.test`), world.now);
    if (i % 4 === 0) world.pass(5);
  }
  world.coordinator.setMap(moved("home.test"), world.now);
  world.pass(5_000);
  const dials = world.client.driver.dialCount - before;
  ok(dials <= FEW_DIALS, `${dials} dials`);
  transfer(world, 1_000);
});

Deno.test("an agent that changes its key hundreds of times is lost a few times, not hundreds", () => {
  const world = new World();
  world.reach();
  for (let i = 0; i < 400; i++) {
    const key = publicKey(generatePrivateKey(world.random));
    world.agent.claim({ key }, world.now);
    if (i % 4 === 0) world.pass(5);
  }
  ok(world.client.lost().length <= 3, `${world.client.lost().length} times`);
  world.agent.claim({}, world.now); // the true one again
  world.pass(10_000);
  ok(world.client.session.isReachable);
});

Deno.test("PeerBook holds one node of a peer for whoever has not asked yet: the latest", () => {
  const book = new PeerBook();
  const peerId = testUuid(1);
  for (let seed = 1; seed <= 1_000; seed++) {
    book.handleUpdate({ kind: "node", peerId, reason: "", node: testNode(seed) }, 0);
  }
  const [event, ...more] = [book.pollEvent(), book.pollEvent()];
  deepStrictEqual(more, [undefined]);
  ok(event?.kind === "node");
  strictEqual(event.change, "new");
  deepStrictEqual(event.node, testNode(1_000));
  // What stands between two nodes keeps its place, and a change of key is not forgotten.
  book.handleUpdate({ kind: "node", peerId, reason: "", node: testNode(1) }, 0);
  book.handleUpdate({ kind: "node", peerId, reason: "", node: testNode(1) }, 0);
  const rekeyed = book.pollEvent();
  ok(rekeyed?.kind === "node" && rekeyed.change === "rekeyed");
});

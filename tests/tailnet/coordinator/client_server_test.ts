import assert from "node:assert/strict";
import { equalDerpMaps } from "../../../lib/tailnet/derp_map.ts";
import { testNode, testUuid } from "../support.ts";
import { AGENT_ID, agentNode, MAP, World } from "./support.ts";

const CLIENT_NODE = testNode(50);

Deno.test("a client learns map, node and readiness of its agent, the agent learns the client", () => {
  const world = new World();
  const agent = world.addAgent(2);
  const client = world.addClient();
  client.client.updateSelf(CLIENT_NODE, 0);
  world.settle();
  assert.deepEqual(client.kinds().sort(), ["connected", "derpMap", "dial", "node", "ready"]);
  assert.deepEqual(client.client.nodeOf(AGENT_ID), agentNode(2));
  assert.ok(client.client.isReady(AGENT_ID));
  const [map] = client.take("derpMap");
  assert.ok(map !== undefined && equalDerpMaps(map.map, MAP));
  assert.deepEqual(agent.take("node").map((e) => e.node), [CLIENT_NODE]);
});

Deno.test("websockets cut at every byte change nothing", () => {
  const world = new World({ pieceBytes: 1 });
  const agent = world.addAgent(2);
  const client = world.addClient();
  client.client.updateSelf(CLIENT_NODE, 0);
  world.settle();
  assert.deepEqual(client.kinds().sort(), ["connected", "derpMap", "dial", "node", "ready"]);
  assert.equal(agent.take("node").length, 1);
});

Deno.test("a late agent is told when it comes", () => {
  const world = new World();
  const client = world.addClient();
  client.client.updateSelf(CLIENT_NODE, 0);
  world.pass(7_000);
  assert.ok(!client.kinds().includes("node"));
  client.take("dial");
  world.addAgent(2);
  world.settle();
  assert.deepEqual(client.kinds(), ["node", "ready"]);
});

Deno.test("a home relay found late is announced then; a node without one is not told", () => {
  const world = new World();
  const agent = world.addAgent();
  const client = world.addClient();
  world.settle();
  agent.client.updateSelf({ ...agentNode(2), preferredDerp: 0 }, world.now);
  world.settle();
  assert.ok(!client.kinds().includes("node"));
  agent.client.updateSelf(agentNode(2), world.now);
  client.client.updateSelf(CLIENT_NODE, world.now);
  world.settle();
  assert.equal(client.take("node").length, 1);
  assert.equal(agent.take("node").length, 1);
});

Deno.test("an agent that restarts has a new key under the same id", () => {
  const world = new World();
  const agent = world.addAgent(2);
  const client = world.addClient();
  client.client.updateSelf(CLIENT_NODE, 0);
  world.settle();
  client.take("node");
  world.peers.splice(world.peers.indexOf(agent), 1);
  agent.session?.handleDisconnected(world.now);
  world.settle();
  assert.deepEqual(client.kinds(), ["lost"]);
  world.addAgent(3);
  world.settle();
  const [lost, node, ready] = client.events.splice(0);
  assert.equal(lost?.kind === "lost" && lost.cause, "server");
  assert.equal(node?.kind === "node" && node.change, "rekeyed");
  // What its predecessor said is not its word.
  assert.ok(node?.kind === "node" && !node.isReady);
  assert.deepEqual(ready, {
    kind: "ready",
    peerId: AGENT_ID,
    source: "message",
    isFirst: true,
  });
});

Deno.test("no READY: the client goes ahead after 5 s, each node starting the wait anew", () => {
  const world = new World();
  const agent = world.addAgent(2);
  agent.answersReady = false;
  const client = world.addClient();
  client.client.updateSelf(CLIENT_NODE, 0);
  world.pass(4_000);
  agent.client.updateSelf({ ...agentNode(2), preferredDerp: 7 }, world.now);
  world.pass(4_900);
  assert.ok(!client.kinds().includes("ready"));
  world.pass(200);
  assert.deepEqual(client.take("ready").map((e) => e.source), ["timeout"]);
});

Deno.test("a server that never passes READY on is not waited for", () => {
  const world = new World();
  world.addAgent(2).answersReady = false;
  const client = world.addClient({ expectsReady: false });
  world.settle();
  assert.deepEqual(client.take("ready").map((e) => e.source), ["unsupported"]);
});

Deno.test("an agent that leaves is removed, one that comes back is new", () => {
  const world = new World();
  const agent = world.addAgent(2);
  const client = world.addClient();
  world.settle();
  client.take("node");
  agent.client.disconnect(world.now);
  world.settle();
  assert.deepEqual(client.kinds(), ["removed"]);
  assert.deepEqual(agent.kinds().slice(-2), ["hangUp", "closed"]);
  world.addAgent(2);
  world.settle();
  assert.equal(client.take("node")[0]?.change, "new");
});

Deno.test("a client that leaves tells the agent and is over", () => {
  const world = new World();
  const agent = world.addAgent(2);
  const client = world.addClient();
  client.client.updateSelf(CLIENT_NODE, 0);
  world.settle();
  client.client.disconnect(world.now);
  world.settle();
  assert.deepEqual(client.kinds().slice(-2), ["hangUp", "closed"]);
  assert.equal(client.client.state, "over");
  assert.equal(client.client.pollTimeout(), undefined);
  assert.equal(agent.kinds().at(-1), "removed");
});

Deno.test("a server that says nothing to Disconnect is left after a second", () => {
  const world = new World();
  const client = world.addClient();
  world.settle();
  client.session = undefined; // swallows everything
  client.client.disconnect(world.now);
  world.pass(999);
  assert.ok(!client.kinds().includes("closed"));
  world.pass(1);
  assert.deepEqual(client.kinds().slice(-2), ["hangUp", "closed"]);
});

Deno.test("a cut websocket is dialled again at once, with the token, and everything is said again", () => {
  const world = new World();
  const agent = world.addAgent(2);
  const client = world.addClient();
  client.client.updateSelf(CLIENT_NODE, 0);
  world.pass(60_000);
  client.take("node");
  agent.take("node");
  world.cut(client);
  world.settle();
  assert.deepEqual(client.kinds().slice(0, 2), ["disconnected", "lost"]);
  world.pass(0);
  assert.deepEqual(client.resumeTokens, [undefined, `token-${client.peerIds[0]}`]);
  assert.equal(client.peerIds[0], client.peerIds[1]);
  assert.equal(client.take("node")[0]?.change, "updated");
  assert.deepEqual(agent.kinds(), ["lost", "node"]);
});

Deno.test("a server restart is survived with the token accepted", () => {
  const world = new World();
  world.addAgent(2);
  const client = world.addClient();
  client.client.updateSelf(CLIENT_NODE, 0);
  world.pass(60_000);
  world.stopServer();
  world.pass(15_000);
  client.take("dial");
  world.isServerUp = true;
  world.pass(10_000);
  assert.equal(client.peerIds[0], client.peerIds[1]);
  assert.ok(client.kinds().includes("node"));
  assert.ok(client.kinds().includes("ready"));
});

Deno.test("a server restart is survived with the token refused", () => {
  const world = new World();
  world.addAgent(2);
  const client = world.addClient();
  client.client.updateSelf(CLIENT_NODE, 0);
  world.pass(60_000);
  world.stopServer();
  world.acceptsTokens = false;
  world.isServerUp = true;
  world.pass(10_000);
  assert.equal(client.peerIds.length, 2);
  assert.notEqual(client.peerIds[0], client.peerIds[1]);
  assert.deepEqual(client.resumeTokens, [undefined, `token-${client.peerIds[0]}`, undefined]);
});

Deno.test("without resume tokens the session lives all the same", () => {
  const world = new World({ hasResumeTokens: false });
  world.addAgent(2);
  const client = world.addClient();
  world.pass(60_000);
  world.cut(client);
  world.pass(1_000);
  assert.deepEqual(client.resumeTokens, [undefined, undefined]);
  assert.notEqual(client.peerIds[0], client.peerIds[1]);
});

Deno.test("tokens are refreshed on their timer and not used once expired", () => {
  const world = new World();
  const client = world.addClient();
  world.pass(30 * 3_600_000);
  client.take("dial");
  world.cut(client);
  world.settle();
  world.pass(0);
  assert.ok(client.resumeTokens.at(-1) !== undefined, "refreshed after 12 and 24 hours");
  world.stopServer();
  world.pass(25 * 3_600_000);
  assert.equal(client.resumeTokens.at(-1), undefined);
});

Deno.test("an authorization error is permanent: nobody dials again", () => {
  const world = new World();
  const stranger = testUuid(77);
  const client = world.addClient({ tunnels: [stranger] });
  world.pass(60_000);
  assert.deepEqual(client.kinds(), ["dial", "connected", "serverError", "hangUp", "failed"]);
  const [failed] = client.take("failed");
  const expected = `authorization: invalid agent id, expected ${AGENT_ID}, got ${stranger}`;
  assert.equal(failed?.message, expected);
});

Deno.test("a second connection of the same peer shows the first one out", () => {
  const world = new World();
  const first = world.addAgent(2);
  const client = world.addClient();
  client.client.updateSelf(CLIENT_NODE, 0);
  world.settle();
  client.take("node");
  const second = world.addAgent();
  world.settle();
  const [error] = first.take("serverError");
  assert.equal(error?.text, "peer ID overwritten by new connection");
  assert.equal(second.take("node").length, 1, "tunnels outlive the first connection");
  assert.ok(!client.kinds().includes("removed"));
});

Deno.test("a changed map reaches everybody once", () => {
  const world = new World();
  const client = world.addClient();
  world.pass(1_000); // alone, it asks for the map after a second
  client.take("derpMap");
  world.server.setDerpMap(MAP, world.now);
  world.settle();
  assert.deepEqual(client.kinds(), []);
  world.server.setDerpMap({ ...MAP, regions: new Map() }, world.now);
  world.settle();
  assert.deepEqual(client.kinds(), ["derpMap"]);
});

Deno.test("a byte-equal node is not forwarded again", () => {
  const world = new World();
  const agent = world.addAgent(2);
  const client = world.addClient();
  world.settle();
  client.take("node");
  agent.client.updateSelf(agentNode(2), world.now);
  world.settle();
  assert.deepEqual(client.kinds(), []);
  agent.client.updateSelf({ ...agentNode(2), asOfMs: 5 }, world.now);
  world.settle();
  assert.deepEqual(client.kinds(), ["node"]);
});

Deno.test("a coordinator that falls silent is left after its ping limit and dialled again", () => {
  const world = new World();
  const client = world.addClient();
  world.pass(1_000);
  client.session = undefined; // swallows everything
  world.pass(38_000);
  assert.equal(client.peerIds.length, 1);
  world.pass(2_000);
  assert.equal(client.peerIds.length, 2);
});

Deno.test("an idle hour of pings ends nothing", () => {
  const world = new World();
  world.addAgent(2);
  const client = world.addClient();
  world.pass(3_600_000);
  assert.equal(client.peerIds.length, 1);
  assert.equal(world.server.peerCount, 2);
});

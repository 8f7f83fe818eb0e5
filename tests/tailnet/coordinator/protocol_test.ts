import assert from "node:assert/strict";
import { coordinationOf } from "../../../lib/tailnet/coordinator/mod.ts";
import { testNode } from "../support.ts";
import { AGENT_ID, agentNode, refusal, World } from "./support.ts";

const VERSION_REFUSED = {
  message: "Unknown or unsupported API version",
  validations: [{ field: "version", detail: "version 1.0 is no longer supported" }],
};

Deno.test("releases before v2.8 are asked for JSON, all others and those without one are not", () => {
  for (const old of ["v0.24.0", "v2.0.0", "v2.5.1+cab8ffa", "v2.7.3", "v2.6.0-rc.1"]) {
    assert.equal(coordinationOf(old), "v1", old);
  }
  for (const fine of ["v2.8.0", "v2.36.0", "v3.0.0", "v0.0.0-devel+1", "unknown", "", undefined]) {
    assert.equal(coordinationOf(fine), "v2", fine);
  }
});

Deno.test("JSON: node, restart of the agent, a lost connection; the agent is never lost by a word", () => {
  const world = new World({ speaks: "v1" });
  const client = world.addClient({ protocol: "v1" });
  client.client.updateSelf(testNode(5), world.now);
  world.settle();
  assert.deepEqual(client.kinds(), ["dial", "connected"]);
  const agent = world.addAgent(4);
  world.settle();
  const [node] = client.take("node");
  assert.equal(node?.peerId, AGENT_ID);
  assert.ok(client.client.isReady(AGENT_ID), "nobody says that he is ready");
  assert.equal(agent.take("node").length, 1);
  world.cut(agent);
  world.pass(10_000);
  assert.deepEqual(client.kinds(), ["node"], "nobody says that he left, only that he is back");
  client.take("node");
  agent.take("node");
  agent.client.updateSelf(agentNode(6), world.now);
  world.pass(1000);
  assert.equal(client.take("node")[0]?.change, "rekeyed");
  agent.take("node");
  world.cut(client);
  world.pass(1000);
  assert.deepEqual(client.kinds(), [
    ...["disconnected", "lost", "dial", "connected", "mapWanted", "node"],
  ], "what the relay map is now has to be asked for");
  assert.equal(client.mapDials, 2);
  assert.equal(agent.take("node").length, 1, "our node was said again");
});

Deno.test("a server that answers JSON is asked for JSON from then on", () => {
  const world = new World({ speaks: "v1" });
  const agent = world.addAgent(4);
  world.settle();
  const client = world.addClient();
  client.client.updateSelf(testNode(5), world.now);
  world.pass(0);
  assert.deepEqual(client.dialled, ["v2", "v1"]);
  assert.equal(client.take("node").length, 1);
  assert.ok(client.client.isReady(AGENT_ID));
  world.cut(client);
  world.pass(1000);
  assert.deepEqual(client.dialled, ["v2", "v1", "v1"]);
  assert.ok(agent.take("node").length > 0);
});

Deno.test("a server that refuses the version is asked for the other one, at once", () => {
  const world = new World();
  const client = world.addClient({ protocol: "v1" });
  client.refusals.push(refusal(400, VERSION_REFUSED));
  world.pass(0);
  assert.deepEqual(client.dialled, ["v1", "v2"]);
  assert.equal(client.client.state, "connected");
});

Deno.test("a server that refuses both ends it; one upgraded meanwhile does not", () => {
  const world = new World();
  const client = world.addClient({ protocol: "v1" });
  client.refusals.push(refusal(400, VERSION_REFUSED), refusal(400, VERSION_REFUSED));
  world.pass(0);
  assert.equal(client.take("failed").length, 1);

  const upgraded = new World();
  const survivor = upgraded.addClient({ protocol: "v1" });
  survivor.client.updateSelf(testNode(5), upgraded.now);
  upgraded.pass(6000);
  upgraded.cut(survivor);
  survivor.refusals.push(refusal(400, VERSION_REFUSED));
  upgraded.pass(1000);
  assert.deepEqual(survivor.dialled, ["v1", "v1", "v2"]);
  assert.equal(survivor.client.state, "connected");
});

Deno.test("a server that closes without a word is asked for JSON, and back", () => {
  const old = new World({ speaks: "v1" });
  const client = old.addClient();
  client.client.updateSelf(testNode(5), old.now);
  old.pass(0); // JSON servers end what they cannot read
  old.pass(1000);
  assert.deepEqual(client.dialled, ["v2", "v1"]);
  assert.equal(client.client.state, "connected");

  const mute = new World({ isMute: true });
  const other = mute.addClient();
  mute.settle();
  other.refusals.push(refusal(400, VERSION_REFUSED));
  mute.pass(3000); // nobody was heard yet: after one second, and after two more
  assert.deepEqual(other.dialled, ["v2", "v1", "v2"]);
});

Deno.test("a server that changes its mind each time is not dialled in a tight loop", () => {
  const world = new World({ speaks: "v1" });
  world.addAgent(4);
  const client = world.addClient();
  world.pass(0);
  for (let round = 0; round < 50; round++) {
    client.refusals.push(refusal(400, VERSION_REFUSED));
    world.cut(client);
    world.pass(1000);
  }
  assert.ok(client.dialled.length < 250, `${client.dialled.length} dials in 50 s`);
});

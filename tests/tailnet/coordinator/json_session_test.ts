import assert from "node:assert/strict";
import { ProtocolError } from "../../../lib/base/errors.ts";
import { JsonCoordinatorSession } from "../../../lib/tailnet/coordinator/json_session.ts";
import {
  JsonValues,
  MAX_DEPTH,
  MAX_VALUE_BYTES,
} from "../../../lib/tailnet/coordinator/json_values.ts";
import type { SessionEvent } from "../../../lib/tailnet/coordinator/mod.ts";
import { CoordinatorServer } from "../../../lib/tailnet/coordinator/server_mod.ts";
import type { CoordinatorServerSession } from "../../../lib/tailnet/coordinator/server_mod.ts";
import { nodeToJson } from "../../../lib/tailnet/node_json.ts";
import { testNode, testUuid } from "../support.ts";
import { AGENT_ID, agentNode, MAP } from "./support.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const textOf = (payload: Uint8Array | undefined) => new TextDecoder().decode(payload);

function drain(session: JsonCoordinatorSession): SessionEvent[] {
  const events: SessionEvent[] = [];
  for (let e = session.pollEvent(); e !== undefined; e = session.pollEvent()) events.push(e);
  return events;
}

function nodesOf(session: JsonCoordinatorSession) {
  return drain(session).map((event) => {
    assert.ok(event.kind === "peerUpdate" && event.update.kind === "node");
    return event.update;
  });
}

function sentBy(session: JsonCoordinatorSession | CoordinatorServerSession): string[] {
  const texts: string[] = [];
  for (let b = session.pollTransmit(); b !== undefined; b = session.pollTransmit()) {
    texts.push(textOf(b));
  }
  return texts;
}

Deno.test("only the last node that was not sent leaves, at once on a new connection", () => {
  const session = new JsonCoordinatorSession({ tunnels: [AGENT_ID], node: testNode(5) });
  assert.deepEqual(sentBy(session), [nodeToJson(testNode(5))]);
  session.updateSelf(testNode(6));
  session.updateSelf(testNode(7));
  assert.deepEqual(sentBy(session), [nodeToJson(testNode(7))]);
  assert.deepEqual(sentBy(session), []);
  session.disconnect();
  assert.deepEqual(drain(session), [{ kind: "ended", end: { kind: "disconnected" } }]);
  session.updateSelf(testNode(8));
  assert.deepEqual(sentBy(session), []);
});

Deno.test("an agent tells clients apart by their ids", () => {
  const session = new JsonCoordinatorSession({ tunnels: [] });
  const ids = [1n, 2n ** 63n - 1n];
  const list = ids.map((id) => nodeToJson({ ...testNode(5), id })).join();
  session.handleBytes(bytes(`[${list}]`));
  const names = nodesOf(session).map(({ peerId }) => peerId);
  assert.deepEqual(names, [
    "00000000-0000-0000-0000-000000000001",
    "00000000-0000-0000-7fff-ffffffffffff",
  ]);
});

Deno.test("what is no node is left out of a list", () => {
  const session = new JsonCoordinatorSession({ tunnels: [AGENT_ID] });
  session.handleBytes(bytes(`[null,{"id":"x"},${nodeToJson(agentNode(4))},7] \n[]`));
  assert.equal(nodesOf(session).length, 1);
});

Deno.test("what is no list of JSON, or too much, ends a session", () => {
  const many = `[${new Array(5000).fill("{}").join()}]`;
  const deep = "[".repeat(MAX_DEPTH + 1);
  const long = `["${"x".repeat(MAX_VALUE_BYTES)}`;
  const values = ["{}", "x", "[1,]", "[}", "\x00", "[{]]", many, deep, long];
  for (const value of values) {
    const session = new JsonCoordinatorSession({ tunnels: [AGENT_ID] });
    session.handleBytes(bytes(value));
    const [event] = drain(session);
    assert.ok(event?.kind === "ended" && event.end.kind === "failed", value.slice(0, 20));
    assert.match(event.end.message, /^Cannot read the coordinator's JSON: /);
    session.handleBytes(bytes(`[${nodeToJson(agentNode(4))}]`));
    assert.deepEqual(drain(session), []);
  }
});

Deno.test("values are cut at their ends, whatever their strings hold", () => {
  const values = ["[]", '["]\\"[{"]', '["\\\\"]', '[{"é":["}"]}]', "[ ]"];
  const stream = bytes(values.join("\n") + "  " + values.join(""));
  for (let size = 1; size < 30; size++) {
    const cutter = new JsonValues("arrays");
    const texts: string[] = [];
    for (let at = 0; at < stream.length; at += size) {
      texts.push(...cutter.push(stream.subarray(at, at + size)));
    }
    assert.deepEqual(texts, [...values, ...values]);
  }
  assert.throws(() => new JsonValues("objects").push(bytes("[]")), ProtocolError);
});

Deno.test("client and agent meet at one server, and the client hears of no end", () => {
  const server = new CoordinatorServer({ derpMap: MAP });
  const role = { kind: "client", agentId: AGENT_ID } as const;
  const client = server.openSession({ peerId: testUuid(8), role, protocol: "v1" }, 0);
  const agent = server.openSession(
    { peerId: AGENT_ID, role: { kind: "agent" }, protocol: "v1" },
    0,
  );
  agent.handleBytes(bytes(nodeToJson(agentNode(4))), 0);
  assert.deepEqual(sentBy(client), [`[${nodeToJson(agentNode(4))}]`]);
  client.handleBytes(bytes(nodeToJson(testNode(5))), 0);
  assert.deepEqual(sentBy(agent), [`[${nodeToJson(testNode(5))}]`]);
  agent.handleDisconnected(0);
  assert.deepEqual(sentBy(client), []);
  client.handleBytes(bytes("[]"), 0);
  assert.match(client.endMessage ?? "", /JSON/);
});

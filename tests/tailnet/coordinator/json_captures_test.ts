/**
 * Coordination by JSON as it was recorded of servers, clients and agents of v0.24.0 and v2.5.1: what they sent is understood, in any
 * cut, by our client and by our server, and what their servers refused ours refuses. `node_json_test.ts` has the other
 * way: what we send has the form of theirs.
 */
import assert from "node:assert/strict";
import { concatBytes } from "../../../lib/base/bytes.ts";
import { JsonCoordinatorSession } from "../../../lib/tailnet/coordinator/json_session.ts";
import { CoordinatorServer } from "../../../lib/tailnet/coordinator/server_mod.ts";
import { captureTest, captureText, dataMessages, parseWire } from "../../support/captures.ts";
import { SeededRandom } from "../../support/seeded_random.ts";
import { testUuid } from "../support.ts";
import { AGENT_ID, MAP } from "./support.ts";

const VERSIONS = ["coder-v0.24.0", "coder-v2.5.1"] as const;
const CUTS = 20;
const MAX_CUT_BYTES = 3_000;

/** Of clients; those that were made to try something say it in their names. */
const CLIENTS = [
  ...["coordinate-v1", "coordinate-v1-relay-only", "coordinate-v1-server-stop"],
  ...["coordinate-v1-server-back", "probe-agent-late", "probe-agent-restart", "probe-close"],
  ...["probe-deflate-offered", "probe-idle-40s", "probe-message-over-32k", "probe-no-pong"],
  ...["probe-object-split-over-messages", "probe-repeated-node", "probe-text-message"],
  "probe-version-2.0",
];
const ONLY_V2_5 = [
  ...["coordinate-v1-blocked-direct", "coordinate-v1-direct-disabled", "cli-v2.36.0-coordinate"],
];
const REFUSED = ["probe-array-instead-of-object", "probe-bad-json"];

/** Of the nodes that are there to their last field: one recording ends within one. */
function idsIn(bytes: Uint8Array): bigint[] {
  const text = new TextDecoder().decode(bytes);
  return [...text.matchAll(/"id": ?(\d+)[^{}]*(?:\{[^{}]*\}[^{}]*)*"endpoints"/g)].map(([, id]) =>
    BigInt(id ?? 0)
  );
}

/** What a session of ours makes of bytes in pieces of any length. */
function heard(said: Uint8Array, tunnels: readonly string[], seed: number) {
  const random = new SeededRandom(seed);
  const session = new JsonCoordinatorSession({ tunnels });
  for (let at = 0; at < said.length;) {
    const end = at + 1 + random.below(seed === 0 ? 1 : MAX_CUT_BYTES);
    session.handleBytes(said.subarray(at, end));
    at = end;
  }
  const updates = [];
  for (let event = session.pollEvent(); event !== undefined; event = session.pollEvent()) {
    assert.ok(event.kind === "peerUpdate" && event.update.kind === "node", event.kind);
    updates.push(event.update);
  }
  return updates;
}

function openServer(agentId = AGENT_ID) {
  const server = new CoordinatorServer({ derpMap: MAP });
  const role = { kind: "client", agentId } as const;
  const client = server.openSession({ peerId: testUuid(8), role, protocol: "v1" }, 0);
  const agent = server.openSession(
    { peerId: agentId, role: { kind: "agent", ownsLegacyAddress: true }, protocol: "v1" },
    0,
  );
  return { client, agent };
}

function sentBy(session: ReturnType<typeof openServer>["client"]): Uint8Array {
  const sent: Uint8Array[] = [];
  for (let b = session.pollTransmit(); b !== undefined; b = session.pollTransmit()) {
    sent.push(b.slice());
  }
  return concatBytes(...sent);
}

/** Neighbours that say the same are one: our server does not repeat what a peer knows. */
function withoutRepeats(ids: readonly bigint[]): bigint[] {
  return ids.filter((id, at) => id !== ids[at - 1]);
}

for (const version of VERSIONS) {
  const names = [...CLIENTS, ...(version === "coder-v2.5.1" ? ONLY_V2_5 : []), ...REFUSED];
  for (const name of names) {
    const capture = `${version}/wire/${name}.jsonl`;
    captureTest(`${capture}: a client of ours hears the agent's nodes`, capture, (text) => {
      const said = concatBytes(...dataMessages(parseWire(text), "<"));
      assert.ok(idsIn(said).length > 0);
      for (let seed = 0; seed < CUTS; seed++) {
        const updates = heard(said, [AGENT_ID], seed);
        assert.deepEqual(updates.map(({ node }) => node.id), idsIn(said));
        assert.ok(updates.every(({ peerId }) => peerId === AGENT_ID));
        assert.ok(updates.every(({ node }) => node.preferredDerp === 999));
      }
    });
  }

  for (const name of [...CLIENTS, ...(version === "coder-v2.5.1" ? ONLY_V2_5 : [])]) {
    // Our server has no such bound of its own: that is the websocket's.
    if (name === "probe-message-over-32k") continue;
    const capture = `${version}/wire/${name}.jsonl`;
    captureTest(`${capture}: a server of ours hands on what the client said`, capture, (text) => {
      const { client, agent } = openServer();
      const said = dataMessages(parseWire(text), ">");
      for (const payload of said) client.handleBytes(payload, 0);
      assert.equal(client.endMessage, undefined);
      assert.deepEqual(
        withoutRepeats(idsIn(sentBy(agent))),
        withoutRepeats(idsIn(concatBytes(...said))),
      );
    });
  }

  for (const name of REFUSED) {
    const capture = `${version}/wire/${name}.jsonl`;
    captureTest(`${capture}: a server of ours refuses it as theirs did`, capture, (text) => {
      const { client } = openServer();
      for (const payload of dataMessages(parseWire(text), ">")) client.handleBytes(payload, 0);
      assert.match(client.endMessage ?? "", /JSON/);
    });
  }

  const capture = `${version}/wire/agent-coordinate-v1.jsonl`;
  captureTest(
    `${capture}: an agent of ours hears of its clients, each by its id`,
    capture,
    (text) => {
      const said = concatBytes(...dataMessages(parseWire(text), "<"));
      assert.ok(idsIn(said).length > 1);
      for (let seed = 0; seed < CUTS; seed++) {
        const updates = heard(said, [], seed);
        assert.deepEqual(updates.map(({ node }) => node.id), idsIn(said));
        const names = new Map(updates.map(({ node, peerId }) => [node.id, peerId]));
        assert.equal(new Set(names.values()).size, names.size);
      }
    },
  );
  captureTest(`${capture}: a server of ours hands the agent's node on`, capture, (text) => {
    // An agent may claim the address of its own id alone, which is in the recording of who it was.
    const who = captureText(`${version}/http/agent.json`) ?? "";
    const { client, agent } = openServer(/"id":\s*"([0-9a-f-]{36})"/.exec(who)?.[1]);
    const said = dataMessages(parseWire(text), ">");
    assert.ok(said.length > 0);
    for (const payload of said) agent.handleBytes(payload, 0);
    assert.deepEqual(idsIn(sentBy(client)), withoutRepeats(idsIn(concatBytes(...said))));
  });
}

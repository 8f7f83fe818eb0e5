import assert from "node:assert/strict";
import { DrpcClientCall } from "../../../lib/drpc/mod.ts";
import type { DrpcEvent } from "../../../lib/drpc/mod.ts";
import {
  type CoordinateRequest,
  createCoordinateRequest,
  decodeCoordinateResponse,
  encodeCoordinateRequest,
} from "../../../lib/proto/tailnet_pb.ts";
import { formatUuid, parseUuid } from "../../../lib/tailnet/address.ts";
import { RpcName } from "../../../lib/tailnet/coordinator/messages.ts";
import { RpcStream } from "../../../lib/tailnet/coordinator/rpc_stream.ts";
import { CoordinatorServer } from "../../../lib/tailnet/coordinator/server_mod.ts";
import type {
  CoordinatorServerSession,
  PeerRole,
} from "../../../lib/tailnet/coordinator/server_mod.ts";
import { nodeToProto } from "../../../lib/tailnet/node_message.ts";
import { YamuxSession } from "../../../lib/yamux/mod.ts";
import { testNode, testUuid } from "../support.ts";
import { AGENT_ID, agentNode, MAP } from "./support.ts";

const CLIENT: PeerRole = { kind: "client", agentId: AGENT_ID };
const AGENT: PeerRole = { kind: "agent" };
const CLIENT_ID = testUuid(8);
const CLIENT_UUID = parseUuid(CLIENT_ID) ?? new Uint8Array(0);
const AGENT_UUID = parseUuid(AGENT_ID) ?? new Uint8Array(0);

type RequestInit = Partial<CoordinateRequest>;

/** A peer that says what it likes. */
class RawPeer {
  readonly #yamux = new YamuxSession({ role: "client" }, 0);
  readonly #session: CoordinatorServerSession;
  readonly #rpc: RpcStream<DrpcClientCall>;

  constructor(server: CoordinatorServer, peerId: string, role: PeerRole, rpc: string) {
    this.#session = server.openSession({ peerId, role }, 0);
    this.#rpc = new RpcStream(new DrpcClientCall(rpc), this.#yamux.openStream(0));
    this.#carry();
  }

  request(init: RequestInit): this {
    this.#rpc.call.send(encodeCoordinateRequest(createCoordinateRequest(init)));
    return this.#carry();
  }

  closeSend(): this {
    this.#rpc.call.closeSend();
    return this.#carry();
  }

  /** What the server said since the last time, in words. */
  heard(): string[] {
    this.#carry();
    this.#rpc.handleReadable();
    const words: string[] = [];
    const { call } = this.#rpc;
    for (let e = call.pollEvent(); e !== undefined; e = call.pollEvent()) words.push(...inWords(e));
    return words;
  }

  #carry(): this {
    this.#rpc.flush(0);
    for (let b = this.#yamux.pollTransmit(); b; b = this.#yamux.pollTransmit()) {
      this.#session.handleBytes(b, 0);
    }
    for (let b = this.#session.pollTransmit(); b; b = this.#session.pollTransmit()) {
      this.#yamux.handleBytes(b, 0);
    }
    while (this.#yamux.pollEvent() !== undefined);
    return this;
  }
}

function inWords(event: DrpcEvent): string[] {
  if (event.kind === "ended") {
    return [event.how.kind === "error" ? `error ${event.how.text}` : event.how.kind];
  }
  if (event.kind !== "message") return [event.kind];
  const { peerUpdates, error } = decodeCoordinateResponse(event.message);
  const kinds = ["?", "NODE", "DISCONNECTED", "LOST", "READY"];
  return [
    ...peerUpdates.map(({ kind, id }) => `${kinds[kind]} ${nameOf(formatUuid(id))}`),
    ...(error === "" ? [] : [`says ${error}`]),
  ];
}

function nameOf(id: string): string {
  return id === AGENT_ID ? "agent" : id === CLIENT_ID ? "client" : id;
}

function server(): CoordinatorServer {
  return new CoordinatorServer({ derpMap: MAP });
}

function client(of: CoordinatorServer): RawPeer {
  return new RawPeer(of, CLIENT_ID, CLIENT, RpcName.coordinate);
}

function agent(of: CoordinatorServer): RawPeer {
  const peer = new RawPeer(of, AGENT_ID, AGENT, RpcName.coordinate);
  return peer.request({ updateSelf: { node: nodeToProto(agentNode(2)) } });
}

Deno.test("what breaks the rules of §6.4 is told and ends the stream; the others see a lost peer", async (t) => {
  const node = nodeToProto(testNode(3));
  const prefix = "says authorization: ";
  const rows: { name: string; role: PeerRole; init: RequestInit; says: string }[] = [
    {
      name: "another agent",
      role: CLIENT,
      init: { addTunnel: { id: CLIENT_UUID } },
      says: `invalid agent id, expected ${AGENT_ID}, got ${CLIENT_ID}`,
    },
    {
      name: "no UUID",
      role: CLIENT,
      init: { addTunnel: { id: new Uint8Array(3) } },
      says: "parse tunnel id: invalid UUID (got 3 bytes)",
    },
    {
      name: "a wide address",
      role: CLIENT,
      init: { updateSelf: { node: { ...node, addresses: ["fd7a::/64"] } } },
      says: "invalid address bits, expected 128, got 64",
    },
    {
      name: "a client that is ready",
      role: CLIENT,
      init: { readyForHandshake: [{ id: AGENT_UUID }] },
      says: "clients may not send ready_for_handshake",
    },
    {
      name: "an agent's tunnel",
      role: AGENT,
      init: { addTunnel: { id: CLIENT_UUID } },
      says: "agents cannot open tunnels",
    },
    {
      name: "an agent at another's address",
      role: AGENT,
      init: { updateSelf: { node: { ...node, addresses: ["fd7a:115c:a1e0::1/128"] } } },
      says: "invalid node address, got fd7a:115c:a1e0::1",
    },
  ];
  for (const { name, role, init, says } of rows) {
    await t.step(name, () => {
      const peerId = role.kind === "agent" ? AGENT_ID : CLIENT_ID;
      const core = server();
      const peer = new RawPeer(core, peerId, role, RpcName.coordinate).request(init);
      assert.deepEqual(peer.heard(), [prefix + says, "closed"]);
      assert.equal(core.peerCount, 0);
    });
  }
});

Deno.test("CloseSend on Coordinate loses the peer (tailnet/service.go)", () => {
  const core = server();
  const watched = agent(core);
  const peer = client(core).request({
    addTunnel: { id: AGENT_UUID },
    updateSelf: { node: nodeToProto(testNode(3)) },
  });
  assert.deepEqual(peer.heard(), ["NODE agent"]);
  assert.deepEqual(watched.heard(), ["NODE client"]);
  assert.deepEqual(peer.closeSend().heard(), ["closed"]);
  assert.deepEqual(watched.heard(), ["LOST client"]);
});

Deno.test("RemoveTunnel tells both, and only those that had heard", () => {
  const core = server();
  const peer = client(core).request({ addTunnel: { id: AGENT_UUID } });
  peer.request({ removeTunnel: { id: AGENT_UUID } });
  assert.deepEqual(peer.heard(), []);
  const watched = agent(core);
  assert.deepEqual(peer.heard(), [], "the tunnel is gone");
  peer.request({ addTunnel: { id: AGENT_UUID } });
  peer.request({ removeTunnel: { id: AGENT_UUID } });
  assert.deepEqual(peer.heard(), ["NODE agent", "DISCONNECTED agent"]);
  assert.deepEqual(watched.heard(), [], "the client had no node");
});

Deno.test("READY goes to those who share a tunnel, else an error that ends nothing", () => {
  const core = server();
  const watched = agent(core);
  watched.request({ readyForHandshake: [{ id: CLIENT_UUID }] });
  const [text] = watched.heard();
  assert.equal(
    text,
    `says ready for handshake error: you do not share a tunnel with "${CLIENT_ID}"`,
  );
  const peer = client(core).request({ addTunnel: { id: AGENT_UUID } });
  watched.request({ readyForHandshake: [{ id: CLIENT_UUID }] });
  assert.deepEqual(peer.heard(), ["NODE agent", "READY agent"]);
  assert.equal(core.peerCount, 2);
});

Deno.test("Disconnect closes the stream and tells the others", () => {
  const core = server();
  const watched = agent(core);
  const peer = client(core).request({ addTunnel: { id: AGENT_UUID } });
  assert.deepEqual(watched.request({ disconnect: {} }).heard(), ["closed"]);
  assert.deepEqual(peer.heard(), ["NODE agent", "DISCONNECTED agent"]);
});

Deno.test("RPCs that do not exist are answered as upstream does (docs/protocol/coordinator.md#errors-of-calls)", () => {
  const names: string[] = ["/coder.tailnet.v2.Tailnet/PostTelemetry", RpcName.refreshResumeToken];
  for (const rpc of names) {
    const peer: RawPeer = new RawPeer(server(), CLIENT_ID, CLIENT, rpc);
    assert.deepEqual(peer.heard(), [`error protocol error: unknown rpc: "${rpc}"`]);
  }
});

/** A coordinator, clients and agents in one memory, with a clock that jumps from deadline to deadline. */
import type { Instant } from "../../../lib/base/core.ts";
import { earlier } from "../../../lib/base/deadlines.ts";
import { parseUuid } from "../../../lib/tailnet/address.ts";
import { CoordinatorClient } from "../../../lib/tailnet/coordinator/mod.ts";
import type {
  CoordinationProtocol,
  CoordinatorClientOptions,
  CoordinatorEvent,
  DisconnectReason,
} from "../../../lib/tailnet/coordinator/mod.ts";
import { CoordinatorServer } from "../../../lib/tailnet/coordinator/server_mod.ts";
import type {
  CoordinatorServerSession,
  PeerRole,
} from "../../../lib/tailnet/coordinator/server_mod.ts";
import { derpMapOf } from "../../../lib/tailnet/derp_map.ts";
import type { DerpMap } from "../../../lib/tailnet/derp_map.ts";
import type { TailnetNode } from "../../../lib/tailnet/node_message.ts";
import { SeededRandom } from "../../support/seeded_random.ts";
import { testNode, testUuid } from "../support.ts";

export const WALL_MS_AT_ZERO = 1_800_000_000_000;
export const AGENT_ID = testUuid(1);

export const MAP: DerpMap = derpMapOf([{
  id: 999,
  code: "coder",
  name: "Coder Embedded Relay",
  embeddedRelay: true,
  avoid: false,
  nodes: [],
}]);

/** The agent's node, with the address that its UUID gives it. */
export function agentNode(seed: number): TailnetNode {
  return testNode(seed, parseUuid(AGENT_ID));
}

export function refusal(status: number, body: unknown = ""): DisconnectReason {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return { kind: "refused", status, body: new TextEncoder().encode(text) };
}

/** One peer with its driver: what it dials, and what it was told. */
export class TestPeer {
  readonly client: CoordinatorClient;
  readonly events: CoordinatorEvent[] = [];
  /** The websocket, as its server end. */
  session: CoordinatorServerSession | undefined;
  /** Peer id at the server of each connection. */
  readonly peerIds: string[] = [];
  /** What it asked for. */
  readonly dialled: CoordinationProtocol[] = [];
  /** Answers the next dials; afterwards the server decides. */
  readonly refusals: DisconnectReason[] = [];
  /** Agents answer nodes with READY_FOR_HANDSHAKE unless told not to. */
  answersReady = true;

  readonly role: PeerRole;

  constructor(role: PeerRole, options: Partial<CoordinatorClientOptions>, now: Instant) {
    this.role = role;
    this.client = new CoordinatorClient({
      random: new SeededRandom(9),
      wallMsAtZero: WALL_MS_AT_ZERO,
      tunnels: role.kind === "client" ? [AGENT_ID] : [],
      role: role.kind,
      ...options,
    }, now);
  }

  kinds(): string[] {
    return this.events.map((event) => event.kind);
  }

  /** The events of one kind, and forgets them all. */
  take<Kind extends CoordinatorEvent["kind"]>(
    kind: Kind,
  ): Extract<CoordinatorEvent, { kind: Kind }>[] {
    const taken = this.events.splice(0);
    return taken.filter((event): event is Extract<CoordinatorEvent, { kind: Kind }> =>
      event.kind === kind
    );
  }
}

export interface WorldOptions {
  readonly hasResumeTokens?: boolean;
  /** A server of before v2.6 speaks JSON whatever it is asked for. @default what it is asked for */
  readonly speaks?: CoordinationProtocol;
  /** Bytes of each piece that a websocket delivers. @default all at once */
  readonly pieceBytes?: number;
}

export class World {
  server: CoordinatorServer;
  isServerUp = true;
  /** Whether the server honours tokens from before. */
  acceptsTokens = true;
  now: Instant = 0;
  readonly peers: TestPeer[] = [];
  readonly #options: WorldOptions;
  #nextClient = 100;

  constructor(options: WorldOptions = {}) {
    this.#options = options;
    this.server = this.#newServer();
  }

  addClient(options: Partial<CoordinatorClientOptions> = {}): TestPeer {
    return this.#add(new TestPeer({ kind: "client", agentId: AGENT_ID }, options, this.now));
  }

  addAgent(seed?: number): TestPeer {
    const agent = this.#add(
      new TestPeer(
        { kind: "agent" },
        this.#options.speaks === undefined ? {} : { protocol: this.#options.speaks },
        this.now,
      ),
    );
    if (seed !== undefined) agent.client.updateSelf(agentNode(seed), this.now);
    return agent;
  }

  /** Does everything that can be done without time passing. */
  settle(): void {
    for (let round = 0; round < 1000; round++) {
      if (!this.peers.map((peer) => this.#serve(peer)).some(Boolean)) return;
    }
    throw new Error("the world does not settle");
  }

  /** Lets `ms` pass, from deadline to deadline. */
  pass(ms: number): void {
    const until = this.now + ms;
    this.settle();
    for (;;) {
      const next = this.#nextTimeout();
      if (next === undefined || next > until) break;
      this.now = Math.max(this.now, next);
      for (const { client, session } of this.peers) {
        client.handleTimeout(this.now);
        session?.handleTimeout(this.now);
      }
      this.settle();
    }
    this.now = until;
  }

  /** Cuts a peer's websocket. */
  cut(peer: TestPeer, message = "connection reset"): void {
    const { session } = peer;
    peer.session = undefined;
    session?.handleDisconnected(this.now);
    if (session !== undefined) {
      peer.client.handleDisconnected({ kind: "closed", message }, this.now);
    }
  }

  /** The server process ends, and forgets everything. */
  stopServer(): void {
    this.isServerUp = false;
    for (const peer of this.peers) this.cut(peer, "server gone");
    this.server = this.#newServer();
  }

  #add(peer: TestPeer): TestPeer {
    this.peers.push(peer);
    return peer;
  }

  #newServer(): CoordinatorServer {
    return new CoordinatorServer({
      derpMap: MAP,
      ...(this.#options.hasResumeTokens === false ? {} : {
        grantResumeToken: (peerId) => ({
          token: `token-${peerId}`,
          refreshInMs: 12 * 3_600_000,
          expiresAtMs: WALL_MS_AT_ZERO + this.now + 24 * 3_600_000,
        }),
      }),
    });
  }

  #nextTimeout(): Instant | undefined {
    let next: Instant | undefined;
    for (const { client, session } of this.peers) {
      next = earlier(next, earlier(client.pollTimeout(), session?.pollTimeout()));
    }
    return next;
  }

  /** Whether anything moved. */
  #serve(peer: TestPeer): boolean {
    let moved = this.#carry(peer);
    for (let e = peer.client.pollEvent(); e !== undefined; e = peer.client.pollEvent()) {
      moved = true;
      peer.events.push(e);
      if (e.kind === "dial") this.#dial(peer, e);
      if (e.kind === "hangUp") {
        this.#carry(peer);
        peer.session?.handleDisconnected(this.now);
        peer.session = undefined;
      }
      if (e.kind === "node" && peer.role.kind === "agent" && peer.answersReady) {
        peer.client.readyForHandshake(e.peerId, this.now);
      }
    }
    while (this.server.pollSession() !== undefined) moved = true;
    return moved;
  }

  #carry(peer: TestPeer): boolean {
    let moved = false;
    const { client, session } = peer;
    for (let b = client.pollTransmit(); b !== undefined; b = client.pollTransmit()) {
      moved = true;
      for (const piece of this.#pieces(b)) session?.handleBytes(piece, this.now);
    }
    for (let b = session?.pollTransmit(); b !== undefined; b = session?.pollTransmit()) {
      moved = true;
      for (const piece of this.#pieces(b)) client.handleBytes(piece, this.now);
    }
    if (session?.endMessage !== undefined && peer.session === session) {
      this.cut(peer, session.endMessage);
      moved = true;
    }
    return moved;
  }

  #pieces(bytes: Uint8Array): Uint8Array[] {
    const size = this.#options.pieceBytes ?? bytes.length;
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.slice(at, at + size));
    return pieces;
  }

  #dial(peer: TestPeer, dial: Extract<CoordinatorEvent, { kind: "dial" }>): void {
    const { resumeToken } = dial;
    const protocol = this.#options.speaks ?? dial.protocol;
    peer.dialled.push(dial.protocol);
    const refused = peer.refusals.shift() ?? this.#refusalOf(resumeToken);
    if (refused !== undefined) {
      peer.client.handleDisconnected(refused, this.now);
      return;
    }
    const peerId = peer.role.kind === "agent"
      ? AGENT_ID
      : resumeToken?.replace("token-", "") ?? testUuid(this.#nextClient++);
    peer.peerIds.push(peerId);
    peer.session = this.server.openSession({ peerId, role: peer.role, protocol }, this.now);
    peer.client.handleConnected(this.now);
  }

  #refusalOf(resumeToken: string | undefined): DisconnectReason | undefined {
    if (!this.isServerUp) return { kind: "unreachable", message: "connection refused" };
    if (resumeToken === undefined || this.acceptsTokens) return undefined;
    const validations = [{ field: "resume_token", detail: "expired" }];
    return refusal(401, { message: "Invalid resume token", validations });
  }
}

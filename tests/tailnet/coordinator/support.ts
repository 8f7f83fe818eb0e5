/** A coordinator, clients and agents in one memory, with a clock that jumps from deadline to deadline. */
import type { Instant } from "../../../lib/base/core.ts";
import { earlier } from "../../../lib/base/deadlines.ts";
import { parseUuid } from "../../../lib/tailnet/address.ts";
import { CoordinatorClient } from "../../../lib/tailnet/coordinator/mod.ts";
import type {
  CoordinationProtocol,
  CoordinatorClientOptions,
  CoordinatorEvent,
} from "../../../lib/tailnet/coordinator/mod.ts";
import { CoordinatorServer } from "../../../lib/tailnet/coordinator/server_mod.ts";
import type {
  CoordinatorServerSession,
  PeerRole,
} from "../../../lib/tailnet/coordinator/server_mod.ts";
import type { Line } from "../../../lib/tailnet/line.ts";
import { encodeFrame, HttpUpgradeServer, WebsocketConnection } from "../../../lib/websocket/mod.ts";
import { derpMapOf } from "../../../lib/tailnet/derp_map.ts";
import type { DerpMap } from "../../../lib/tailnet/derp_map.ts";
import type { TailnetNode } from "../../../lib/tailnet/node_message.ts";
import { SeededRandom } from "../../support/seeded_random.ts";
import { testNode, testUuid } from "../support.ts";

const RANDOM = new SeededRandom(8);
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

/** The name of the relay map's websocket. */
const MAP_LINE = "relay map";

/** What a server answers instead of the websocket; its body is JSON unless it is a text. */
export interface Refusal {
  readonly status: number;
  readonly body: Uint8Array;
}

export function refusal(status: number, body: unknown = ""): Refusal {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return { status, body: new TextEncoder().encode(text) };
}

/** The token that a link asks to resume with, as its request says. */
function resumeTokenOf(request: Uint8Array): string | undefined {
  return /[?&]resume_token=([^&\s]*)/.exec(new TextDecoder().decode(request))?.[1];
}

/** One peer with its driver: what it dials, and what it was told. */
export class TestPeer {
  readonly client: CoordinatorClient;
  readonly events: CoordinatorEvent[] = [];
  /** The websocket, as its server end. */
  session: CoordinatorServerSession | undefined;
  /** Peer id at the server of each connection. */
  readonly peerIds: string[] = [];
  /** How often it asked for the relay map's websocket. */
  mapDials = 0;
  /** What it asked for. */
  readonly dialled: CoordinationProtocol[] = [];
  /** Answers the next dials; afterwards the server decides. */
  readonly refusals: Refusal[] = [];
  /** Of each dial of a client. */
  readonly resumeTokens: (string | undefined)[] = [];
  line: Line | undefined;
  /** The server's end of a client's websocket. */
  websocket: WebsocketConnection | undefined;
  /** Agents answer nodes with READY_FOR_HANDSHAKE unless told not to. */
  answersReady = true;

  readonly role: PeerRole;

  constructor(
    role: PeerRole,
    options: Partial<Omit<CoordinatorClientOptions, "at">>,
    now: Instant,
  ) {
    this.role = role;
    this.client = new CoordinatorClient({
      at: role.kind === "agent" ? { kind: "inProcess" } : {
        kind: "websocket",
        deploymentUrl: new URL("http://coder.test:3000/"),
        agentId: AGENT_ID,
        headers: [],
      },
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
  /** Lets clients in and closes at once, without a word. */
  readonly isMute?: boolean;
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

  addClient(options: Partial<Omit<CoordinatorClientOptions, "at">> = {}): TestPeer {
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
    const { session, line } = peer;
    peer.session = undefined;
    session?.handleDisconnected(this.now);
    if (session !== undefined && line !== undefined) {
      peer.client.handleLineClosed(line, message, this.now);
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
      if ((e.kind === "dial" || e.kind === "hangUp") && e.line.name === MAP_LINE) {
        if (e.kind === "dial") this.#refuseMaps(peer, e.line);
        continue;
      }
      peer.events.push(e);
      if (e.kind === "dial") this.#dial(peer, e.line);
      if (e.kind === "hangUp") {
        this.#hear(peer, e.line);
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
    const { client, session, line } = peer;
    client.pump();
    if (line !== undefined) moved = this.#hear(peer, line);
    for (let b = session?.pollTransmit(); b !== undefined; b = session?.pollTransmit()) {
      moved = true;
      const bytes = peer.websocket === undefined
        ? b
        : encodeFrame({ role: "server", random: RANDOM }, b);
      for (const piece of this.#pieces(bytes)) {
        if (line !== undefined) client.handleLineBytes(line, piece, this.now);
      }
    }
    if (session?.endMessage !== undefined && peer.session === session) {
      this.#close(peer, session.endMessage);
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

  /** Ends a peer's connection in order. */
  #close(peer: TestPeer, message: string): void {
    const { session, line, websocket } = peer;
    if (websocket === undefined || line === undefined) return this.cut(peer, message);
    peer.session = undefined;
    session?.handleDisconnected(this.now);
    websocket.close(1000, message.slice(0, 100));
    for (let frame = websocket.pollTransmit(); frame; frame = websocket.pollTransmit()) {
      peer.client.handleLineBytes(line, frame, this.now);
    }
  }

  /** Takes what a peer says; what nobody listens to is swallowed. */
  #hear(peer: TestPeer, line: Line): boolean {
    let moved = false;
    for (let batch = line.takeBatch(); batch; batch = line.takeBatch()) {
      moved = true;
      const bytes = batch.bytes.slice();
      batch.release();
      if (line !== peer.line) continue;
      for (const piece of this.#pieces(bytes)) this.#hearPiece(peer, piece);
    }
    return moved;
  }

  #hearPiece(peer: TestPeer, piece: Uint8Array): void {
    const { websocket } = peer;
    if (websocket === undefined) {
      peer.session?.handleBytes(piece, this.now);
      return;
    }
    websocket.handleBytes(piece);
    for (let m = websocket.pollMessage(); m; m = websocket.pollMessage()) {
      if (m.kind === "binary") peer.session?.handleBytes(m.bytes, this.now);
    }
  }

  #dial(peer: TestPeer, line: Line): void {
    const { client } = peer;
    if (peer.role.kind === "agent") {
      const protocol = this.#options.speaks ?? "v2";
      return this.#letIn(peer, line, { peerId: AGENT_ID, protocol });
    }
    const request = line.takeBatch()?.bytes ?? new Uint8Array(0);
    const resumeToken = resumeTokenOf(request);
    const asked = new TextDecoder().decode(request).includes("version=") ? "v2" : "v1";
    peer.dialled.push(asked);
    peer.resumeTokens.push(resumeToken);
    const refused = peer.refusals.shift() ?? this.#refusalOf(resumeToken);
    if (refused === "unreachable") {
      return client.handleLineClosed(line, "connection refused", this.now);
    }
    client.handleLineOpened(line, undefined, this.now);
    const upgrade = new HttpUpgradeServer();
    upgrade.handleBytes(request);
    if (refused !== undefined) {
      const answer = upgrade.refuse(refused.status, { body: refused.body });
      return client.handleLineBytes(line, answer, this.now);
    }
    const peerId = resumeToken?.replace("token-", "") ?? testUuid(this.#nextClient++);
    this.#letIn(peer, line, { peerId, protocol: this.#options.speaks ?? asked });
    peer.websocket = new WebsocketConnection({ role: "server", random: RANDOM, stream: true });
    client.handleLineBytes(line, upgrade.accept(), this.now);
    if (this.#options.isMute === true) this.#close(peer, "");
  }

  /** As servers before v2.2, which have no websocket for relay maps. */
  #refuseMaps(peer: TestPeer, line: Line): void {
    peer.mapDials++;
    const upgrade = new HttpUpgradeServer();
    peer.client.handleLineOpened(line, undefined, this.now);
    upgrade.handleBytes(line.takeBatch()?.bytes ?? new Uint8Array(0));
    peer.client.handleLineBytes(line, upgrade.refuse(404), this.now);
  }

  #letIn(
    peer: TestPeer,
    line: Line,
    as: { readonly peerId: string; readonly protocol: CoordinationProtocol },
  ): void {
    if (peer.role.kind === "agent" && !this.isServerUp) {
      return peer.client.handleLineClosed(line, "connection refused", this.now);
    }
    peer.peerIds.push(as.peerId);
    peer.line = line;
    peer.session = this.server.openSession({ ...as, role: peer.role }, this.now);
    if (peer.role.kind === "agent") peer.client.handleLineOpened(line, undefined, this.now);
  }

  #refusalOf(resumeToken: string | undefined): Refusal | "unreachable" | undefined {
    if (!this.isServerUp) return "unreachable";
    if (resumeToken === undefined || this.acceptsTokens) return undefined;
    const validations = [{ field: "resume_token", detail: "expired" }];
    return refusal(401, { message: "Invalid resume token", validations });
  }
}

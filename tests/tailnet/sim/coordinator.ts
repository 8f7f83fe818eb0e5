/** The coordinator of a simulated tailnet behind its websocket, and the ways in which it fails. */
import type { Instant, Random } from "../../../lib/base/core.ts";
import { earlier } from "../../../lib/base/deadlines.ts";
import {
  CoordinatorServer,
  type CoordinatorServerSession,
} from "../../../lib/tailnet/coordinator/server_mod.ts";
import type { CoordinationProtocol } from "../../../lib/tailnet/coordinator/mod.ts";
import type { DerpMap } from "../../../lib/tailnet/derp_map.ts";
import {
  encodeFrame,
  HttpUpgradeServer,
  type UpgradeRequest,
  WebsocketConnection,
} from "../../../lib/websocket/mod.ts";
import { testUuid } from "../support.ts";
import { cut, type SimEnd, type SimServer } from "./network.ts";

export type CoordinatorMode =
  | "ok"
  /** Accepts connections and says nothing. */
  | "silent"
  /** Opens the websocket and says nothing in it. */
  | "open-silent"
  /** Opens the websocket and sends what is not yamux. */
  | "nonsense"
  /** Answers with something that is not HTTP. */
  | "not-http"
  /** Stops in the middle of the answer's head. */
  | "half";

interface Line {
  readonly end: SimEnd;
  readonly upgrade: HttpUpgradeServer;
  websocket: WebsocketConnection | undefined;
  session: CoordinatorServerSession | undefined;
}

const AGENT = { kind: "agent" } as const;

interface SimCoordinatorParts {
  readonly random: Random;
  readonly agentId: string;
  readonly map: DerpMap;
  /** What it speaks with clients. */
  readonly protocol: CoordinationProtocol;
  readonly wallMsAtZero: number;
}

export class SimCoordinator implements SimServer {
  isUp = true;
  mode: CoordinatorMode = "ok";
  /** An answer for every upgrade, instead of the websocket. */
  refusal: { readonly status: number; readonly body: string; readonly ends: boolean } | undefined;
  /** Whether tokens from before a restart are honoured. */
  acceptsTokens = true;
  /** How long a token that is granted is good, and when it is to be asked for again. */
  tokenLife = { refreshInMs: 12 * 3_600_000, expiresInMs: Infinity };
  server: CoordinatorServer;
  readonly requests: UpgradeRequest[] = [];
  /** Of every websocket that was let in. */
  readonly peerIds: string[] = [];
  readonly #random: Random;
  readonly #agentId: string;
  readonly #protocol: CoordinationProtocol;
  readonly #wallMsAtZero: number;
  #now: Instant = 0;
  readonly #lines = new Set<Line>();
  #map: DerpMap;
  #nextPeer = 1_000;

  constructor(parts: SimCoordinatorParts) {
    this.#protocol = parts.protocol;
    this.#wallMsAtZero = parts.wallMsAtZero;
    this.#random = parts.random;
    this.#agentId = parts.agentId;
    this.#map = parts.map;
    this.server = this.#newServer();
  }

  /** Connections of clients, whether let in or not. */
  get connectionCount(): number {
    return this.#lines.size;
  }

  ends(): SimEnd[] {
    return [...this.#lines].map((line) => line.end);
  }

  setMap(map: DerpMap, now: Instant): void {
    this.#map = map;
    this.server.setDerpMap(map, now);
  }

  /** The process ends and begins anew, knowing nobody. */
  restart(now: Instant): void {
    for (const line of this.#lines) cut(line.end, now, "server restarted");
    this.#lines.clear();
    this.server = this.#newServer();
  }

  /** The agent's session: its websocket is not simulated. */
  openAgentSession(now: Instant): CoordinatorServerSession {
    return this.server.openSession({ peerId: this.#agentId, role: AGENT }, now);
  }

  accept(end: SimEnd, _now: Instant): void {
    this.#lines.add({
      end,
      upgrade: new HttpUpgradeServer(),
      websocket: undefined,
      session: undefined,
    });
  }

  step(now: Instant): boolean {
    this.#now = now;
    let moved = false;
    for (const line of [...this.#lines]) {
      for (let arrival = line.end.read(now); arrival; arrival = line.end.read(now)) {
        moved = true;
        if (arrival.kind === "end") this.#drop(line, now);
        else if (this.mode !== "silent") this.#handleBytes(line, arrival.bytes, now);
      }
      if ((line.session?.pollTimeout() ?? Infinity) <= now) line.session?.handleTimeout(now);
    }
    while (this.server.pollSession() !== undefined) moved = true;
    for (const line of [...this.#lines]) moved = this.#flush(line, now) || moved;
    return moved;
  }

  nextAt(now: Instant): Instant | undefined {
    let at: Instant | undefined;
    for (const { end, session } of this.#lines) {
      at = earlier(at, earlier(end.nextAt(now), session?.pollTimeout()));
    }
    return at;
  }

  #newServer(): CoordinatorServer {
    return new CoordinatorServer({
      derpMap: this.#map,
      grantResumeToken: (peerId) => ({
        token: `token-${peerId}`,
        refreshInMs: this.tokenLife.refreshInMs,
        expiresAtMs: Math.min(9e15, this.#wallMsAtZero + this.#now + this.tokenLife.expiresInMs),
      }),
    });
  }

  #handleBytes(line: Line, bytes: Uint8Array, now: Instant): void {
    if (line.websocket !== undefined) return this.#handleFrames(line, line.websocket, bytes, now);
    const request = line.upgrade.handleBytes(bytes);
    if (request === undefined) return;
    this.requests.push(request);
    const text = (answer: string) => line.end.write(new TextEncoder().encode(answer), now);
    if (this.mode === "not-http") return text("SSH-2.0-OpenSSH\r\n\r\n");
    if (this.mode === "half") return text("HTTP/1.1 101 Switching Proto");
    const resumeToken = /[?&]resume_token=([^&]*)/.exec(request.path)?.[1];
    const body = new TextEncoder().encode(this.refusal?.body ?? INVALID_TOKEN);
    if (this.refusal?.ends === true) {
      text(`HTTP/1.1 ${this.refusal.status} No\r\nConnection: close\r\n\r\n${this.refusal.body}`);
      return this.#drop(line, now);
    }
    if (this.refusal !== undefined) {
      return line.end.write(line.upgrade.refuse(this.refusal.status, { body }), now);
    }
    if (resumeToken !== undefined && !this.acceptsTokens) {
      return line.end.write(line.upgrade.refuse(401, { body }), now);
    }
    line.end.write(line.upgrade.accept(), now);
    line.websocket = new WebsocketConnection({ role: "server", random: this.#random });
    if (this.mode === "open-silent") return;
    if (this.mode === "nonsense") return this.#send(line, new Uint8Array(64).fill(0x41), now);
    const peerId = resumeToken?.replace("token-", "") ?? testUuid(this.#nextPeer++);
    this.peerIds.push(peerId);
    const role = { kind: "client", agentId: this.#agentId } as const;
    line.session = this.server.openSession({ peerId, role, protocol: this.#protocol }, now);
    if (request.rest.length > 0) this.#handleFrames(line, line.websocket, request.rest, now);
  }

  #handleFrames(
    line: Line,
    websocket: WebsocketConnection,
    bytes: Uint8Array,
    now: Instant,
  ): void {
    websocket.handleBytes(bytes);
    for (let m = websocket.pollMessage(); m; m = websocket.pollMessage()) {
      if (m.kind === "close") return this.#drop(line, now);
      if (m.kind === "binary") line.session?.handleBytes(m.bytes, now);
    }
    for (let f = websocket.pollTransmit(); f; f = websocket.pollTransmit()) line.end.write(f, now);
  }

  #flush(line: Line, now: Instant): boolean {
    const { session } = line;
    let moved = false;
    for (let b = session?.pollTransmit(); b !== undefined; b = session?.pollTransmit()) {
      moved = true;
      this.#send(line, b, now);
    }
    if (session?.endMessage !== undefined) this.#drop(line, now);
    return moved;
  }

  #send(line: Line, payload: Uint8Array, now: Instant): void {
    line.end.write(encodeFrame({ role: "server", random: this.#random }, payload), now);
  }

  #drop(line: Line, now: Instant): void {
    if (!this.#lines.delete(line)) return;
    line.session?.handleDisconnected(now);
    line.end.close(now);
  }
}

const INVALID_TOKEN = JSON.stringify({
  message: "Invalid resume token",
  validations: [{ field: "resume_token", detail: "expired" }],
});

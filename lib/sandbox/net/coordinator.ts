/**
 * The sandbox's coordinator: a `CoordinatorServer` whose sessions are the clients' websockets and, inside the process, the
 * agents. It can be restarted, cut, and made to forget the resume tokens it gave.
 */
import type { Clock, Instant, Random } from "../../base/core.ts";
import { toHex } from "../../base/bytes.ts";
import { randomBytes } from "../../base/core.ts";
import { earlier } from "../../base/deadlines.ts";
import { formatUuid, randomUuid } from "../../tailnet/address.ts";
import type { DerpMap } from "../../tailnet/derp_map.ts";
import { derpMapToJson } from "../../tailnet/derp_map_json.ts";
import type { CoordinationProtocol } from "../../tailnet/coordinator/protocol_version.ts";
import {
  CoordinatorServer,
  type CoordinatorServerSession,
  type PeerRole,
  type ResumeGrant,
} from "../../tailnet/coordinator/server_mod.ts";
import type { UpgradedConn } from "../http/messages.ts";
import { Observers } from "../model/observers.ts";
import { WebsocketPeer } from "./websocket_peer.ts";

export interface SandboxCoordinatorOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly derpMap: DerpMap;
  /** Whether the server knows RefreshResumeToken (v2.15 and newer); asked at every start of it. */
  readonly grantsResumeTokens: () => boolean;
}

/** The far end of a session. */
interface Port {
  send(payload: Uint8Array): void;
  /** Sends what no coordinator would say. Absent: an agent of ours. */
  forge?(payload: Uint8Array): void;
  /** The coordinator ends the session; `message` says why, empty for no word at all. */
  end(message: string): void;
}

/** An agent's end of its session inside the process. */
export interface LocalSession {
  send(payload: Uint8Array): void;
  close(): void;
}

interface Grant {
  readonly peerId: string;
  readonly expiresAtMs: number;
}

/** As the real server (`coderd/agentmetrics`, `tailnet/resume.go`): valid for a day, renewed halfway. */
const RESUME_TOKEN_MS = 24 * 3_600_000;
const RESUME_TOKEN_BYTES = 96;
const MAX_RESUME_TOKENS = 1_024;
const INTERNAL_ERROR = 1011;

export class SandboxCoordinator {
  readonly #options: SandboxCoordinatorOptions;
  readonly #ports = new Map<CoordinatorServerSession, Port>();
  /** Websockets on which servers before v2.8 tell of the relay map. */
  readonly #mapPeers = new Set<WebsocketPeer>();
  readonly #changes = new Observers();
  readonly #grants = new Map<string, Grant>();
  #server: CoordinatorServer;
  #map: DerpMap;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerAt = Infinity;
  #isFlushing = false;
  #isStopped = false;

  constructor(options: SandboxCoordinatorOptions) {
    this.#options = options;
    this.#map = options.derpMap;
    this.#server = this.#newServer();
  }

  /** Resolves when `isReached` holds, which is asked now and whenever something was said. */
  until(isReached: () => boolean, signal?: AbortSignal): Promise<void> {
    return this.#changes.until(isReached, signal);
  }

  /** Resume tokens that are good. */
  get grantedTokens(): number {
    return this.#grants.size;
  }

  /** Peers that hold a Coordinate stream, agents among them. */
  get peerCount(): number {
    return this.#server.peerCount;
  }

  /** Connections, whatever was said on them, those of agents among them. */
  get sessionCount(): number {
    return this.#ports.size;
  }

  get derpMap(): DerpMap {
    return this.#map;
  }

  /** Says this to every client, between messages of its own. */
  forge(payload: Uint8Array): void {
    for (const port of this.#ports.values()) port.forge?.(payload.slice());
  }

  /** Tells everybody of other relays. */
  setDerpMap(map: DerpMap): void {
    this.#map = map;
    this.#server.setDerpMap(map, this.#now());
    for (const peer of this.#mapPeers) peer.send(mapMessage(map));
    this.#flush();
  }

  /** The peer that a resume token names; `undefined` when it is not one of ours, or too old. */
  peerOfToken(token: string): string | undefined {
    const grant = this.#grants.get(token);
    if (grant === undefined || grant.expiresAtMs < this.#options.clock.wallMs()) return undefined;
    return grant.peerId;
  }

  /** Tokens given so far are refused from now on. */
  forgetResumeTokens(): void {
    this.#grants.clear();
  }

  /** Cuts every socket, the agents' too; what peers said is LOST to the others, tokens stay good. */
  cut(): void {
    for (const [session, port] of [...this.#ports]) {
      this.#ports.delete(session);
      session.handleDisconnected(this.#now());
      port.end("");
    }
    this.#cutMapPeers();
    this.#flush();
  }

  /** A new process: sockets are cut, peers and tunnels forgotten. Tokens stay good, as they are signed ones. */
  restart(): void {
    const ports = [...this.#ports.values()];
    this.#ports.clear();
    this.#server = this.#newServer();
    for (const port of ports) port.end("");
    this.#cutMapPeers();
    this.#arm();
  }

  /** Serves a client's websocket; resolves when it is over. */
  async serve(
    upgraded: UpgradedConn,
    client: {
      readonly agentId: string;
      readonly protocol: CoordinationProtocol;
      readonly resumeToken?: string;
    },
  ): Promise<void> {
    if (this.#isStopped) return;
    const { random } = this.#options;
    const peerId = this.peerOfToken(client.resumeToken ?? "") ?? formatUuid(randomUuid(random));
    const role: PeerRole = { kind: "client", agentId: client.agentId };
    const session = this.#server.openSession({
      peerId,
      role,
      protocol: client.protocol,
    }, this.#now());
    const peer = new WebsocketPeer(upgraded, {
      random,
      stream: true,
      onMessage: (payload) => this.#receive(session, payload),
      onClosed: () => this.#lost(session),
    });
    this.#ports.set(session, {
      send: (payload) => peer.send(payload),
      forge: (payload) => peer.send(payload),
      end: (message) => {
        if (message === "") peer.cut();
        else peer.close(INTERNAL_ERROR, message);
      },
    });
    this.#flush();
    await peer.ended;
  }

  /** Tells one client of the relay map, now and whenever it changes; resolves when its websocket is over. */
  async serveMaps(upgraded: UpgradedConn): Promise<void> {
    if (this.#isStopped) return;
    const { random } = this.#options;
    const peer = new WebsocketPeer(upgraded, { random, stream: true, onMessage: () => {} });
    this.#mapPeers.add(peer);
    peer.send(mapMessage(this.#map));
    await peer.ended;
    this.#mapPeers.delete(peer);
  }

  /** Clients that are told of the relay map by a websocket of its own. */
  get mapPeerCount(): number {
    return this.#mapPeers.size;
  }

  /** An agent of this process opens its session. What arrives is handed over in later turns of the loop. */
  connectAgent(
    agentId: string,
    ends: {
      /** Whether it is of a release that has the address which all agents shared. @default false */
      readonly ownsLegacyAddress?: boolean;
      readonly onBytes: (payload: Uint8Array) => void;
      readonly onClosed: (message: string) => void;
    },
  ): LocalSession {
    const role: PeerRole = { kind: "agent", ownsLegacyAddress: ends.ownsLegacyAddress ?? false };
    const session = this.#server.openSession({ peerId: agentId, role }, this.#now());
    this.#ports.set(session, {
      send: (payload) => queueMicrotask(() => ends.onBytes(payload)),
      end: (message) => queueMicrotask(() => ends.onClosed(message || "connection reset")),
    });
    return {
      send: (payload) => this.#receive(session, payload.slice()),
      close: () => this.#lost(session),
    };
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.cut();
  }

  #cutMapPeers(): void {
    for (const peer of this.#mapPeers) peer.cut();
  }

  #newServer(): CoordinatorServer {
    return new CoordinatorServer({
      derpMap: this.#map,
      ...(this.#options.grantsResumeTokens()
        ? { grantResumeToken: (peerId: string) => this.#grant(peerId) }
        : {}),
    });
  }

  #grant(peerId: string): ResumeGrant {
    const { random, clock } = this.#options;
    const token = toHex(randomBytes(random, RESUME_TOKEN_BYTES));
    const expiresAtMs = clock.wallMs() + RESUME_TOKEN_MS;
    const [oldest] = this.#grants.keys();
    if (this.#grants.size >= MAX_RESUME_TOKENS && oldest !== undefined) this.#grants.delete(oldest);
    this.#grants.set(token, { peerId, expiresAtMs });
    return { token, refreshInMs: RESUME_TOKEN_MS / 2, expiresAtMs };
  }

  #receive(session: CoordinatorServerSession, payload: Uint8Array): void {
    if (!this.#ports.has(session)) return;
    session.handleBytes(payload, this.#now());
    this.#flush();
  }

  #lost(session: CoordinatorServerSession): void {
    if (!this.#ports.delete(session)) return;
    session.handleDisconnected(this.#now());
    this.#flush();
  }

  /** Sends what sessions have to say. What one says may make others speak, and end some. */
  #flush(): void {
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    for (let s = this.#server.pollSession(); s !== undefined; s = this.#server.pollSession()) {
      const port = this.#ports.get(s);
      if (port === undefined) continue;
      for (let m = s.pollTransmit(); m !== undefined; m = s.pollTransmit()) port.send(m);
      if (s.endMessage === undefined) continue;
      this.#ports.delete(s);
      port.end(s.endMessage);
    }
    this.#isFlushing = false;
    this.#changes.notify();
    this.#arm();
  }

  #now(): Instant {
    return this.#options.clock.now();
  }

  #arm(): void {
    if (this.#isStopped) return;
    let at: Instant | undefined;
    for (const session of this.#ports.keys()) at = earlier(at, session.pollTimeout());
    if (at === undefined || (this.#timer !== undefined && at >= this.#timerAt)) return;
    clearTimeout(this.#timer);
    this.#timerAt = at;
    this.#timer = setTimeout(() => this.#onTimer(), Math.max(0, at - this.#now()));
  }

  #onTimer(): void {
    this.#timer = undefined;
    this.#timerAt = Infinity;
    const now = this.#now();
    for (const session of [...this.#ports.keys()]) session.handleTimeout(now);
    this.#flush();
  }
}

/** As Go's encoder writes it. */
function mapMessage(map: DerpMap): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(derpMapToJson(map)) + "\n");
}

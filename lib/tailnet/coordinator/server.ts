/**
 * The coordinator of the sandbox: all websockets of clients and agents over one `CoordinatorState` (coder/coder
 * `tailnet/coordinator.go`, `tailnet/service.go`). Who a peer is and which it may reach is known to the driver, which
 * has checked its token.
 *
 * The driver opens a session per websocket, hands it what arrives, and after every call drains `pollSession`: what one
 * peer says makes others' sessions have something to send. Sessions have timers of their own.
 */
import type { Instant } from "../../base/core.ts";
import { equalDerpMaps } from "../derp_map.ts";
import type { DerpMap } from "../derp_map.ts";
import type { PeerRole } from "./authorize.ts";
import { JsonServerSession } from "./json_server_session.ts";
import type { CoordinationProtocol } from "./protocol_version.ts";
import type { CoordinatorServerSession, ResumeGrant, ServerSessionHost } from "./server_host.ts";
import { RpcServerSession } from "./server_session.ts";
import { CoordinatorState } from "./server_state.ts";

export interface CoordinatorServerOptions {
  readonly derpMap: DerpMap;
  /** Makes a token that names the peer. @default the server does not know the RPC, as before v2.15 */
  readonly grantResumeToken?: (peerId: string) => ResumeGrant;
}

export interface ServerSessionOptions {
  /** UUID: the agent's own, a fresh one for a client, or that of its resume token. */
  readonly peerId: string;
  readonly role: PeerRole;
  /** @default "v2" */
  readonly protocol?: CoordinationProtocol;
}

export class CoordinatorServer {
  readonly #state = new CoordinatorState();
  readonly #options: CoordinatorServerOptions;
  readonly #sessions = new Set<CoordinatorServerSession>();
  /** Sessions that have something to send, or are over. */
  readonly #waiting = new Set<CoordinatorServerSession>();
  #map: DerpMap;

  constructor(options: CoordinatorServerOptions) {
    this.#options = options;
    this.#map = options.derpMap;
  }

  /** Peers that hold a Coordinate stream. */
  get peerCount(): number {
    return this.#state.peerCount;
  }

  /** Whether the peer is connected and has announced a node, e.g. for an agent's status. */
  hasNode(peerId: string): boolean {
    return this.#state.hasNode(peerId);
  }

  openSession(options: ServerSessionOptions, now: Instant): CoordinatorServerSession {
    const host: ServerSessionHost = {
      state: this.#state,
      derpMap: () => this.#map,
      grantResumeToken: (peerId) => this.#options.grantResumeToken?.(peerId),
      wantsTransmit: (waiting) => {
        if (waiting.endMessage !== undefined) this.#sessions.delete(waiting);
        this.#waiting.add(waiting);
      },
    };
    const { peerId, role, protocol } = options;
    const session = protocol === "v1"
      ? new JsonServerSession(peerId, role, host)
      : new RpcServerSession(peerId, role, host, now);
    this.#sessions.add(session);
    return session;
  }

  /** A session whose `pollTransmit` is to be drained, and whose websocket is to be closed if it has an `endMessage`. */
  pollSession(): CoordinatorServerSession | undefined {
    const [session] = this.#waiting;
    if (session !== undefined) this.#waiting.delete(session);
    return session;
  }

  /** Tells everybody of other relays, if they are others. */
  setDerpMap(map: DerpMap, now: Instant): void {
    if (equalDerpMaps(this.#map, map)) return;
    this.#map = map;
    for (const session of this.#sessions) session.sendDerpMap(now);
  }
}

/** What the session with an agent is made with, and what it tells (`agent_session.ts`). Sentences are made by whoever shows them. */
import type { Instant, Random } from "../base/core.ts";
import type { AgentTrace, TunnelFailure } from "../base/tunnel.ts";
import type { Aead } from "../crypto/mod.ts";
import type { CoordinationProtocol } from "./coordinator/mod.ts";
import type { DiscoPath } from "../disco/mod.ts";
import type { DerpMap } from "./derp_map.ts";
import type { PathChange } from "./paths/events.ts";

export interface AgentSessionOptions {
  /** UUID text. */
  readonly agentId: string;
  /** The deployment's URL as the user gave it. */
  readonly deploymentUrl: URL;
  /** Of the coordinator's websocket: session token and the user's own. */
  readonly coordinatorHeaders: readonly (readonly [string, string])[];
  /** The user's own headers, for relays. */
  readonly relayHeaders: readonly (readonly [string, string])[];
  readonly derpMap: DerpMap;
  readonly forcesWebsocket: boolean;
  /** Whether relays are asked for a websocket first. @default false */
  readonly beginsWithWebsocket?: boolean;
  /** What the server speaks, as far as known. @default "v2" */
  readonly coordination?: CoordinationProtocol;
  /** Whether the server passes READY_FOR_HANDSHAKE on. @default true */
  readonly expectsReady?: boolean;
  /** What the last run learnt of the agent. @default nothing */
  readonly trace?: AgentTrace;
  readonly random: Random;
  readonly aead: Aead;
  readonly wallMsAtZero: number;
}

/** Why an agent that was known is not any more. */
export type AgentLoss =
  /** Another process runs under its id: it has another key. */
  | "restarted"
  /** It left in order. */
  | "disconnected"
  /** Nobody vouches for it, and it answered nothing for fifteen minutes. */
  | "gone";

export type AgentSessionEvent =
  /** Measure the way to these regions and tell `handleRelayLatencies`. */
  | { readonly kind: "probeRelays"; readonly map: DerpMap }
  /** Ask the API for the relay map, which may have changed, and tell `handleMap`. */
  | { readonly kind: "mapWanted" }
  /** The tunnel carries data in both directions; again after every `agentLost`. */
  | { readonly kind: "reachable" }
  /** Every stream to the agent is dead. */
  | { readonly kind: "agentLost"; readonly loss: AgentLoss }
  /**
   * Reaching the agent will not succeed as things are. Never while it is reachable. Told anew with each failed attempt,
   * which go on unless the failure says otherwise: `reachable` may follow.
   */
  | { readonly kind: "failed"; readonly failure: TunnelFailure }
  /**
   * The coordinator does not want us as we are, whether the agent is reachable or not. Attempts go on if it once did: then this is
   * told anew with each.
   */
  | { readonly kind: "refused"; readonly failure: TunnelFailure }
  /** The agent, reachable until now, has not answered what was sent at `since`. Nothing ends by that. */
  | { readonly kind: "silent"; readonly since: Instant }
  /** It answers again, or is not asked any more. Also of a silence that was not told, because we slept. */
  | { readonly kind: "silenceEnded"; readonly since: Instant }
  /** The agent answered a ping. */
  | { readonly kind: "pong"; readonly latencyMs: number; readonly where: DiscoPath }
  /** Packets go another way from now on. */
  | { readonly kind: "changed"; readonly change: PathChange }
  /** Look the host up and tell `DirectPaths.handleResolved`. */
  | { readonly kind: "resolve"; readonly host: string }
  /** After `leave`: the coordinator knows, or did not want to. The last event. */
  | { readonly kind: "left" };

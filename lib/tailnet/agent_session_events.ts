/** What the session with an agent is made with, and what it tells (`agent_session.ts`). Sentences are for who shows them. */
import type { Random } from "../base/core.ts";
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
  /** What the server speaks, as far as known. @default "v2" */
  readonly coordination?: CoordinationProtocol;
  /** Whether the server passes READY_FOR_HANDSHAKE on. @default true */
  readonly expectsReady?: boolean;
  readonly random: Random;
  readonly aead: Aead;
  readonly wallMsAtZero: number;
}

/** Why the agent is not reached, as far as that is known. Texts are one line without a full stop. */
export type SessionFailure =
  /** The map has no relay that a client could use. */
  | { readonly kind: "noRelay" }
  /** `relay` is the region's name. */
  | { readonly kind: "relayUnreachable"; readonly relay: string; readonly reason: string }
  /** The agent was announced, and answers nothing on its relay. */
  | { readonly kind: "agentSilent" }
  /** Several attempts, and not a word of the coordinator. */
  | { readonly kind: "coordinatorUnreachable"; readonly reason: string }
  /** The coordinator's verdict; `status` of the HTTP answer if it was one. No attempt follows. */
  | {
    readonly kind: "coordinatorRefused";
    readonly status: number | undefined;
    readonly reason: string;
  };

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
  | { readonly kind: "failed"; readonly failure: SessionFailure }
  /** The agent answered a ping. */
  | { readonly kind: "pong"; readonly latencyMs: number; readonly where: DiscoPath }
  /** Packets go another way from now on. */
  | { readonly kind: "changed"; readonly change: PathChange }
  /** Look the host up and tell `DirectPaths.handleResolved`. */
  | { readonly kind: "resolve"; readonly host: string }
  /** After `leave`: the coordinator knows, or did not want to. The last event. */
  | { readonly kind: "left" };

/** How far we are, and what is waited for. */
/** What there is to say of the way to the agent, for people who look for a fault. */
export interface AgentSessionDiagnostics {
  readonly home: NamedRegion | undefined;
  /** Whether the coordinator was told where we are. */
  readonly hasToldNode: boolean;
  /** What the coordinator told of the agent. */
  readonly agent: {
    readonly home: NamedRegion;
    /** Where UDP may reach it, e.g. `1.2.3.4:5`. */
    readonly endpoints: readonly string[];
  } | undefined;
  /** Milliseconds since the last key exchange with it. */
  readonly handshakeAgoMs: number | undefined;
}

export interface NamedRegion {
  readonly id: number;
  readonly name: string;
}

export type AgentSessionStatus =
  /** The relay of that name, or whichever will be chosen. */
  | {
    readonly step: "relay";
    readonly relay: string | undefined;
    readonly lastFailure: string | undefined;
  }
  /** The coordinator's first word. */
  | { readonly step: "coordinator"; readonly lastFailure: string | undefined }
  /** The agent to join the network. */
  | { readonly step: "agent" }
  /** The agent to accept our key. */
  | { readonly step: "ready" }
  /** The agent to answer over that relay. */
  | { readonly step: "handshake"; readonly relay: string }
  /** Nothing. */
  | { readonly step: "reachable" };

/**
 * A tunnel to one workspace agent, as commands see it: `lib/io/node_tunnel.ts` runs one in this process. What is asked of it
 * may have to cross to another process, so a question that somebody waits for is a promise, and what is read at once is as
 * far as it is known here.
 */
import type { DatagramFlow } from "./datagrams.ts";
import { ExpectedError, messageOf } from "./errors.ts";
import type { HeldSession } from "./session.ts";
import type { ByteStream } from "./stream.ts";

/** A tunnel, reachable or not yet. Disposing it is `close()`. */
export interface AgentTunnel extends AsyncDisposable {
  /**
   * Resolves when the tunnel carries data; rejects with `TunnelError` when it does not and will not as things are, with
   * `TunnelFault` when it ended by a mistake of ours, or with the signal's reason. May be asked again after a failure: the
   * agent may have been reached meanwhile.
   */
  reachable(signal?: AbortSignal): Promise<void>;
  /**
   * Connects to a TCP port of the agent; other ports than its own lead to 127.0.0.1 in the workspace. Waits for the agent
   * first. Rejects with `StreamError`, and as `reachable` does.
   */
  openTcp(port: number, signal?: AbortSignal): Promise<ByteStream>;
  /**
   * Opens a flow of datagrams to a UDP port of 127.0.0.1 in the workspace. Waits for the agent first. Whether anything listens
   * there is not told. Rejects as `openTcp` does.
   */
  openUdp(port: number, signal?: AbortSignal): Promise<DatagramFlow>;
  /**
   * A session in an SSH connection that is held for other runs as well, where there is one; else why
   * not, in words for a log. Rejects with the signal's reason.
   */
  openHeldSession?(signal?: AbortSignal): Promise<HeldSession | string>;
  /** One round trip to the agent; `undefined` when nothing came back in `timeoutMs`. @default 5_000 */
  ping(timeoutMs?: number): Promise<PingResult | undefined>;
  /**
   * Resolves when the coordinator does not want us as we are, as when the token was revoked. What is reachable stays so; what is
   * lost from then on may not come back. Never otherwise.
   */
  readonly refused: Promise<TunnelError>;
  /** How far it is, and what is waited for. */
  status(): TunnelStatus;
  /** The agent's silence that goes on, else the last one there was; `undefined` when it always answered. */
  silence(): TunnelSilence | undefined;
  /** Calls `handler` when a silence begins and when it ends, until the returned function is called. */
  onSilence(handler: () => void): () => void;
  /** What there is to say of the way to the agent, for people who look for a fault. */
  diagnostics(): Promise<TunnelDiagnostics>;
  /** What was learnt of the agent for the next run; `undefined` while it is not enough. Absent where others hold the tunnel. */
  trace?(): AgentTrace | undefined;
  /** Bytes that the tunnel carried so far, with all that its protocols add. */
  readonly traffic: TunnelTraffic;
  /**
   * Milliseconds to each relay that answered, by its name. Where there was no choice of a home nothing was measured: then the
   * first call begins to.
   */
  relayLatencies(): Readonly<Record<string, number>>;
  /**
   * Gives the tunnel up and frees all that it holds here. Idempotent; takes about a second at most. Rejects with `TunnelFault`
   * when the tunnel had ended by a mistake of ours: whoever owns the tunnel hears of it, at the latest here.
   */
  close(): Promise<void>;
}

/** What a run learns of an agent, with which the next one greets it before the coordinator has said where it is. No secret. */
export interface AgentTrace {
  /** Public keys, 32 bytes. */
  readonly nodeKey: Uint8Array;
  readonly discoKey: Uint8Array;
  /** The relay region that it is at home in. */
  readonly homeRegion: number;
  /** How long the agent took to learn of us, without the way there and back. */
  readonly readyLagMs: number;
}

/** A round trip. */
export interface PingResult {
  readonly latencyMs: number;
  /** Name of the relay that was used, or would be. */
  readonly relay: string;
  /** Whether no relay lay on the way. */
  readonly isDirect: boolean;
  /** Where the agent answered, as `1.2.3.4:5`, when no relay lay on the way. */
  readonly endpoint?: string;
}

export interface TunnelTraffic {
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/** How far a tunnel is: the step names what is waited for. */
export type TunnelStatus =
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

/** A time in which an agent that was reached did not answer, three seconds at least. What runs over the tunnel may go on after it. */
export interface TunnelSilence {
  readonly lastedMs: number;
  /** How long it is over; `undefined` while it goes on. */
  readonly endedAgoMs: number | undefined;
  /** What is waited for while it goes on. */
  readonly status: TunnelStatus;
}

export interface TunnelDiagnostics {
  readonly home: NamedRegion | undefined;
  /** How the home relay first let us in: by `Upgrade: DERP`, or by websocket; `undefined`: not yet. */
  readonly relayTransport: "upgrade" | "websocket" | undefined;
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

/** Why the agent is not reached, as far as that is known. Texts are one line without a full stop. */
export type TunnelFailure =
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

/** The agent is not reached. Attempts may go on: `failure` says how it stands. */
export class TunnelError extends ExpectedError {
  override name = "TunnelError";
  readonly failure: TunnelFailure | { readonly kind: "closed" };

  constructor(failure: TunnelError["failure"]) {
    super(wordsOf(failure));
    this.failure = failure;
  }
}

/** The tunnel ended by a mistake of this program, its `cause`. */
export class TunnelFault extends Error {
  override name = "TunnelFault";

  constructor(cause: unknown) {
    super(`hawser failed: ${messageOf(cause)}`, { cause });
  }
}

function wordsOf(failure: TunnelError["failure"]): string {
  switch (failure.kind) {
    case "closed":
      return "The connection to the workspace was closed";
    case "noRelay":
      return "The deployment has no relay that a client could use";
    case "relayUnreachable":
      return `Cannot reach the relay "${failure.relay}": ${failure.reason}`;
    case "agentSilent":
      return "The workspace agent does not answer on its relay";
    case "coordinatorUnreachable":
      return `Cannot reach the deployment's network coordinator: ${failure.reason}`;
    case "coordinatorRefused": {
      const { status, reason } = failure;
      return status === undefined
        ? `The network coordinator refused us: ${reason}`
        : `The network coordinator refused us (${status}): ${reason}`;
    }
  }
}

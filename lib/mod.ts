/**
 * The library: a connection to a workspace agent, without the command line around it.
 *
 * @example
 * ```ts
 * await using agent = await dialAgent({ agentId, deploymentUrl, token, derpMap, forcesWebsocket: false });
 * const stream = await agent.openTcp(1);
 * ```
 */
import { basicCredentials } from "./base/http.ts";
import { type Log, SILENT_LOG } from "./base/log.ts";
import type { ByteStream } from "./base/stream.ts";
import { AgentTunnel, type PingResult } from "./io/agent_tunnel.ts";
import { SystemClock } from "./io/clock.ts";
import type { TlsMaterial } from "./io/conn.ts";
import { type DialOptions, newDialOptions } from "./io/dial.ts";
import { systemEnv } from "./io/env.ts";
import type {
  AgentSessionDiagnostics,
  AgentSessionStatus,
} from "./tailnet/agent_session_events.ts";
import {
  coordinationOf,
  type CoordinationProtocol,
} from "./tailnet/coordinator/protocol_version.ts";
import { type DerpMap, derpMapOf, type DerpNode, type DerpRegion } from "./tailnet/derp_map.ts";
import { derpMapFromJson } from "./tailnet/derp_map_json.ts";

export { AGENT_SSH_PORT } from "./tailnet/agent_ports.ts";
export { coordinationOf, derpMapFromJson, derpMapOf };
export type {
  AgentSessionDiagnostics,
  AgentSessionStatus,
  ByteStream,
  CoordinationProtocol,
  DerpMap,
  DerpNode,
  DerpRegion,
  Log,
  PingResult,
  TlsMaterial,
};
export { type StreamEnd, StreamError } from "./base/stream.ts";
export { UserError } from "./base/errors.ts";
export { TunnelError, TunnelFault } from "./io/tunnel_error.ts";
export type { SessionFailure } from "./tailnet/agent_session_events.ts";

export interface DialAgentOptions {
  /** UUID text. */
  readonly agentId: string;
  /** Where the deployment is, as the user typed it. */
  readonly deploymentUrl: URL;
  /** Session token; sent to the deployment alone, never to a relay. */
  readonly token?: string;
  /** Extra headers for the deployment and the relays. @default none */
  readonly headers?: readonly (readonly [string, string])[];
  /** From `GET /api/v2/workspaceagents/{id}/connection`; `derpMapFromJson` reads it. */
  readonly derpMap: DerpMap;
  /** Relays are to be reached by websocket only. @default false */
  readonly forcesWebsocket?: boolean;
  /** Whether the server passes READY_FOR_HANDSHAKE on (v2.11 and newer). @default true */
  readonly expectsReady?: boolean;
  /** Asks for `derpMap` again; servers before v2.0 tell nobody of changes. @default it is not asked for */
  readonly fetchDerpMap?: (signal: AbortSignal) => Promise<DerpMap>;
  /** How the server coordinates, see `coordinationOf`; another one is found out. @default "v2" */
  readonly coordination?: CoordinationProtocol;
  /** Only relays are to be used: no UDP socket is opened. @default false */
  readonly disablesDirect?: boolean;
  /** Certificates besides the system's. */
  readonly tls?: TlsMaterial;
  /** How to dial, instead of `tls` and `env`, when what was learnt of the way to the deployment is shared. */
  readonly dial?: DialOptions;
  /** Environment for proxies. @default the process's */
  readonly env?: (name: string) => string | undefined;
  readonly userAgent?: string;
  /** @default silent */
  readonly log?: Log;
  /** Gives up the waiting of `dialAgent`. */
  readonly signal?: AbortSignal;
}

/** A connection to one agent. Disposing it tells agent and coordinator, then closes everything. */
export interface AgentConnection extends AsyncDisposable {
  /** Connects to a TCP port of the agent; other ports than its own lead to 127.0.0.1 in the workspace. */
  openTcp(port: number, signal?: AbortSignal): Promise<ByteStream>;
  /** One round trip to the agent; `undefined` when it did not answer in `timeoutMs`. @default 5_000 */
  ping(timeoutMs?: number): Promise<PingResult | undefined>;
  status(): AgentSessionStatus;
  diagnostics(): AgentSessionDiagnostics;
  readonly traffic: { readonly bytesIn: number; readonly bytesOut: number };
  /** Milliseconds to each relay that answered, by its name; not before the second call where there is one relay. */
  relayLatencies(): Readonly<Record<string, number>>;
  /** Idempotent. Rejects with `TunnelFault` when a mistake of this program had ended the connection. */
  close(): Promise<void>;
}

/** Begins to connect and returns at once: `openTcp` waits until the agent answers. `status()` says what is waited for. */
export function startAgent(options: DialAgentOptions): AgentConnection & {
  /** Resolves when the agent answers; rejects with `TunnelError`, or `TunnelFault`. May be asked again. */
  reachable(signal?: AbortSignal): Promise<void>;
} {
  const headers = options.headers ?? [];
  const identity: (readonly [string, string])[] = [
    ...(options.token === undefined ? [] : [["Coder-Session-Token", options.token] as const]),
    ...(options.userAgent === undefined ? [] : [["User-Agent", options.userAgent] as const]),
  ];
  const env = options.env ?? systemEnv;
  const tunnel = new AgentTunnel({
    agentId: options.agentId,
    deploymentUrl: options.deploymentUrl,
    coordinatorHeaders: [
      ...identity,
      ...basicCredentials(options.deploymentUrl, headers),
      ...headers,
    ],
    relayHeaders: headers,
    derpMap: options.derpMap,
    forcesWebsocket: options.forcesWebsocket ?? false,
    expectsReady: options.expectsReady ?? true,
    coordination: options.coordination ?? "v2",
    seeksDirect: options.disablesDirect !== true,
    clock: new SystemClock(),
    dial: options.dial ?? newDialOptions(env, options.tls),
    log: options.log ?? SILENT_LOG,
    ...(options.fetchDerpMap === undefined ? {} : { fetchMap: options.fetchDerpMap }),
  });
  return {
    openTcp: (port, signal) => tunnel.openTcp(port, signal),
    ping: (timeoutMs) => tunnel.ping(timeoutMs),
    status: () => tunnel.status(),
    diagnostics: () => tunnel.diagnostics(),
    reachable: (signal) => tunnel.reachable(signal),
    relayLatencies: () => tunnel.relayLatencies(),
    get traffic() {
      return tunnel.traffic;
    },
    close: () => tunnel.close(),
    [Symbol.asyncDispose]: () => tunnel.close(),
  };
}

/** Connects to an agent and waits until it answers. Rejects with `TunnelError`, or the signal's reason. */
export async function dialAgent(options: DialAgentOptions): Promise<AgentConnection> {
  const agent = startAgent(options);
  try {
    await agent.reachable(options.signal);
    return agent;
  } catch (error) {
    await agent.close();
    throw error;
  }
}

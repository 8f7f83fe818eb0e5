/** Begins a tunnel to an agent on this machine's network. */
import { basicCredentials } from "../base/http.ts";
import { type Log, SILENT_LOG } from "../base/log.ts";
import type { AgentTrace, AgentTunnel } from "../base/tunnel.ts";
import type { CoordinationProtocol } from "../tailnet/coordinator/protocol_version.ts";
import type { DerpMap } from "../tailnet/derp_map.ts";
import { SystemClock } from "./clock.ts";
import type { TlsMaterial } from "./conn.ts";
import { type DialOptions, newDialOptions } from "./dial.ts";
import { systemEnv } from "./env.ts";
import { NodeTunnel } from "./node_tunnel.ts";

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
  /** Relays are to be asked for a websocket first, as something on the way refuses `Upgrade: DERP`. @default false */
  readonly beginsWithWebsocket?: boolean;
  /** Whether the server passes READY_FOR_HANDSHAKE on (v2.11 and newer). @default true */
  readonly expectsReady?: boolean;
  /** Asks for `derpMap` again; servers before v2.0 tell nobody of changes. @default it is not asked for */
  readonly fetchDerpMap?: (signal: AbortSignal) => Promise<DerpMap>;
  /** How the server coordinates, see `coordinationOf`; another one is found out. @default "v2" */
  readonly coordination?: CoordinationProtocol;
  /** What the last run learnt of the agent. @default nothing */
  readonly trace?: AgentTrace;
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

/** Begins to connect and returns at once: `openTcp` waits until the agent answers. `status()` says what is waited for. */
export function startAgent(options: DialAgentOptions): AgentTunnel {
  const headers = options.headers ?? [];
  const identity: (readonly [string, string])[] = [
    ...(options.token === undefined ? [] : [["Coder-Session-Token", options.token] as const]),
    ...(options.userAgent === undefined ? [] : [["User-Agent", options.userAgent] as const]),
  ];
  const env = options.env ?? systemEnv;
  return new NodeTunnel({
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
    beginsWithWebsocket: options.beginsWithWebsocket ?? false,
    expectsReady: options.expectsReady ?? true,
    coordination: options.coordination ?? "v2",
    ...(options.trace === undefined ? {} : { trace: options.trace }),
    seeksDirect: options.disablesDirect !== true,
    clock: new SystemClock(),
    dial: options.dial ?? newDialOptions(env, options.tls),
    log: options.log ?? SILENT_LOG,
    ...(options.fetchDerpMap === undefined ? {} : { fetchMap: options.fetchDerpMap }),
  });
}

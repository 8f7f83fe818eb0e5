/** Endpoints of agents (docs/protocol/api.md#reading, #agent-logs, #containers, #connection-information). */
import * as v from "valibot";
import { AGENT, type Agent } from "./agent_model.ts";
import type { LogOptions } from "./builds.ts";
import type { CoderClient } from "./client.ts";
import { ApiError } from "./errors.ts";
import { AGENT_LOG, type AgentLog } from "./log_stream.ts";
import { FLAG, list, TEXT } from "./model_parts.ts";
import type { TextStream } from "../base/http.ts";
import type { ByteStream } from "../base/stream.ts";
import { segment } from "./url.ts";
import type { CallOptions } from "./workspaces.ts";

export async function getAgent(
  client: CoderClient,
  agentId: string,
  options: CallOptions = {},
): Promise<Agent> {
  return await client.get(`/workspaceagents/${segment(agentId)}`, AGENT, options);
}

/** Start-up log lines so far. */
export async function getAgentLogs(
  client: CoderClient,
  agentId: string,
  options: LogOptions = {},
): Promise<readonly AgentLog[]> {
  const { after = 0, signal } = options;
  const schema = v.nullish(v.array(AGENT_LOG), []);
  return await onLogPath(agentId, (path) => client.get(path, schema, { query: { after }, signal }));
}

/** The start-up log from `after` on, as it is written: each message is a list, for `parseAgentLogs`. */
export async function followAgentLogs(
  client: CoderClient,
  agentId: string,
  options: LogOptions = {},
): Promise<TextStream> {
  const { after = 0, signal } = options;
  const query = { follow: true, after, no_compression: true };
  return await onLogPath(agentId, (path) => client.openTextStream(path, { query, signal }));
}

/** `/logs` since v2.0.0, `/startup-logs` before. */
async function onLogPath<T>(agentId: string, call: (path: string) => Promise<T>): Promise<T> {
  const base = `/workspaceagents/${segment(agentId)}`;
  try {
    return await call(`${base}/logs`);
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) {
      return await call(`${base}/startup-logs`);
    }
    throw error;
  }
}

/** As the server writes it. */
export const CONNECTION_INFO = v.pipe(
  v.object({
    derp_map: v.optional(v.unknown()),
    derp_force_websockets: FLAG,
    disable_direct_connections: FLAG,
    hostname_suffix: TEXT,
  }),
  v.transform((wire): ConnectionInfo => ({
    derpMap: wire.derp_map,
    derpForceWebsockets: wire.derp_force_websockets,
    disableDirectConnections: wire.disable_direct_connections,
    hostnameSuffix: wire.hostname_suffix,
  })),
);

/** A map of thirty regions with ten relays each has 100 KB. */
const MAX_INFO_BYTES = 1024 * 1024;

/** How to reach an agent. */
export interface ConnectionInfo {
  /** As it came: `lib/tailnet/derp_map_json.ts` knows what it means. */
  readonly derpMap: unknown;
  readonly derpForceWebsockets: boolean;
  readonly disableDirectConnections: boolean;
  /** Coder Connect's domain; empty before v2.22.0. */
  readonly hostnameSuffix: string;
}

export async function getConnectionInfo(
  client: CoderClient,
  agentId: string,
  options: CallOptions = {},
): Promise<ConnectionInfo> {
  const path = `/workspaceagents/${segment(agentId)}/connection`;
  return await client.get(path, CONNECTION_INFO, { ...options, maxBodyBytes: MAX_INFO_BYTES });
}

export interface TerminalOptions extends CallOptions {
  /** UUID text; the same one leads to the same terminal. */
  readonly id: string;
  readonly size: { readonly columns: number; readonly rows: number };
  /**
   * For the user's shell, when the terminal is not there yet; empty for a login shell. No secrets: it is part of a URL, which proxies
   * and servers write into logs.
   */
  readonly command: string;
  /** Id or name of a container; empty for none. */
  readonly container: string;
  readonly containerUser: string;
}

/** The deployment's web terminal: what the agent's own takes behind its first words, and gives (docs/protocol/api.md#web-terminal). */
export async function openTerminal(
  client: CoderClient,
  agentId: string,
  options: TerminalOptions,
): Promise<ByteStream> {
  const { id, size, command, container, containerUser, signal } = options;
  return await client.openByteStream(`/workspaceagents/${segment(agentId)}/pty`, {
    query: {
      reconnect: id,
      width: size.columns,
      height: size.rows,
      command,
      container: container === "" ? undefined : container,
      container_user: container === "" ? undefined : containerUser,
      // Its own buffer: screen in between would take our marks for its own, and another key of the user's.
      backend_type: "buffered",
    },
    signal,
  });
}

/** How any agent of the deployment is reached. */
export async function getGeneralConnection(
  client: CoderClient,
  options: CallOptions = {},
): Promise<ConnectionInfo> {
  const path = "/workspaceagents/connection";
  return await client.get(path, CONNECTION_INFO, { ...options, maxBodyBytes: MAX_INFO_BYTES });
}

const CONTAINER = v.object({ id: v.string(), name: TEXT, image: TEXT, running: FLAG });
const CONTAINERS = v.object({ containers: list(CONTAINER) });

export interface Container {
  readonly id: string;
  readonly name: string;
  readonly image: string;
  readonly running: boolean;
}

/** Containers the agent sees (docs/protocol/ssh.md#containers). */
export async function listContainers(
  client: CoderClient,
  agentId: string,
  options: CallOptions = {},
): Promise<readonly Container[]> {
  const path = `/workspaceagents/${segment(agentId)}/containers`;
  return (await client.get(path, CONTAINERS, options)).containers;
}

/** Agents and their scripts (docs/protocol/api.md#agent), in our names. Fields of older servers are folded into the newer ones. */
import * as v from "valibot";
import { COUNT, FLAG, ID, list, NEEDED_TEXT, TEXT, TIME, WEB_URL } from "./model_parts.ts";

/** `connecting`, `timeout`, `disconnected`, `connected`, or a word of a newer server. */
export type AgentStatus = string;
/** `created`, `starting`, `ready`, `start_timeout`, `start_error`, `shutting_down`, …, or a word of a newer server. */
export type AgentLifecycle = string;

const SCRIPT = v.object({ start_blocks_login: FLAG });
const LOG_SOURCE = v.object({ id: v.string(), display_name: TEXT });

const WIRE_AGENT = v.object({
  id: ID,
  parent_id: TEXT,
  name: NEEDED_TEXT,
  status: NEEDED_TEXT,
  lifecycle_state: TEXT,
  operating_system: TEXT,
  architecture: TEXT,
  version: TEXT,
  created_at: TIME,
  first_connected_at: TIME,
  last_connected_at: TIME,
  disconnected_at: TIME,
  started_at: TIME,
  ready_at: TIME,
  connection_timeout_seconds: COUNT,
  troubleshooting_url: WEB_URL,
  expanded_directory: TEXT,
  log_sources: list(LOG_SOURCE),
  scripts: v.nullish(v.array(SCRIPT)),
  startup_script_behavior: TEXT,
  login_before_ready: v.nullish(v.boolean()),
});

export interface Agent {
  readonly id: string;
  /** The agent this one was started by (dev containers); empty for the workspace's own. */
  readonly parentId: string;
  readonly name: string;
  readonly status: AgentStatus;
  readonly lifecycle: AgentLifecycle;
  readonly operatingSystem: string;
  readonly architecture: string;
  readonly version: string;
  readonly createdAtMs: number | undefined;
  readonly firstConnectedAtMs: number | undefined;
  readonly lastConnectedAtMs: number | undefined;
  readonly disconnectedAtMs: number | undefined;
  readonly startedAtMs: number | undefined;
  readonly readyAtMs: number | undefined;
  /** 0 when the server never gives up waiting for the agent. */
  readonly connectionTimeoutSeconds: number;
  readonly troubleshootingUrl: string;
  readonly expandedDirectory: string;
  /** Display names of log sources by their id. */
  readonly logSources: ReadonlyMap<string, string>;
  /** Whether logins should wait for the start-up scripts: `--wait=auto` (docs/protocol/ssh.md#wait). */
  readonly startBlocksLogin: boolean;
}

export const AGENT = v.pipe(WIRE_AGENT, v.transform(toAgent));

function toAgent(wire: v.InferOutput<typeof WIRE_AGENT>): Agent {
  return {
    id: wire.id,
    parentId: wire.parent_id,
    name: wire.name,
    status: wire.status,
    lifecycle: wire.lifecycle_state,
    operatingSystem: wire.operating_system,
    architecture: wire.architecture,
    version: wire.version,
    createdAtMs: wire.created_at,
    firstConnectedAtMs: wire.first_connected_at,
    lastConnectedAtMs: wire.last_connected_at,
    disconnectedAtMs: wire.disconnected_at,
    startedAtMs: wire.started_at,
    readyAtMs: wire.ready_at,
    connectionTimeoutSeconds: wire.connection_timeout_seconds,
    troubleshootingUrl: wire.troubleshooting_url,
    expandedDirectory: wire.expanded_directory,
    logSources: new Map(wire.log_sources.map((source) => [source.id, source.display_name])),
    startBlocksLogin: blocksLogin(wire),
  };
}

/** Scripts since v2.2.0; before them one word since v0.24.0; before it one flag. */
function blocksLogin(wire: v.InferOutput<typeof WIRE_AGENT>): boolean {
  const { scripts } = wire;
  if (scripts !== null && scripts !== undefined) {
    return scripts.some((script) => script.start_blocks_login);
  }
  if (wire.startup_script_behavior !== "") return wire.startup_script_behavior === "blocking";
  return wire.login_before_ready === false;
}

/** The agent's scripts have not ended. */
export function isStarting(lifecycle: AgentLifecycle): boolean {
  return lifecycle === "created" || lifecycle === "starting";
}

/** The agent's scripts have ended well; servers before v0.15.3 tell no life cycle. */
export function isReady(lifecycle: AgentLifecycle): boolean {
  return lifecycle === "ready" || lifecycle === "";
}

/** The agent is going away, or gone. */
export function isShuttingDown(lifecycle: AgentLifecycle): boolean {
  return ["shutting_down", "shutdown_timeout", "shutdown_error", "off"].includes(lifecycle);
}

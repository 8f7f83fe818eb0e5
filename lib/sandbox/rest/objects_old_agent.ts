/** Agents as older servers sent them (coder/coder `codersdk/workspaceagents.go` `WorkspaceAgent` at v0.24.0 and v2.5.1). */
import { isAtLeast } from "../../base/version.ts";
import type { Json } from "./object_parts.ts";

/** From here on an agent has several scripts, and its logs have sources. */
export const SCRIPTS_SINCE = "v2.2.0";
const LOGIN_BEFORE_READY_UNTIL = "v2.0.0";
const SUB_AGENTS_SINCE = "v2.23.0";
const SCRIPT_NAMES_SINCE = "v2.8.0";

/** The newest form of an agent, as a server of `version` had it. */
export function agentAsOf(newest: Json, version: string): Json {
  const { parent_id: _parent, ...rest } = newest;
  if (isAtLeast(version, SUB_AGENTS_SINCE)) return newest;
  if (isAtLeast(version, SCRIPT_NAMES_SINCE)) return rest;
  const { scripts, log_sources: logSources, ...common }: Json = {
    ...rest,
    api_version: "1.0",
  };
  if (isAtLeast(version, SCRIPTS_SINCE)) {
    return { ...common, scripts: withoutNames(scripts), log_sources: logSources };
  }
  if (isAtLeast(version, LOGIN_BEFORE_READY_UNTIL)) return common;
  const {
    api_version: _api,
    started_at: _started,
    ready_at: _ready,
    logs_length: length,
    logs_overflowed: overflowed,
    health: _health,
    display_apps: _apps,
    subsystems: _subsystems,
    ...oldest
  } = common;
  return {
    ...oldest,
    startup_logs_length: length,
    startup_logs_overflowed: overflowed,
    login_before_ready: common["startup_script_behavior"] !== "blocking",
    startup_script_timeout_seconds: 60,
    shutdown_script_timeout_seconds: 0,
    subsystem: "none",
  };
}

function withoutNames(scripts: unknown): unknown {
  if (!Array.isArray(scripts)) return scripts;
  return scripts.map(({ id: _id, display_name: _name, ...script }: Json) => script);
}

/** Agents and their logs as the API sends them (docs/protocol/api.md#agent, #agent-logs), in the field order of v2.36. */
import { isAtLeast } from "../../base/version.ts";
import { agentAsOf, SCRIPTS_SINCE } from "./objects_old_agent.ts";
import type { SandboxAgent } from "../model/agent.ts";
import type { SandboxBuild } from "../model/build.ts";
import type { LogLine } from "../model/log_book.ts";
import { type Json, type ObjectContext, present, time } from "./object_parts.ts";

const AGENT_API_VERSION = "2.10";
const TROUBLESHOOTING_URL = "https://coder.com/docs/admin/templates/troubleshooting";
const RELAY_LATENCY_MS = 0.25;
const SCRIPT_TIMEOUT_NS = 60_000_000_000;
const ARCHITECTURES: Readonly<Record<string, string>> = { x86_64: "amd64", aarch64: "arm64" };
/** Why the agent is not well; `undefined` when it is. */
export function healthOf(agent: SandboxAgent): string | undefined {
  switch (agent.status) {
    case "connecting":
      return "agent has not yet connected";
    case "timeout":
      return "agent is taking too long to connect";
    case "disconnected":
      return "agent has lost connection";
    case "connected":
      if (agent.lifecycle === "start_error") return "agent startup script exited with an error";
      return agent.lifecycle.startsWith("shut") || agent.lifecycle === "off"
        ? "agent is shutting down"
        : undefined;
  }
}

/** The agent as a server of this version sends it. */
export function agentJson(agent: SandboxAgent, build: SandboxBuild, around: ObjectContext): Json {
  return agentAsOf(newestAgentJson(agent, build), around.version);
}

function newestAgentJson(agent: SandboxAgent, build: SandboxBuild): Json {
  const { spec } = agent;
  const hasConnected = agent.firstConnectedAtMs !== undefined;
  const reason = healthOf(agent);
  const now = agent.nowMs();
  const hasScript = spec.startup !== undefined;
  return {
    id: agent.id,
    parent_id: null,
    created_at: time(agent.createdAtMs),
    updated_at: time(now),
    ...present({
      first_connected_at: agent.firstConnectedAtMs,
      last_connected_at: hasConnected
        ? agent.status === "disconnected" ? agent.disconnectedAtMs ?? now : now
        : undefined,
      disconnected_at: agent.disconnectedAtMs,
      started_at: agent.startedAtMs,
      ready_at: agent.readyAtMs,
    }),
    status: agent.status,
    lifecycle_state: agent.lifecycle,
    name: agent.name,
    resource_id: build.resourceId,
    architecture: spec.architecture ?? ARCHITECTURES[Deno.build.arch] ?? Deno.build.arch,
    environment_variables: spec.env ?? null,
    operating_system: spec.operatingSystem ?? Deno.build.os,
    logs_length: agent.logs.bytes,
    logs_overflowed: agent.logs.isOverflowed,
    ...(spec.directory === undefined
      ? {}
      : { directory: spec.directory, expanded_directory: spec.directory }),
    version: hasConnected ? agent.version : "",
    api_version: hasConnected ? AGENT_API_VERSION : "",
    apps: agent.apps,
    ...(hasConnected
      ? { latency: { "Coder Embedded Relay": { preferred: true, latency_ms: RELAY_LATENCY_MS } } }
      : {}),
    connection_timeout_seconds: spec.connectionTimeoutSeconds ?? 0,
    troubleshooting_url: spec.troubleshootingUrl ?? TROUBLESHOOTING_URL,
    subsystems: [],
    health: reason === undefined ? { healthy: true } : { healthy: false, reason },
    display_apps: ["vscode", "ssh_helper", "port_forwarding_helper", "web_terminal"],
    log_sources: hasScript
      ? [{
        workspace_agent_id: agent.id,
        id: agent.logSourceId,
        created_at: time(agent.createdAtMs),
        display_name: "Startup",
        icon: "",
      }]
      : [],
    scripts: hasScript
      ? [{
        id: agent.scriptId,
        log_source_id: agent.logSourceId,
        log_path: "",
        script: "",
        cron: "",
        run_on_start: true,
        run_on_stop: false,
        start_blocks_login: spec.blocksLogin ?? false,
        timeout: SCRIPT_TIMEOUT_NS,
        display_name: "Startup",
      }]
      : [],
    startup_script_behavior: hasScript && spec.blocksLogin === true ? "blocking" : "non-blocking",
  };
}

export function agentLogJson(line: LogLine, version: string): Json {
  const source = isAtLeast(version, SCRIPTS_SINCE) ? { source_id: line.source } : {};
  return {
    id: line.id,
    created_at: time(line.createdAtMs),
    output: line.output,
    level: line.level,
    ...source,
  };
}

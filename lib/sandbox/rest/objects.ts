/** The deployment's things as the API sends them (http-api §3), in the field order of v2.36. */
import type { SandboxAgent } from "../model/agent.ts";
import type { SandboxBuild } from "../model/build.ts";
import type { LogLine } from "../model/log_book.ts";
import type { SandboxTemplate, TemplateVersion } from "../model/template.ts";
import type { SandboxUser } from "../model/user.ts";
import type { SandboxWorkspace } from "../model/workspace.ts";

export type Json = Readonly<Record<string, unknown>>;

/** What all objects share. */
export interface Surroundings {
  readonly organizationId: string;
  readonly provisionerId: string;
  /** The server's version, which its agents have too. */
  readonly version: string;
}

const NIL_UUID = "00000000-0000-0000-0000-000000000000";
const AGENT_API_VERSION = "2.10";
const TROUBLESHOOTING_URL = "https://coder.com/docs/admin/templates/troubleshooting";
const RELAY_LATENCY_MS = 0.25;
const SCRIPT_TIMEOUT_NS = 60_000_000_000;
const ARCHITECTURES: Readonly<Record<string, string>> = { x86_64: "amd64", aarch64: "arm64" };

export function time(wallMs: number): string {
  return new Date(wallMs).toISOString();
}

function optionalTime(wallMs: number | undefined): string | null {
  return wallMs === undefined ? null : time(wallMs);
}

/** Only fields that are set: Go's `omitempty`. */
function present(fields: Readonly<Record<string, number | undefined>>): Json {
  const entries = Object.entries(fields)
    .flatMap(([name, wallMs]) => wallMs === undefined ? [] : [[name, time(wallMs)] as const]);
  return Object.fromEntries(entries);
}

export function userJson(user: SandboxUser, { organizationId }: Surroundings): Json {
  return {
    id: user.id,
    username: user.username,
    name: user.name,
    email: user.email,
    created_at: time(user.createdAtMs),
    updated_at: time(user.createdAtMs),
    last_seen_at: time(user.createdAtMs),
    status: "active",
    login_type: "password",
    organization_ids: [organizationId],
    roles: [{ name: "owner", display_name: "Owner" }],
    has_ai_seat: false,
  };
}

export function workspaceJson(workspace: SandboxWorkspace, around: Surroundings): Json {
  const { owner, template, latestBuild } = workspace;
  const failing = workspace.agents.filter((agent) => healthOf(agent) !== undefined);
  return {
    id: workspace.id,
    created_at: time(workspace.createdAtMs),
    updated_at: time(workspace.createdAtMs),
    owner_id: owner.id,
    owner_name: owner.username,
    owner_avatar_url: "",
    organization_id: around.organizationId,
    organization_name: "coder",
    template_id: template.id,
    template_name: template.name,
    template_display_name: "",
    template_icon: "",
    template_allow_user_cancel_workspace_jobs: false,
    template_active_version_id: template.activeVersionId,
    template_require_active_version: template.requiresActiveVersion,
    template_use_classic_parameter_flow: false,
    latest_build: buildJson(latestBuild, workspace, around),
    latest_app_status: null,
    outdated: workspace.isOutdated,
    name: workspace.name,
    ...(workspace.ttlMs === undefined ? {} : { ttl_ms: workspace.ttlMs }),
    last_used_at: time(workspace.lastUsedAtMs),
    deleting_at: null,
    dormant_at: optionalTime(workspace.dormantAtMs),
    health: { healthy: failing.length === 0, failing_agents: failing.map((agent) => agent.id) },
    automatic_updates: workspace.automaticUpdates,
    allow_renames: false,
    favorite: false,
    next_start_at: null,
    is_prebuild: false,
    task_id: null,
  };
}

export function buildJson(
  build: SandboxBuild,
  workspace: SandboxWorkspace,
  around: Surroundings,
): Json {
  const { owner, template } = workspace;
  const version = template.versions.find(({ id }) => id === build.templateVersionId);
  return {
    id: build.id,
    created_at: time(build.createdAtMs),
    updated_at: time(build.completedAtMs ?? build.createdAtMs),
    workspace_id: workspace.id,
    workspace_name: workspace.name,
    workspace_owner_id: owner.id,
    workspace_owner_name: owner.username,
    template_version_id: build.templateVersionId,
    template_version_name: version?.name ?? "",
    build_number: build.number,
    transition: build.transition,
    initiator_id: owner.id,
    initiator_name: owner.username,
    job: buildJobJson(build, owner, around),
    reason: build.reason,
    resources: build.jobStatus === "succeeded" && build.transition === "start"
      ? [resourceJson(build, around)]
      : [],
    deadline: optionalTime(build.deadlineMs),
    max_deadline: optionalTime(build.maxDeadlineMs),
    status: build.status,
    daily_cost: 0,
    matched_provisioners: {
      count: build.provisioners?.count ?? 0,
      available: build.provisioners?.available ?? 0,
      most_recently_seen: null,
    },
    template_version_preset_id: null,
    has_ai_task: false,
    has_external_agent: false,
  };
}

function buildJobJson(build: SandboxBuild, owner: SandboxUser, around: Surroundings): Json {
  return {
    id: build.jobId,
    created_at: time(build.createdAtMs),
    ...present({
      started_at: build.startedAtMs,
      completed_at: build.completedAtMs,
      canceled_at: build.canceledAtMs,
    }),
    ...(build.jobError === undefined ? {} : { error: build.jobError }),
    status: build.jobStatus,
    ...(build.startedAtMs === undefined ? {} : { worker_id: around.provisionerId }),
    ...jobTail({ fileId: build.fileId, type: "workspace_build" }, owner, around),
    queue_position: build.queuePosition,
    queue_size: build.queueSize,
    input: { workspace_build_id: build.id },
    logs_overflowed: build.logs.isOverflowed,
  };
}

function jobTail(
  job: { readonly fileId: string; readonly type: string },
  owner: SandboxUser,
  around: Surroundings,
): Json {
  return {
    file_id: job.fileId,
    tags: { owner: "", scope: "organization" },
    queue_position: 0,
    queue_size: 0,
    organization_id: around.organizationId,
    initiator_id: owner.id,
    type: job.type,
    metadata: {
      template_version_name: "",
      template_id: NIL_UUID,
      template_name: "",
      template_display_name: "",
      template_icon: "",
    },
  };
}

function resourceJson(build: SandboxBuild, around: Surroundings): Json {
  return {
    id: build.resourceId,
    created_at: time(build.completedAtMs ?? build.createdAtMs),
    job_id: build.jobId,
    workspace_transition: build.transition,
    type: "demo_machine",
    name: "workspace",
    hide: false,
    icon: "",
    ...(build.agents.length === 0
      ? {}
      : { agents: build.agents.map((agent) => agentJson(agent, build, around)) }),
    daily_cost: 0,
  };
}

/** Why the agent is not well; `undefined` when it is. */
function healthOf(agent: SandboxAgent): string | undefined {
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

export function agentJson(agent: SandboxAgent, build: SandboxBuild, around: Surroundings): Json {
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
    version: hasConnected ? around.version : "",
    api_version: hasConnected ? AGENT_API_VERSION : "",
    apps: [],
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

export function buildLogJson(line: LogLine): Json {
  return {
    id: line.id,
    created_at: time(line.createdAtMs),
    log_source: line.source,
    log_level: line.level,
    stage: line.stage,
    output: line.output,
  };
}

export function agentLogJson(line: LogLine): Json {
  return {
    id: line.id,
    created_at: time(line.createdAtMs),
    output: line.output,
    level: line.level,
    source_id: line.source,
  };
}

export function templateVersionJson(
  version: TemplateVersion,
  { template, owner }: { readonly template: SandboxTemplate; readonly owner: SandboxUser },
  around: Surroundings,
): Json {
  return {
    id: version.id,
    template_id: template.id,
    organization_id: around.organizationId,
    created_at: time(version.createdAtMs),
    updated_at: time(version.createdAtMs),
    name: version.name,
    message: "",
    job: {
      id: version.jobId,
      created_at: time(version.createdAtMs),
      started_at: time(version.createdAtMs),
      completed_at: time(version.createdAtMs),
      status: "succeeded",
      worker_id: around.provisionerId,
      ...jobTail({ fileId: version.jobId, type: "template_version_import" }, owner, around),
      input: { template_version_id: version.id },
      logs_overflowed: false,
    },
    readme: "",
    created_by: { id: owner.id, username: owner.username, name: owner.name },
    archived: false,
    ...(version.warnings.length === 0 ? {} : { warnings: version.warnings }),
    has_external_agent: false,
  };
}

export function templateJson(
  template: SandboxTemplate,
  owner: SandboxUser,
  around: Surroundings,
): Json {
  const noTimes = { P50: null, P95: null };
  return {
    id: template.id,
    created_at: time(template.createdAtMs),
    updated_at: time(template.createdAtMs),
    organization_id: around.organizationId,
    organization_name: "coder",
    organization_display_name: "Coder",
    organization_icon: "",
    name: template.name,
    display_name: "",
    provisioner: "terraform",
    active_version_id: template.activeVersionId,
    active_user_count: 1,
    build_time_stats: { delete: noTimes, start: noTimes, stop: noTimes },
    description: "",
    deprecated: false,
    deprecation_message: "",
    deleted: false,
    icon: "",
    default_ttl_ms: 0,
    activity_bump_ms: 3_600_000,
    time_til_autostop_notify_ms: 0,
    autostop_requirement: { days_of_week: [], weeks: 1 },
    autostart_requirement: {
      days_of_week: ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"],
    },
    created_by_id: owner.id,
    created_by_name: owner.username,
    allow_user_autostart: true,
    allow_user_autostop: true,
    allow_user_cancel_workspace_jobs: false,
    failure_ttl_ms: 0,
    time_til_dormant_ms: 0,
    time_til_dormant_autodelete_ms: 0,
    require_active_version: template.requiresActiveVersion,
    max_port_share_level: "public",
    cors_behavior: "simple",
    use_classic_parameter_flow: false,
    disable_module_cache: false,
  };
}

/** The deployment's things as the API sends them (docs/protocol/api.md#objects), in the field order of v2.36. */
import type { SandboxBuild } from "../model/build.ts";
import type { LogLine } from "../model/log_book.ts";
import type { SandboxUser } from "../model/user.ts";
import type { SandboxWorkspace } from "../model/workspace.ts";
import { asOf } from "./ages.ts";
import {
  jobTail,
  type Json,
  type ObjectContext,
  optionalTime,
  present,
  time,
} from "./object_parts.ts";
import { agentJson, healthOf } from "./objects_agent.ts";

export function userJson(user: SandboxUser, { organizationId, version }: ObjectContext): Json {
  return asOf(version, "user", {
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
  });
}

export function workspaceJson(workspace: SandboxWorkspace, around: ObjectContext): Json {
  const { owner, template, latestBuild } = workspace;
  const failing = workspace.agents.filter((agent) => healthOf(agent) !== undefined);
  return asOf(around.version, "workspace", {
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
    ...(workspace.autostartSchedule === undefined
      ? {}
      : { autostart_schedule: workspace.autostartSchedule }),
    ...(workspace.ttlMs === undefined ? {} : { ttl_ms: workspace.ttlMs }),
    last_used_at: time(workspace.lastUsedAtMs),
    deleting_at: null,
    dormant_at: optionalTime(workspace.dormantAtMs),
    health: { healthy: failing.length === 0, failing_agents: failing.map((agent) => agent.id) },
    automatic_updates: workspace.automaticUpdates,
    allow_renames: false,
    favorite: workspace.isFavorite,
    next_start_at: null,
    is_prebuild: false,
    task_id: null,
  });
}

export function buildJson(
  build: SandboxBuild,
  workspace: SandboxWorkspace,
  around: ObjectContext,
): Json {
  const { owner, template } = workspace;
  const version = template.versions.find(({ id }) => id === build.templateVersionId);
  return asOf(around.version, "build", {
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
  });
}

function buildJobJson(build: SandboxBuild, owner: SandboxUser, around: ObjectContext): Json {
  return asOf(around.version, "job", {
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
  });
}

function resourceJson(build: SandboxBuild, around: ObjectContext): Json {
  return {
    id: build.resourceId,
    created_at: time(build.completedAtMs ?? build.createdAtMs),
    job_id: build.jobId,
    workspace_transition: build.transition,
    type: "demo_machine",
    name: "workspace",
    hide: false,
    icon: "",
    ...(build.agents.length === 0 || build.isSuperseded
      ? {}
      : { agents: build.agents.map((agent) => agentJson(agent, build, around)) }),
    daily_cost: 0,
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

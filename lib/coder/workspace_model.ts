/** Workspaces, builds and provisioner jobs (docs/protocol/api.md#workspace to #resource), in our names. */
import * as v from "valibot";
import { AGENT, type Agent } from "./agent_model.ts";
import { COUNT, FLAG, ID, list, NEEDED_TEXT, OPTIONAL_ID, TEXT, TIME } from "./model_parts.ts";

const WIRE_JOB = v.object({
  id: v.string(),
  status: NEEDED_TEXT,
  created_at: TIME,
  started_at: TIME,
  completed_at: TIME,
  error: TEXT,
  error_code: TEXT,
  tags: v.nullish(v.record(v.string(), v.string()), {}),
  queue_position: COUNT,
  queue_size: COUNT,
});

export interface Job {
  readonly id: string;
  /** `pending`, `running`, `succeeded`, `canceling`, `canceled`, `failed`, or a word of a newer server. */
  readonly status: string;
  readonly createdAtMs: number | undefined;
  readonly startedAtMs: number | undefined;
  /** Set exactly when the job is over. */
  readonly completedAtMs: number | undefined;
  readonly error: string;
  readonly errorCode: string;
  readonly tags: Readonly<Record<string, string>>;
  /** Position in the queue, from 1; 0 when not queued or not told. */
  readonly queuePosition: number;
  readonly queueSize: number;
}

const JOB = v.pipe(
  WIRE_JOB,
  v.transform((wire): Job => ({
    id: wire.id,
    status: wire.status,
    createdAtMs: wire.created_at,
    startedAtMs: wire.started_at,
    completedAtMs: wire.completed_at,
    error: wire.error,
    errorCode: wire.error_code,
    tags: wire.tags,
    queuePosition: wire.queue_position,
    queueSize: wire.queue_size,
  })),
);

const RESOURCE = v.object({ agents: list(AGENT) });

const MATCHED_PROVISIONERS = v.object({
  count: COUNT,
  available: COUNT,
  most_recently_seen: TIME,
});

const WIRE_BUILD = v.object({
  id: ID,
  workspace_id: OPTIONAL_ID,
  template_version_id: ID,
  build_number: COUNT,
  transition: NEEDED_TEXT,
  status: TEXT,
  reason: TEXT,
  job: JOB,
  resources: list(RESOURCE),
  deadline: TIME,
  max_deadline: TIME,
  matched_provisioners: v.nullish(MATCHED_PROVISIONERS),
});

/** How many provisioner daemons could take a job; `undefined` when the server does not say. */
export interface MatchedProvisioners {
  readonly count: number;
  readonly available: number;
  readonly mostRecentlySeenMs: number | undefined;
}

export interface Build {
  readonly id: string;
  readonly workspaceId: string;
  readonly templateVersionId: string;
  readonly number: number;
  /** `start`, `stop`, `delete`, or a word of a newer server. */
  readonly transition: string;
  /** `pending`, `starting`, `running`, `stopped`, … (docs/protocol/api.md#build). */
  readonly status: string;
  readonly reason: string;
  readonly job: Job;
  /** Of all resources, in order; empty until the job has succeeded. */
  readonly agents: readonly Agent[];
  /** When the workspace will be stopped. */
  readonly deadlineMs: number | undefined;
  readonly maxDeadlineMs: number | undefined;
  readonly matchedProvisioners: MatchedProvisioners | undefined;
}

export const BUILD = v.pipe(WIRE_BUILD, v.transform(toBuild));

function toBuild(wire: v.InferOutput<typeof WIRE_BUILD>): Build {
  const matched = wire.matched_provisioners;
  return {
    id: wire.id,
    workspaceId: wire.workspace_id,
    templateVersionId: wire.template_version_id,
    number: wire.build_number,
    transition: wire.transition,
    status: wire.status,
    reason: wire.reason,
    job: wire.job,
    agents: wire.resources.flatMap((resource) => resource.agents),
    deadlineMs: wire.deadline,
    maxDeadlineMs: wire.max_deadline,
    matchedProvisioners: matched === null || matched === undefined ? undefined : {
      count: matched.count,
      available: matched.available,
      mostRecentlySeenMs: matched.most_recently_seen,
    },
  };
}

const WIRE_WORKSPACE = v.object({
  id: ID,
  name: NEEDED_TEXT,
  owner_id: TEXT,
  owner_name: NEEDED_TEXT,
  organization_id: TEXT,
  template_id: OPTIONAL_ID,
  template_name: TEXT,
  template_active_version_id: OPTIONAL_ID,
  template_require_active_version: FLAG,
  automatic_updates: TEXT,
  outdated: FLAG,
  latest_build: BUILD,
  ttl_ms: v.nullish(v.pipe(v.number(), v.finite("a number"))),
  dormant_at: TIME,
  locked_at: TIME, // v0.25.0 to v2.1.3
});

export interface Workspace {
  readonly id: string;
  readonly name: string;
  readonly ownerId: string;
  readonly ownerName: string;
  readonly organizationId: string;
  readonly templateId: string;
  readonly templateName: string;
  /** Empty on servers that do not tell. */
  readonly templateActiveVersionId: string;
  readonly templateRequireActiveVersion: boolean;
  /** `always` or `never`; empty on servers that do not tell. */
  readonly automaticUpdates: string;
  readonly outdated: boolean;
  readonly latestBuild: Build;
  /** `undefined` when no autostop was set. */
  readonly ttlMs: number | undefined;
  readonly dormantAtMs: number | undefined;
}

export const WORKSPACE = v.pipe(
  WIRE_WORKSPACE,
  v.transform((wire): Workspace => ({
    id: wire.id,
    name: wire.name,
    ownerId: wire.owner_id,
    ownerName: wire.owner_name,
    organizationId: wire.organization_id,
    templateId: wire.template_id,
    templateName: wire.template_name,
    templateActiveVersionId: wire.template_active_version_id,
    templateRequireActiveVersion: wire.template_require_active_version,
    automaticUpdates: wire.automatic_updates,
    outdated: wire.outdated,
    latestBuild: wire.latest_build,
    ttlMs: wire.ttl_ms ?? undefined,
    dormantAtMs: wire.dormant_at ?? wire.locked_at,
  })),
);

export const WORKSPACE_LIST = v.object({ workspaces: list(WORKSPACE), count: COUNT });

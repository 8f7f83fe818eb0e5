/** Workspaces as people look at them: more of each than a session needs (docs/protocol/api.md#objects), and the JSON as the server wrote it. */
import * as v from "valibot";
import { AGENT, type Agent } from "./agent_model.ts";
import { checkJson } from "./answer.ts";
import type { CoderClient } from "./client.ts";
import { COUNT, FLAG, list, TEXT, TIME } from "./model_parts.ts";
import { segment } from "./url.ts";
import { WORKSPACE, type Workspace } from "./workspace_model.ts";
import type { CallOptions } from "./workspaces.ts";

const RESOURCE = v.object({ type: TEXT, name: TEXT, agents: list(AGENT) });
const HEALTH = v.nullish(v.object({ healthy: FLAG, reason: TEXT }));
const AGENT_HEALTH = v.object({ id: TEXT, health: HEALTH });

const VIEW = v.object({
  organization_name: TEXT,
  favorite: FLAG,
  autostart_schedule: TEXT,
  health: HEALTH,
  latest_build: v.object({
    created_at: TIME,
    template_version_name: TEXT,
    daily_cost: COUNT,
    resources: list(RESOURCE),
  }),
});
const HEALTHS = v.object({
  latest_build: v.object({ resources: list(v.object({ agents: list(AGENT_HEALTH) })) }),
});

export interface ResourceView {
  readonly type: string;
  readonly name: string;
  readonly agents: readonly Agent[];
}

export interface WorkspaceView {
  /** As the server wrote it. */
  readonly json: unknown;
  readonly workspace: Workspace;
  readonly organizationName: string;
  readonly isFavorite: boolean;
  /** `CRON_TZ=… m h * * dow`; empty for none. */
  readonly autostartSchedule: string;
  readonly isHealthy: boolean;
  readonly builtAtMs: number | undefined;
  readonly templateVersionName: string;
  readonly dailyCost: number;
  readonly resources: readonly ResourceView[];
  /** What is wrong with agents, by their id; no entry for those that are well. */
  readonly ailments: ReadonlyMap<string, string>;
}

function viewOf(json: unknown): WorkspaceView {
  const what = "a workspace of the answer";
  const wire = checkJson(VIEW, json, what);
  const build = wire.latest_build;
  const agents = checkJson(HEALTHS, json, what).latest_build.resources
    .flatMap((resource) => resource.agents);
  return {
    json,
    workspace: checkJson(WORKSPACE, json, what),
    organizationName: wire.organization_name,
    isFavorite: wire.favorite,
    autostartSchedule: wire.autostart_schedule,
    isHealthy: wire.health?.healthy ?? false,
    builtAtMs: build.created_at,
    templateVersionName: build.template_version_name,
    dailyCost: build.daily_cost,
    resources: build.resources,
    ailments: new Map(
      agents.filter(({ health }) => health !== undefined && health !== null && !health.healthy)
        .map(({ id, health }) => [id, health?.reason ?? ""]),
    ),
  };
}

const PAGE_SIZE = 100;
/** More than anybody has: a server whose pages never end is given up there. */
const MAX_WORKSPACES = 10_000;
const PAGE = v.object({ workspaces: list(v.unknown()) });

/** All workspaces that a search finds; an empty one finds all that one may see. */
export async function listWorkspaceViews(
  client: CoderClient,
  search: string,
  options: CallOptions = {},
): Promise<readonly WorkspaceView[]> {
  const all: WorkspaceView[] = [];
  while (all.length < MAX_WORKSPACES) {
    const { workspaces } = await client.get("/workspaces", PAGE, {
      ...options,
      query: { ...(search === "" ? {} : { q: search }), offset: all.length, limit: PAGE_SIZE },
    });
    all.push(...workspaces.map(viewOf));
    if (workspaces.length < PAGE_SIZE) break;
  }
  return all;
}

/** One workspace, found before. */
export async function getWorkspaceView(
  client: CoderClient,
  workspaceId: string,
  options: CallOptions = {},
): Promise<WorkspaceView> {
  return viewOf(await client.get(`/workspaces/${segment(workspaceId)}`, v.unknown(), options));
}

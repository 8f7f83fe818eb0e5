/**
 * From a name to a workspace that runs and the agent in it (docs/protocol/ssh.md#names). Waiting for the agent is
 * `agent_wait.ts`.
 */
import { UserError } from "../../base/errors.ts";
import type { Agent } from "../../coder/agent_model.ts";
import { ApiError, StepError } from "../../coder/errors.ts";
import { goQuote } from "../../coder/text.ts";
import type { Build, Workspace } from "../../coder/workspace_model.ts";
import { getWorkspace, getWorkspaceByName } from "../../coder/workspaces.ts";
import { autostart, needsStart } from "./autostart.ts";
import { waitForBuild } from "./build_wait.ts";
import { chooseAgent } from "./choose_agent.ts";
import { retrying, type Steps } from "./steps.ts";
import {
  isWorkspaceName,
  parseWorkspaceName,
  toUuid,
  type WorkspaceName,
} from "./workspace_name.ts";

export interface TargetOptions {
  /** The workspace as typed. */
  readonly input: string;
  /** @default none */
  readonly hostPrefix?: string;
  /** @default none */
  readonly hostnameSuffix?: string;
  /** @default false */
  readonly disableAutostart?: boolean;
  /** Called when it does not run yet, before that is waited for. @default nothing is done */
  readonly onWait?: () => void;
}

/** What a session connects to. */
export interface Target {
  readonly workspace: Workspace;
  /** Its build that has succeeded. */
  readonly build: Build;
  readonly agent: Agent;
}

/** Finds the workspace, starts it if need be, waits for its build, picks the agent. Throws `UserError`, `ApiError`. */
export async function resolveTarget(steps: Steps, options: TargetOptions): Promise<Target> {
  const { input, disableAutostart = false, hostPrefix = "", hostnameSuffix = "" } = options;
  const { onWait = () => {} } = options;
  const name = parseWorkspaceName(input, { hostPrefix, hostnameSuffix });
  const workspace = await findRunning(steps, name, { disableAutostart, onWait });
  const { latestBuild } = workspace;
  const isBuilding = latestBuild.job.completedAtMs === undefined;
  if (isBuilding) onWait();
  const build = isBuilding ? await waitForBuild(steps, latestBuild.id) : latestBuild;
  if (build.transition === "delete") {
    throw new UserError(`workspace ${goQuote(workspace.name)} is being deleted`);
  }
  checkBuilt(workspace, build);
  const agent = chooseAgent(build.agents, {
    agentName: name.agent,
    workspaceName: workspace.name,
    ownerName: workspace.ownerName,
    hostPrefix,
    hostnameSuffix,
  });
  return { workspace, build, agent };
}

/** A start that failed leaves no agents: that it failed is the better news. */
function checkBuilt(workspace: Workspace, build: Build): void {
  if (build.agents.length > 0) return;
  const { status } = build.job;
  if (status !== "failed" && status !== "canceled") return;
  const why = build.job.error === "" ? "" : `: ${build.job.error}`;
  throw new UserError(
    `workspace ${goQuote(workspace.name)} has no agents`,
    { hint: `Its last build is ${status}${why}. Start it again from the dashboard` },
  );
}

async function findRunning(
  steps: Steps,
  name: WorkspaceName,
  options: { readonly disableAutostart: boolean; readonly onWait: () => void },
): Promise<Workspace> {
  const workspace = await findWorkspace(steps, name);
  if (!needsStart(workspace)) return workspace;
  options.onWait();
  const result = await autostart(steps, workspace, { disabled: options.disableAutostart });
  if (result.kind === "started") return result.workspace;
  const again = await findWorkspace(steps, name);
  if (!needsStart(again)) return again;
  throw new UserError("workspace must be started", {
    hint: "Another build is under way: try again when it has ended",
  });
}

/** The workspace, by id first when the name may be one (docs/protocol/ssh.md#names). Throws `ApiError`. */
export async function findWorkspace(steps: Steps, name: WorkspaceName): Promise<Workspace> {
  const { client, progress, signal } = steps;
  return await progress.during("Looking for the workspace", () =>
    retrying(steps, async () => {
      const found = await findById(steps, name);
      if (found !== undefined) return found;
      try {
        return checkAnswer(await getWorkspaceByName(client, name, { signal }), name);
      } catch (error) {
        if (error instanceof ApiError && (error.status === 404 || error.status === 400)) {
          throw new StepError("", error, notFoundHint(name, client.url));
        }
        throw error;
      }
    }));
}

async function findById(steps: Steps, name: WorkspaceName): Promise<Workspace | undefined> {
  if (name.uuid === undefined) return undefined;
  try {
    return checkAnswer(await getWorkspace(steps.client, name.uuid, { signal: steps.signal }), name);
  } catch (error) {
    const isMissing = error instanceof ApiError && error.status === 404;
    if (isMissing && isWorkspaceName(name.name)) return undefined;
    throw error;
  }
}

/**
 * The workspace, if it is what was asked for. A deployment that answers with another one would lead people, and what they type, to
 * wherever it likes, under a name whose host key nobody has pinned.
 */
function checkAnswer(workspace: Workspace, asked: WorkspaceName): Workspace {
  const isSame = (a: string, b: string) => a.toLowerCase() === b.toLowerCase();
  const isAsked = isSame(workspace.id, asked.uuid ?? "") || isSame(workspace.name, asked.name);
  // `me` is somebody, and an owner may be asked for by id.
  const mayDiffer = asked.owner === "me" || toUuid(asked.owner) !== undefined;
  if (isAsked && (mayDiffer || isSame(workspace.ownerName, asked.owner))) return workspace;
  throw new UserError(
    `asked for workspace ${
      goQuote(`${asked.owner}/${asked.name}`)
    }, the deployment answered with ` +
      goQuote(`${workspace.ownerName}/${workspace.name}`),
    { hint: "Do not trust it, and tell its administrator" },
  );
}

function notFoundHint(name: WorkspaceName, url: URL): string {
  const shown = name.owner === "me" ? name.name : `${name.owner}/${name.name}`;
  return `Is there a workspace ${goQuote(shown)} on ${url.host}, and may you use it?`;
}

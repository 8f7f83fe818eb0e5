/**
 * Starting a stopped workspace because somebody wants in (docs/protocol/ssh.md#autostart, docs/protocol/api.md#starting-a-stopped-workspace). Nothing prompts: parameters
 * stay those of the last build, new ones take their defaults on the server.
 */
import { UserError } from "../../base/errors.ts";
import { isEarly } from "../../base/version.ts";
import { ApiError, StepError } from "../../coder/errors.ts";
import { goQuote, stripToLine } from "../../coder/text.ts";
import type { Build, Workspace } from "../../coder/workspace_model.ts";
import {
  activateWorkspace,
  createBuild,
  getActiveVersionId,
  getWorkspace,
} from "../../coder/workspaces.ts";
import { inStep, retrying, type Steps } from "./steps.ts";

export type AutostartResult =
  /** As read again after the start. */
  | { readonly kind: "started"; readonly workspace: Workspace }
  /** Somebody else is at it: resolve the workspace again, without starting it. */
  | { readonly kind: "conflict" };

/** Whether the workspace must be started before one can connect. */
export function needsStart(workspace: Workspace): boolean {
  return workspace.latestBuild.transition !== "start";
}

/** Starts the workspace, or says why not (the table of docs/protocol/ssh.md#autostart, in its order). */
export async function autostart(
  steps: Steps,
  workspace: Workspace,
  options: { readonly disabled: boolean },
): Promise<AutostartResult> {
  const { client, progress, signal } = steps;
  checkStartable(workspace, { ...options, serverVersion: client.serverVersion });
  progress.line(
    "Workspace was stopped, starting workspace to allow connecting to " +
      `${goQuote(workspace.name)}...`,
  );
  return await progress.during("Starting the workspace", async () => {
    if (workspace.dormantAtMs !== undefined) {
      progress.line("Activating dormant workspace...");
      await activate(steps, workspace.id);
    }
    const build = await start(steps, workspace);
    if (build === "conflict") {
      progress.line(
        "Unable to start the workspace due to conflict, the workspace may be starting, " +
          "retrying without autostart...",
      );
      return { kind: "conflict" };
    }
    warnAboutProvisioners(steps, build);
    const again = await retrying(steps, () => getWorkspace(client, workspace.id, { signal }));
    return { kind: "started", workspace: again };
  });
}

function checkStartable(
  workspace: Workspace,
  options: { readonly disabled: boolean; readonly serverVersion: string | undefined },
): void {
  const { serverVersion } = options;
  const { latestBuild: build } = workspace;
  const name = goQuote(workspace.name);
  if (isEarly(serverVersion)) {
    throw new UserError("workspace must be in start transition to ssh", {
      hint: "Start it from the dashboard",
    });
  }
  if (options.disabled) {
    throw new UserError("workspace must be started", {
      hint: "Start it from the dashboard, or leave --disable-autostart out",
    });
  }
  if (build.transition === "delete") throw new UserError(`workspace ${name} is deleted`);
  if (build.job.status === "failed") {
    throw new UserError(
      `workspace ${name} is in failed state, unable to autostart the workspace`,
      { hint: "See the log of its last build in the dashboard, and start it from there" },
    );
  }
  if (build.status !== "stopped") {
    throw new UserError(
      "workspace must be started; was unable to autostart as the last build job is " +
        `${goQuote(build.status)}, expected "stopped"`,
      { hint: "Try again when that build has ended" },
    );
  }
}

/** Wakes a workspace that is dormant. */
export async function activate({ client, signal }: Steps, workspaceId: string): Promise<void> {
  const wake = () => activateWorkspace(client, workspaceId, { signal });
  await inStep(signal, "activate workspace", wake);
}

async function start(steps: Steps, workspace: Workspace): Promise<Build | "conflict"> {
  const { client, progress, signal } = steps;
  const last = workspace.latestBuild.templateVersionId;
  const wantsActive = workspace.automaticUpdates === "always" ||
    workspace.templateRequireActiveVersion;
  const templateVersionId = wantsActive ? await activeVersionId(steps, workspace) : last;
  try {
    return await createBuild(client, workspace.id, {
      transition: "start",
      reason: "ssh_connection",
      templateVersionId,
      signal,
    });
  } catch (error) {
    if (error instanceof ApiError && error.status === 409) return "conflict";
    if (error instanceof ApiError && error.status === 403) {
      const build = await startOnActive(steps, workspace);
      if (build !== "conflict") {
        progress.line(
          "Unable to start the workspace with template version from last build. Your workspace " +
            "has been updated to the current active template version.",
        );
      }
      return build;
    }
    if (signal.aborted) throw error;
    throw new StepError(
      "start workspace with current template version",
      error,
      parameterHint(error),
    );
  }
}

/** The template wants its active version (docs/protocol/api.md#making-a-build, 403). */
async function startOnActive(steps: Steps, workspace: Workspace): Promise<Build | "conflict"> {
  const { client, signal } = steps;
  try {
    const templateVersionId = await activeVersionId(steps, workspace);
    return await createBuild(client, workspace.id, {
      transition: "start",
      reason: "ssh_connection",
      templateVersionId,
      signal,
    });
  } catch (error) {
    if (error instanceof ApiError && error.status === 409) return "conflict";
    if (signal.aborted) throw error;
    throw new StepError(
      "start workspace with active template version",
      error,
      parameterHint(error),
    );
  }
}

/** The version of its template that a workspace would be updated to. */
export async function activeVersionId(steps: Steps, workspace: Workspace): Promise<string> {
  if (workspace.templateActiveVersionId !== "") return workspace.templateActiveVersionId;
  const { client, signal } = steps;
  return await getActiveVersionId(client, workspace.templateId, { signal });
}

function parameterHint(error: unknown): string | undefined {
  return error instanceof ApiError && error.status === 400
    ? "The template may ask for new parameters: start the workspace once from the dashboard"
    : undefined;
}

/** Tells whoever waits for a build that perhaps no provisioner will take it. */
export function warnAboutProvisioners(steps: Steps, build: Build): void {
  const { job, matchedProvisioners: matched } = build;
  if (job.status !== "pending" || matched === undefined || matched.available > 0) return;
  const header = matched.count === 0
    ? "Your build has been enqueued, but there are no provisioners that accept the required " +
      "tags. It goes on as soon as there is one; ask your administrator."
    : "Provisioners that accept the required tags have not responded for longer than expected. " +
      "The build may take longer; ask your administrator if it does not end.";
  const tags = Object.entries(job.tags).map(([key, value]) => `${key}=${value}`).join(" ");
  steps.progress.line(`WARN: ${header}`);
  steps.progress.line(`\tProvisioner job ID: ${stripToLine(job.id)}`);
  steps.progress.line(`\tRequested tags: ${stripToLine(tags) || "none"}`);
}

/** `list`: the workspaces there are, as a table or as the API's JSON (docs/protocol/ssh.md#commands-about-workspaces). */
import * as v from "valibot";
import type { Host } from "../../base/host.ts";
import type { CoderClient } from "../../coder/client.ts";
import { listWorkspaceViews, type WorkspaceView } from "../../coder/workspace_view.ts";
import { switchFlag, textFlag } from "../grammar/flag.ts";
import { columnFlag, OUTPUT, writeJson, writeTable } from "../table/output.ts";
import type { Column } from "../table/table.ts";
import { localRfc3339 } from "../terminal/local_time.ts";
import { shortDuration } from "../workspace/duration_text.ts";
import { describeSchedule, nextStart, parseSchedule } from "../workspace/schedule.ts";
import { statusWord } from "../workspace/status_words.ts";
import { withClient } from "../workspace/surroundings.ts";
import { defineCommand } from "./command.ts";
import { inStep } from "../ready/steps.ts";

const DEFAULT_SEARCH = "owner:me";

interface Row {
  readonly view: WorkspaceView;
  readonly host: Host;
}

const COLUMNS: readonly Column<Row>[] = [
  { name: "favorite", cell: ({ view }) => String(view.isFavorite) },
  { name: "workspace", cell: ({ view }) => nameOf(view) },
  { name: "organization id", cell: ({ view }) => view.workspace.organizationId },
  { name: "organization name", cell: ({ view }) => view.organizationName },
  { name: "template", cell: ({ view }) => view.workspace.templateName },
  { name: "status", cell: ({ view }) => statusWord(view.workspace.latestBuild) },
  { name: "healthy", cell: ({ view }) => healthOf(view) },
  { name: "last built", cell: lastBuilt },
  { name: "current version", cell: ({ view }) => view.templateVersionName },
  { name: "outdated", cell: ({ view }) => String(view.workspace.outdated) },
  { name: "starts at", cell: startsAt },
  { name: "starts next", cell: startsNext },
  { name: "stops after", cell: stopsAfter },
  { name: "stops next", cell: stopsNext },
  { name: "daily cost", cell: ({ view }) => String(Math.trunc(view.dailyCost)) },
];

const DEFAULT_COLUMNS = [
  "workspace",
  "template",
  "status",
  "healthy",
  "last built",
  "current version",
  "outdated",
  "starts at",
  "stops after",
];

const LIST = {
  all: switchFlag({
    name: "all",
    shorthand: "a",
    help: "All workspaces that you may see; --search does not count then.",
  }),
  column: columnFlag(COLUMNS, DEFAULT_COLUMNS),
  output: OUTPUT,
  search: textFlag({
    name: "search",
    initial: DEFAULT_SEARCH,
    help: "Search for workspaces, in the words of the dashboard's search field.",
  }),
  sharedWithMe: switchFlag({
    name: "shared-with-me",
    hidden: true,
    help: "The workspaces that others share with you.",
  }),
};

export const command = defineCommand({
  name: "list",
  usage: "[flags]",
  summary: "List workspaces.",
  description: "Lists your workspaces. `ls` is short for it.",
  examples: [
    { line: "hawser list", does: "Your workspaces" },
    { line: "hawser list --all", does: "All that you may see" },
    { line: "hawser list --search status:running", does: "Those that run" },
    { line: "hawser list --column workspace,status", does: "Two columns" },
    { line: "hawser list --output json", does: "For programs" },
  ],
  flags: LIST,
  positionals: { min: 0, max: 0 },
  run: (flags, asking) =>
    withClient(asking, async ({ client, steps }) => {
      const { host, progress } = asking;
      const { signal } = steps;
      const search = flags.sharedWithMe
        ? await sharedSearch(client, { search: flags.search, signal })
        : flags.all
        ? ""
        : flags.search || DEFAULT_SEARCH;
      const find = () => listWorkspaceViews(client, search, { signal });
      const views = await progress.during(
        "Asking for the workspaces",
        () => inStep(signal, "query workspaces", find),
      );
      if (flags.output === "json") {
        const wire = views.map(({ json }) => json);
        await writeJson(host, wire);
        return 0;
      }
      if (views.length === 0) {
        progress.line("No workspaces found! Create one:");
        for (const line of ["", "  coder create <name>", ""]) progress.line(line);
        return 0;
      }
      await writeTable(host, sorted(views, flags.column).map((view) => ({ view, host })), {
        columns: COLUMNS,
        chosen: flags.column,
      });
      return 0;
    }),
});

async function sharedSearch(
  client: CoderClient,
  { search, signal }: { readonly search: string; readonly signal: AbortSignal },
): Promise<string> {
  const { id } = await client.get("/users/me", v.object({ id: v.string() }), { signal });
  const shared = `shared_with_user:"${id}"`;
  return search === DEFAULT_SEARCH || search === "" ? shared : `${shared} ${search}`;
}

/** By the column of names, when there is one: favourites stand last then, as upstream has it. */
function sorted(
  views: readonly WorkspaceView[],
  chosen: readonly string[],
): readonly WorkspaceView[] {
  if (chosen.length > 0 && !chosen.includes("workspace")) return views;
  return views.toSorted((a, b) => nameOf(a) < nameOf(b) ? -1 : nameOf(a) > nameOf(b) ? 1 : 0);
}

function nameOf({ isFavorite, workspace }: WorkspaceView): string {
  return `${isFavorite ? "★" : " "} ${workspace.ownerName}/${workspace.name}`;
}

function healthOf({ isHealthy, workspace }: WorkspaceView): string {
  const word = statusWord(workspace.latestBuild);
  return word === "Starting" || word === "Started" ? String(isHealthy) : "";
}

function lastBuilt({ view, host }: Row): string {
  const { createdAtMs } = view.workspace.latestBuild.job;
  if (createdAtMs === undefined) return "";
  return shortDuration(Math.trunc((host.clock.wallMs() - createdAtMs) / 1_000) * 1_000);
}

function startsAt({ view }: Row): string {
  const schedule = parseSchedule(view.autostartSchedule);
  return schedule === undefined ? "" : describeSchedule(schedule);
}

function startsNext({ view, host }: Row): string {
  const schedule = parseSchedule(view.autostartSchedule);
  const next = schedule === undefined ? undefined : nextStart(schedule, host.clock.wallMs());
  return next === undefined ? "" : localRfc3339(host.clock, next);
}

function stopsAfter({ view: { workspace } }: Row): string {
  return workspace.ttlMs ? shortDuration(workspace.ttlMs) : "";
}

function stopsNext({ view: { workspace }, host }: Row): string {
  const { deadlineMs, transition } = workspace.latestBuild;
  if (!workspace.ttlMs || deadlineMs === undefined || transition !== "start") return "";
  return localRfc3339(host.clock, deadlineMs);
}

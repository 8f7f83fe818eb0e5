/** `show`: one workspace, its resources, agents and what listens there, in a box (docs/protocol/ssh.md#commands-about-workspaces). */
import { ApiError, describe, StepError } from "../../coder/errors.ts";
import { getListeningPorts, type ListeningPort } from "../../coder/ports.ts";
import { getWorkspaceView, type WorkspaceView } from "../../coder/workspace_view.ts";
import { switchFlag } from "../grammar/flag.ts";
import type { Steps } from "../ready/steps.ts";
import { renderBox } from "../table/box.ts";
import { OUTPUT, writeJson } from "../table/output.ts";
import { writeText } from "../terminal/print.ts";
import { goDuration } from "../workspace/duration_text.ts";
import { lookUp } from "../workspace/find_workspace.ts";
import { RESOURCE_HEAD, resourceGroups } from "../workspace/resource_rows.ts";
import { withClient } from "../workspace/surroundings.ts";
import { defineCommand } from "./command.ts";

const SHOW = {
  details: switchFlag({
    name: "details",
    help: "Accepted as the official command has it: hawser cuts no details.",
  }),
  output: OUTPUT,
};

export const command = defineCommand({
  name: "show",
  usage: "[flags] <workspace>",
  summary: "Show a workspace, its agents and what listens in it.",
  examples: [
    { line: "hawser show dev", does: "Agents, their state, and the ports that are open" },
    { line: "hawser show dev --output json", does: "For programs" },
  ],
  flags: SHOW,
  positionals: { min: 1, max: 1, complete: "workspaces" },
  run: (flags, asking) =>
    withClient(asking, async ({ client, steps }) => {
      const { host, args: [input = ""] } = asking;
      const found = await lookUp(steps, input, "get workspace");
      const view = await getWorkspaceView(client, found.id, { signal: steps.signal });
      if (flags.output === "json") {
        await writeJson(host, view.json);
        return 0;
      }
      const wallMs = host.clock.wallMs();
      const ports = await portsOf(steps, view);
      const box = renderBox({
        title: titleOf(view, wallMs),
        head: RESOURCE_HEAD,
        groups: resourceGroups({ view, serverVersion: client.serverVersion ?? "", ports, wallMs }),
        width: host.stdout.isTerminal ? host.stdout.size()?.columns : undefined,
      });
      await writeText(host.stdout, box);
      return 0;
    }),
});

function titleOf(view: WorkspaceView, wallMs: number): string {
  const { ownerName, name, templateName, latestBuild } = view.workspace;
  const since = goDuration(wallMs - (view.builtAtMs ?? wallMs));
  const template = `${templateName}:${view.templateVersionName}`;
  return `${ownerName}/${name} (${latestBuild.status} since ${since}) ${template}`;
}

/** An agent that does not say is named on stderr, and shown without ports. */
async function portsOf(
  steps: Steps,
  view: WorkspaceView,
): Promise<ReadonlyMap<string, readonly ListeningPort[]>> {
  if (view.workspace.latestBuild.status !== "running") return new Map();
  const { client, progress, signal } = steps;
  const agents = view.resources.flatMap((resource) => resource.agents);
  const asked = agents.map(async ({ id, name }) => {
    try {
      return [id, await getListeningPorts(client, id, { signal })] as const;
    } catch (error) {
      if (signal.aborted || !(error instanceof ApiError || error instanceof StepError)) throw error;
      const [why = ""] = describe(error).split("\n", 1);
      progress.line(`WARN: Failed to get listening ports for agent ${name}: ${why}`);
      return [id, []] as const;
    }
  });
  return await progress.during(
    "Asking what listens in the workspace",
    async () => new Map(await Promise.all(asked)),
  );
}

/** `logs`: what a build and the start-up scripts of its agents said (docs/protocol/ssh.md#commands-about-workspaces). */
import { UserError } from "../../base/errors.ts";
import { getBuild, getBuildByNumber } from "../../coder/builds.ts";
import type { Build, Workspace } from "../../coder/workspace_model.ts";
import { getTemplateVersion } from "../../coder/workspaces.ts";
import { integerFlag, switchFlag } from "../grammar/flag.ts";
import { inStep, type Steps } from "../ready/steps.ts";
import { writeText } from "../terminal/print.ts";
import { lookUp } from "../workspace/find_workspace.ts";
import { agentLog, buildLog, type LogLine } from "../workspace/log_lines.ts";
import { withClient } from "../workspace/surroundings.ts";
import { defineCommand } from "./command.ts";

export const command = defineCommand({
  name: "logs",
  usage: "[flags] <workspace>",
  summary: "Show the logs of a workspace's build and start-up.",
  examples: [
    { line: "hawser logs dev", does: "Of the last build and its agents" },
    { line: "hawser logs dev --follow", does: "And what is written from now on" },
    { line: "hawser logs dev --build-number -1", does: "Of the build before the last" },
  ],
  flags: {
    buildNumber: integerFlag({
      name: "build-number",
      shorthand: "n",
      initial: 0,
      help: "The number of a build, from 1. 0 is the last one, -1 the one before it.",
    }),
    follow: switchFlag({
      name: "follow",
      shorthand: "f",
      help: "Show what is written from now on.",
    }),
  },
  positionals: { min: 1, max: 1, complete: "workspaces" },
  run: ({ buildNumber, follow }, asking) =>
    withClient(asking, async ({ client, steps }) => {
      const { args: [input = ""], host } = asking;
      const workspace = await lookUp(steps, input, "failed to get workspace");
      const build = await buildOf(steps, workspace, buildNumber);
      const { signal } = steps;
      const version = await getTemplateVersion(client, build.templateVersionId, { signal });
      const say = async (lines: readonly LogLine[]) => {
        for (const { text } of lines) await writeText(host.stdout, `${text}\n`);
      };
      const title =
        `Logs for workspace build #${build.number} (ID: ${build.id} Template Version: ${version.name})`;
      await writeText(host.stdout, `--- ${title} ---\n`);
      const ofBuild = buildLog(steps, build.id);
      const of = { workspaceId: workspace.id, buildId: build.id };
      const ofAgents = build.agents.map((agent) => agentLog(steps, agent, of));
      const soFar = await Promise.all([ofBuild, ...ofAgents].map((log) => log.soFar()));
      await say(soFar.flat().toSorted((a, b) => a.atMs - b.atMs));
      if (!follow) return 0;
      await writeText(host.stdout, "--- Streaming logs ---\n");
      // One writer at a time: lines of several logs do not mix.
      let turn = Promise.resolve();
      const inTurn = (lines: readonly LogLine[]) => turn = turn.then(() => say(lines));
      const followAgents = async () => {
        await ofBuild.follow(inTurn);
        if (ofAgents.length > 0) return;
        // A build that was under way has its agents now.
        const { agents } = await getBuild(client, build.id, { signal });
        await Promise.all(agents.map((agent) => agentLog(steps, agent, of).follow(inTurn)));
      };
      await Promise.all([followAgents(), ...ofAgents.map((log) => log.follow(inTurn))]);
      return 0;
    }),
});

async function buildOf(steps: Steps, workspace: Workspace, asked: number): Promise<Build> {
  const { latestBuild: last, name, ownerName: owner } = workspace;
  const number = asked < 0 ? last.number + asked : asked;
  if (asked < 0 && number < 1) {
    throw new UserError(
      `invalid build number offset: ${asked} latest build number: ${last.number}`,
    );
  }
  if (number === 0) return last;
  const { client, signal } = steps;
  const get = () => getBuildByNumber(client, { owner, name, number }, { signal });
  return await inStep(signal, `failed to get build ${asked}`, get);
}

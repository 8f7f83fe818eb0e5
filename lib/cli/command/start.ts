/** `start`: starts a workspace and waits for the build, saying its stages (docs/protocol/ssh.md#commands-about-workspaces). */
import { UserError } from "../../base/errors.ts";
import { goQuote } from "../../coder/text.ts";
import type { Build, Workspace } from "../../coder/workspace_model.ts";
import { switchFlag } from "../grammar/flag.ts";
import { warnAboutProvisioners } from "../ready/autostart.ts";
import { inStep, type Steps } from "../ready/steps.ts";
import { PARAMETER_FLAGS, PROVISIONER_LOG_DEBUG, REASON, YES } from "../workspace/build_flags.ts";
import { Builder } from "../workspace/builds.ts";
import { lookUp } from "../workspace/find_workspace.ts";
import { Questions } from "../workspace/questions.ts";
import { withClient } from "../workspace/surroundings.ts";
import { defineCommand } from "./command.ts";

const START = {
  ...PARAMETER_FLAGS,
  noWait: switchFlag({ name: "no-wait", help: "Do not wait for the build." }),
  provisionerLogDebug: PROVISIONER_LOG_DEBUG,
  reason: REASON,
  yes: YES,
};

export const command = defineCommand({
  name: "start",
  usage: "[flags] <workspace>",
  summary: "Start a workspace.",
  examples: [
    { line: "hawser start dev", does: "Start it and wait until it is built" },
    { line: "hawser start dev --no-wait", does: "Start it and go on" },
    { line: "hawser start dev --parameter region=eu", does: "With another value of a parameter" },
  ],
  flags: START,
  positionals: { min: 1, max: 1, complete: "workspaces" },
  run: (flags, asking) =>
    withClient(asking, async ({ steps }) => {
      const { args: [input = ""], host } = asking;
      const questions = new Questions(host, steps.signal);
      const builder = new Builder(steps, questions, flags);
      const workspace = await lookUp(steps, input);
      const build = await begin(workspace, { steps, builder, questions, yes: flags.yes });
      if (build === undefined) return 0;
      if (flags.noWait) {
        await builder.say(
          `The ${workspace.name} workspace has been started in no-wait mode. Workspace is building in ` +
            "the background.\n",
        );
        return 0;
      }
      await builder.wait(build);
      await builder.sayDone(workspace, "started");
      return 0;
    }),
});

interface Beginning {
  readonly steps: Steps;
  readonly builder: Builder;
  readonly questions: Questions;
  readonly yes: boolean;
}

/** The build that makes it run; `undefined` when it runs already. */
async function begin(workspace: Workspace, how: Beginning): Promise<Build | undefined> {
  const { steps, builder, questions, yes } = how;
  const { latestBuild: last, name } = workspace;
  switch (last.status) {
    case "running":
      await builder.say(`\nThe ${name} workspace is already running!\n`);
      return undefined;
    case "starting":
      await builder.say(`\nThe ${name} workspace is already starting.\n`);
      return last;
    case "pending":
      await builder.say(`\nThe ${name} workspace is waiting to start!\n`);
      warnAboutProvisioners(steps, last);
      // A start that waits is the one that was asked for: upstream asks for a second one, which no server takes.
      if (last.transition === "start") return last;
      await questions.confirm("Enqueue another start?", { isAnswered: yes, bare: "no" });
      break;
    case "deleted":
    case "deleting":
      throw new UserError(`workspace ${goQuote(name)} is ${last.status}`);
  }
  const ready = last.status === "failed" && last.transition === "start"
    ? await cleanUp(workspace, how)
    : workspace;
  await builder.wake(ready);
  return await builder.start(ready, await builder.prepare(ready));
}

/** What a start that failed has left behind goes first. */
async function cleanUp(workspace: Workspace, { steps, builder }: Beginning): Promise<Workspace> {
  await builder.say("The last start build failed. Cleaning up before retrying...\n");
  const { signal } = steps;
  const stop = () => builder.stop(workspace);
  const build = await inStep(signal, "cleanup stop after failed start", stop);
  await inStep(signal, "wait for cleanup stop", () => builder.wait(build));
  return await lookUp(steps, workspace.id);
}

/** `stop`: stops a workspace and waits for the build, saying its stages (docs/protocol/ssh.md#commands-about-workspaces). */
import { warnAboutProvisioners } from "../ready/autostart.ts";
import { PROVISIONER_LOG_DEBUG, REASON, YES } from "../workspace/build_flags.ts";
import { Builder } from "../workspace/builds.ts";
import { lookUp } from "../workspace/find_workspace.ts";
import { Questions } from "../workspace/questions.ts";
import { withClient } from "../workspace/surroundings.ts";
import { defineCommand } from "./command.ts";

export const command = defineCommand({
  name: "stop",
  usage: "[flags] <workspace>",
  summary: "Stop a workspace.",
  examples: [
    { line: "hawser stop dev", does: "Stop it, after a question" },
    { line: "hawser stop dev --yes", does: "Without one" },
  ],
  flags: { provisionerLogDebug: PROVISIONER_LOG_DEBUG, reason: REASON, yes: YES },
  positionals: { min: 1, max: 1, complete: "workspaces" },
  run: (flags, asking) =>
    withClient(asking, async ({ steps }) => {
      const { args: [input = ""], host } = asking;
      const questions = new Questions(host, steps.signal);
      const builder = new Builder(steps, questions);
      await questions.confirm("Confirm stop workspace?", { isAnswered: flags.yes });
      const workspace = await lookUp(steps, input);
      const { latestBuild: last } = workspace;
      if (last.job.status === "pending") {
        steps.progress.warning("The workspace is already stopping!");
        warnAboutProvisioners(steps, last);
        await questions.confirm("Enqueue another stop?", { isAnswered: flags.yes, bare: "no" });
      }
      await builder.wait(await builder.stop(workspace));
      await builder.sayDone(workspace, "stopped");
      return 0;
    }),
});

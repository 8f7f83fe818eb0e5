/** `restart`: stops a workspace and starts it again (docs/protocol/ssh.md#commands-about-workspaces). What the start needs is asked for before anything stops. */
import { PARAMETER_FLAGS, PROVISIONER_LOG_DEBUG, REASON, YES } from "../workspace/build_flags.ts";
import { Builder } from "../workspace/builds.ts";
import { lookUp } from "../workspace/find_workspace.ts";
import { Questions } from "../workspace/questions.ts";
import { withClient } from "../workspace/surroundings.ts";
import { defineCommand } from "./command.ts";

export const command = defineCommand({
  name: "restart",
  usage: "[flags] <workspace>",
  summary: "Stop a workspace and start it again.",
  examples: [
    { line: "hawser restart dev", does: "After a question" },
    {
      line: "hawser restart dev --yes --ephemeral-parameter clean=true",
      does: "With a value for this once",
    },
  ],
  flags: {
    ...PARAMETER_FLAGS,
    provisionerLogDebug: PROVISIONER_LOG_DEBUG,
    reason: REASON,
    yes: YES,
  },
  positionals: { min: 1, max: 1, complete: "workspaces" },
  run: (flags, asking) =>
    withClient(asking, async ({ steps }) => {
      const { args: [input = ""], host } = asking;
      const questions = new Questions(host, steps.signal);
      const builder = new Builder(steps, questions, flags);
      const workspace = await lookUp(steps, input);
      const request = await builder.prepare(workspace);
      await questions.confirm("Restart workspace?", { isAnswered: flags.yes });
      await builder.wait(await builder.stop(workspace, request.ephemeral));
      await builder.wait(await builder.start(workspace, request, "restart"));
      await builder.sayDone(workspace, "restarted");
      return 0;
    }),
});

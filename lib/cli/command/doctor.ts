/** `doctor`: what is wrong with the way to a deployment, in plain words, and what to try. */
import { examine } from "../diagnose/examine.ts";
import { problemCount, renderFindings } from "../diagnose/finding.ts";
import { OUTPUT, writeJson } from "../table/output.ts";
import { writeText } from "../terminal/print.ts";
import { stripToLine } from "../../coder/text.ts";
import { withClient } from "../workspace/surroundings.ts";
import { defineCommand } from "./command.ts";

export const command = defineCommand({
  name: "doctor",
  usage: "[flags]",
  summary: "Say what is wrong with a connection, and what to try.",
  description:
    "Looks at proxy, deployment, account, relays and OpenSSH, and says of each whether it is " +
    "well. Changes nothing. Exits with 1 when there is a problem.",
  examples: [
    { line: "hawser doctor", does: "In words" },
    { line: "hawser doctor --output json", does: "For programs" },
  ],
  flags: { output: OUTPUT },
  positionals: { min: 0, max: 0 },
  run: (flags, asking) =>
    withClient(asking, async ({ client, configuration, steps }) => {
      const { host, global, progress } = asking;
      const findings = await progress.during(
        "Looking",
        (wait) =>
          examine({
            host,
            configuration,
            client,
            signal: steps.signal,
            disablesDirect: global.disableDirectConnections,
          }, (about) => wait.now(`Looking at ${about}`)),
      );
      if (flags.output === "json") await writeJson(host, findings);
      else {
        const lines = renderFindings(findings).map((line) => `${stripToLine(line)}\n`);
        await writeText(host.stdout, lines.join(""));
      }
      return problemCount(findings) === 0 ? 0 : 1;
    }),
});

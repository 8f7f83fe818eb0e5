/** `netcheck`: what this machine's network lets through on the way to workspaces: relays, UDP, proxies. */
import { UserError } from "../../base/errors.ts";
import type { SurveyedRelay } from "../../base/host_network.ts";
import { stripToLine } from "../../coder/text.ts";
import { isOpen, nearestFirst, networkJson, networkLines } from "../diagnose/network_report.ts";
import { surveyFor } from "../diagnose/survey.ts";
import { OUTPUT, writeJson, writeTable } from "../table/output.ts";
import type { Column } from "../table/table.ts";
import { writeText } from "../terminal/print.ts";
import { withClient } from "../workspace/surroundings.ts";
import { defineCommand } from "./command.ts";

const COLUMNS: readonly Column<SurveyedRelay>[] = [
  { name: "relay", cell: ({ name }) => name },
  {
    name: "latency",
    cell: ({ latencyMs }) => latencyMs === undefined ? "no answer" : `${latencyMs.toFixed(1)} ms`,
  },
  { name: "upgrade", cell: ({ takesUpgrade }) => takesUpgrade ? "yes" : "no" },
  { name: "websocket", cell: ({ takesWebsocket }) => takesWebsocket ? "yes" : "no" },
];

export const command = defineCommand({
  name: "netcheck",
  usage: "[flags]",
  summary: "Show what the network lets through to relays and by UDP.",
  description:
    "Asks every relay of the deployment how far it is and whether it can be spoken to by its own protocol " +
    "and by websocket, and STUN servers how they see this machine's UDP. Exits with 1 when no relay lets anything through.",
  examples: [
    { line: "hawser netcheck", does: "In words" },
    {
      line: "hawser netcheck --output json",
      does: "For programs, by the official command's names",
    },
  ],
  flags: { output: OUTPUT },
  positionals: { min: 0, max: 0 },
  run: (flags, asking) =>
    withClient(asking, async ({ client, configuration, steps: { signal } }) => {
      const { host, progress, global: { disableDirectConnections: disablesDirect } } = asking;
      const report = await progress.during(
        "Asking relays and STUN servers",
        () => surveyFor({ host, client, configuration, disablesDirect, signal }),
      );
      if (report === undefined) {
        throw new UserError(
          "this deployment tells its relays with a workspace, and you have none",
          { hint: "Create one in the dashboard, then ask again" },
        );
      }
      const { survey } = report;
      const relays = nearestFirst(survey.relays);
      if (flags.output === "json") await writeJson(host, networkJson(report));
      else {
        const lines = networkLines(report).map((line) => `${stripToLine(line)}\n`);
        await writeText(host.stdout, lines.join(""));
        await writeTable(host, relays, {
          columns: COLUMNS,
          chosen: COLUMNS.map(({ name }) => name),
        });
      }
      return relays.some(isOpen) ? 0 : 1;
    }),
});

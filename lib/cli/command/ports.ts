/** `ports`: what listens in a workspace, as its agent sees it. The official command shows it in `show` alone. */
import { UserError } from "../../base/errors.ts";
import { getListeningPorts, type ListeningPort } from "../../coder/ports.ts";
import { chooseAgent } from "../ready/choose_agent.ts";
import { findWorkspace } from "../ready/resolve_workspace.ts";
import { parseWorkspaceName } from "../ready/workspace_name.ts";
import { columnFlag, OUTPUT, writeJson, writeTable } from "../table/output.ts";
import type { Column } from "../table/table.ts";
import { withClient } from "../workspace/surroundings.ts";
import { defineCommand } from "./command.ts";

const COLUMNS: readonly Column<ListeningPort>[] = [
  { name: "port", cell: ({ port }) => String(port) },
  { name: "network", cell: ({ network }) => network },
  { name: "process", cell: ({ processName }) => processName },
];

export const command = defineCommand({
  name: "ports",
  usage: "[flags] <workspace>",
  summary: "List the ports on which something in a workspace listens.",
  examples: [
    { line: "hawser ports dev", does: "What listens there" },
    { line: "hawser ports dev --output json", does: "For programs" },
  ],
  flags: { output: OUTPUT, column: columnFlag(COLUMNS, COLUMNS.map(({ name }) => name)) },
  positionals: { min: 1, max: 1, complete: "workspaces" },
  run: (flags, asking) =>
    withClient(asking, async ({ client, steps }) => {
      const { args: [input = ""], host, progress } = asking;
      const name = parseWorkspaceName(input);
      const workspace = await findWorkspace(steps, name);
      const { latestBuild: build } = workspace;
      if (build.status !== "running") {
        throw new UserError(
          `workspace "${workspace.name}" is ${build.status}, nothing listens there`,
          {
            hint: `Start it with: hawser start ${workspace.name}`,
          },
        );
      }
      const agent = chooseAgent(build.agents, {
        agentName: name.agent,
        workspaceName: workspace.name,
        ownerName: workspace.ownerName,
      });
      const { signal } = steps;
      const ports = await progress.during("Asking what listens in the workspace", () =>
        getListeningPorts(client, agent.id, { signal }));
      if (flags.output === "json") {
        await writeJson(
          host,
          ports.map(({ port, network, processName }) => ({
            process_name: processName,
            network,
            port,
          })),
        );
      } else if (ports.length === 0) {
        progress.line("Nothing listens there, as far as the agent tells.");
      } else {
        await writeTable(host, ports, { columns: COLUMNS, chosen: flags.column });
      }
      return 0;
    }),
});

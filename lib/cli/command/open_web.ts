/** `open web`: a workspace's page in the dashboard. Ours: the official command has none. */
import { lookUp } from "../workspace/find_workspace.ts";
import { pageLink } from "../workspace/links.ts";
import { openLink } from "../workspace/open_link.ts";
import { withClient } from "../workspace/surroundings.ts";
import { defineCommand } from "./command.ts";

export const command = defineCommand({
  name: "open web",
  usage: "<workspace>",
  summary: "Open a workspace's page in the dashboard.",
  examples: [{ line: "hawser open web dev", does: "In the browser" }],
  flags: {},
  positionals: { min: 1, max: 1, complete: "workspaces" },
  run: (_, asking) =>
    withClient(asking, async ({ client, steps }) => {
      const { args: [input = ""], host, progress } = asking;
      const { ownerName: owner, name } = await lookUp(steps, input);
      const url = pageLink(client.url, { owner, workspace: name });
      await openLink(host, progress, { url, what: url, onlyPrints: false, signal: steps.signal });
      return 0;
    }),
});

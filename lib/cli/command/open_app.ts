/** `open app`: an application of a workspace, in the browser or wherever its link leads. */
import { UserError } from "../../base/errors.ts";
import { getApps, getRegions } from "../../coder/apps.ts";
import { goList, goQuote } from "../../coder/text.ts";
import { textFlag } from "../grammar/flag.ts";
import { resolveTarget } from "../ready/resolve_workspace.ts";
import { appLink, TOKEN_MARK } from "../workspace/links.ts";
import { openLink } from "../workspace/open_link.ts";
import { withClient } from "../workspace/surroundings.ts";
import { defineCommand } from "./command.ts";
import { inStep } from "../ready/steps.ts";

export const command = defineCommand({
  name: "open app",
  usage: "[flags] <workspace> [<app slug>]",
  summary: "Open an application of a workspace, or list them.",
  examples: [
    { line: "hawser open app dev", does: "What there is" },
    { line: "hawser open app dev code-server", does: "One of them" },
  ],
  flags: {
    region: textFlag({
      name: "region",
      env: "CODER_OPEN_APP_REGION",
      initial: "primary",
      help: "Which of the deployment's regions the app is opened through.",
    }),
  },
  positionals: { min: 1, max: 2, complete: "workspaces", completeSecond: "apps" },
  run: ({ region: asked }, asking) =>
    withClient(asking, async ({ client, steps }) => {
      const { args: [input = "", slug], host, progress } = asking;
      const { signal } = steps;
      const { workspace, agent } = await resolveTarget(steps, { input, disableAutostart: true });
      const apps = await getApps(client, agent.id, { signal });
      const slugs = goList(apps.map((app) => app.slug));
      if (slug === undefined) {
        progress.line(`Available apps in ${goQuote(input)}: ${slugs}`);
        return 0;
      }
      const app = apps.find((one) => one.slug === slug);
      if (app === undefined) {
        throw new UserError("app not found", {
          details: [`App ${goQuote(slug)} not found in workspace ${goQuote(input)}!`],
          hint: `Available apps: ${slugs}`,
        });
      }
      const get = () => getRegions(client, { signal });
      const regions = await inStep(signal, "failed to fetch regions", get);
      const region = regions.find(({ name }) => name === asked);
      if (region === undefined) {
        throw new UserError("region not found", {
          details: [`Preferred region ${goQuote(asked)} not found!`],
          hint: `Available regions: ${goList(regions.map(({ name }) => name))}`,
        });
      }
      const place = { owner: workspace.ownerName, workspace: workspace.name, agent: agent.name };
      const url = appLink(app, place, region);
      // A token is in no argument of another program: whoever trusts the link puts it there.
      const wantsToken = url.includes(TOKEN_MARK);
      if (wantsToken) {
        progress.line(
          `The link wants a session token in place of ${TOKEN_MARK}: put yours there if you trust ` +
            "whoever made it.",
        );
      }
      await openLink(host, progress, {
        url,
        what: wantsToken ? slug : url,
        onlyPrints: wantsToken,
        signal,
      });
      return 0;
    }),
});

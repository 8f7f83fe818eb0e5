/** `whoami`: which deployment, and as whom (docs/protocol/ssh.md#login). */
import { getMe, type User } from "../../coder/account.ts";
import { deploymentText } from "../../coder/url.ts";
import { accountClient } from "../account/clients.ts";
import { readConfiguration } from "../config/config.ts";
import { choiceFlag } from "../grammar/flag.ts";
import { writeJson } from "../table/output.ts";
import { writeText } from "../terminal/print.ts";
import { defineCommand } from "./command.ts";

export const command = defineCommand({
  name: "whoami",
  usage: "[flags]",
  summary: "Say which deployment this is, and who you are there.",
  examples: [
    { line: "hawser whoami", does: "Look" },
    { line: "hawser whoami --output json", does: "For programs" },
  ],
  flags: {
    output: choiceFlag({
      name: "output",
      shorthand: "o",
      words: ["text", "json"],
      initial: "text",
      help: "Output format.",
    }),
  },
  positionals: { min: 0, max: 0 },
  async run({ output }, invocation) {
    const { host, global, progress } = invocation;
    const configuration = await readConfiguration(host, global);
    const client = accountClient(invocation, configuration);
    const user = await progress.during("Asking who you are", () => getMe(client));
    const url = deploymentText(configuration.url, configuration.urlText);
    if (output === "json") {
      await writeJson(host, [wireOf(user, url)]);
      return 0;
    }
    const line = `  Coder is running at ${url}, You're authenticated as ${user.username} !`;
    await writeText(host.stdout, `${line}\n`);
    return 0;
  },
});

/** As upstream writes it: roles by organization, `*` for those in the whole deployment. */
function wireOf(user: User, url: string) {
  const roles: Record<string, string[]> = {};
  for (const { displayName, organizationId } of user.roles) {
    (roles[organizationId || "*"] ??= []).push(displayName);
  }
  return {
    url,
    username: user.username,
    user_id: user.id,
    organization_ids: user.organizationIds,
    roles,
  };
}

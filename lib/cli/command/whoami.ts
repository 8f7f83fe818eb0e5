/** `whoami`: which deployment, and as whom (docs/protocol/ssh.md#login). */
import { getMe, type User } from "../../coder/account.ts";
import { deploymentText } from "../../coder/url.ts";
import { accountClient } from "../account/clients.ts";
import { readConfiguration } from "../config/config.ts";
import { choiceFlag } from "../grammar/flag.ts";
import { columnFlag, writeJson, writeTable } from "../table/output.ts";
import type { Column } from "../table/table.ts";
import { writeText } from "../terminal/print.ts";
import { defineCommand } from "./command.ts";

interface Row {
  readonly url: string;
  readonly user: User;
}

/** Roles in the whole deployment stand under this. */
const EVERYWHERE = "*";

const COLUMNS: readonly Column<Row>[] = [
  { name: "url", cell: ({ url }) => url },
  { name: "username", cell: ({ user }) => user.username },
  { name: "id", cell: ({ user }) => user.id },
  { name: "orgs", cell: ({ user }) => user.organizationIds.join(",") },
  {
    name: "roles",
    cell: ({ user }) =>
      user.roles.map((role) => `${role.organizationId || EVERYWHERE}:${role.displayName}`).join(
        ",",
      ),
  },
];

export const command = defineCommand({
  name: "whoami",
  usage: "[flags]",
  summary: "Say which deployment this is, and who you are there.",
  examples: [
    { line: "hawser whoami", does: "Look" },
    { line: "hawser whoami --output json", does: "For scripts" },
  ],
  flags: {
    output: choiceFlag({
      name: "output",
      shorthand: "o",
      words: ["text", "json", "table"],
      initial: "text",
      help: "Output format.",
    }),
    columns: columnFlag(COLUMNS, ["url", "username", "id"]),
  },
  positionals: { min: 0, max: 0 },
  async run({ output, columns }, invocation) {
    const { host, global, progress } = invocation;
    const configuration = await readConfiguration(host, global);
    const client = accountClient(invocation, configuration);
    const user = await progress.during("Asking who you are", () => getMe(client));
    const url = deploymentText(configuration.url, configuration.urlText);
    if (output === "json") await writeJson(host, [toJson({ url, user })]);
    else if (output === "table") {
      await writeTable(host, [{ url, user }], { columns: COLUMNS, chosen: columns });
    } else {
      const line = `  Coder is running at ${url}, You're authenticated as ${user.username} !`;
      await writeText(host.stdout, `${line}\n`);
    }
    return 0;
  },
});

function toJson({ url, user }: Row): Record<string, unknown> {
  const roles = Object.groupBy(user.roles, (role) => role.organizationId || EVERYWHERE);
  return {
    url,
    username: user.username,
    user_id: user.id,
    organization_ids: user.organizationIds,
    roles: Object.fromEntries(
      Object.entries(roles).map(([place, held = []]) => [
        place,
        held.map(({ displayName }) => displayName),
      ]),
    ),
  };
}

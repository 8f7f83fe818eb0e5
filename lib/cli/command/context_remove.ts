/** `context remove`: forgets a login and its name. Asks no deployment: it may be gone. */
import { checkContextName } from "../config/context.ts";
import { checkRemovable, contextBase, removeContext } from "../config/context_changes.ts";
import { switchFlag } from "../grammar/flag.ts";
import { agree } from "../terminal/confirm.ts";
import { writeText } from "../terminal/print.ts";
import { defineCommand } from "./command.ts";

export const command = defineCommand({
  name: "context remove",
  usage: "[flags] <context>",
  summary: "Forget a deployment and its login.",
  description: "Forgets a context: its address, session and known host keys here. The session " +
    "itself goes on at the deployment; 'hawser logout --context <name>' ends it.",
  examples: [
    { line: "hawser context remove work", does: "After a question" },
    { line: "hawser context remove work --yes", does: "Without one, in a script" },
  ],
  flags: { yes: switchFlag({ name: "yes", shorthand: "y", help: "Ask nothing." }) },
  positionals: { min: 1, max: 1, complete: "contexts" },
  async run({ yes }, { host, global, args: [input = ""] }) {
    const name = checkContextName(input);
    const base = contextBase(host, global);
    await checkRemovable(host, base, name);
    if (!yes) await agree(host, `Forget context "${name}" and its login?`, { bare: "no" });
    await removeContext(host, base, name);
    await writeText(host.stdout, `Context "${name}" is forgotten.\n`);
    return 0;
  },
});

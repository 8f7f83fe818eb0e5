/** `context rename`: another name for a login. */
import { checkContextName } from "../config/context.ts";
import { contextBase, renameContext } from "../config/context_changes.ts";
import { writeText } from "../terminal/print.ts";
import { defineCommand } from "./command.ts";

export const command = defineCommand({
  name: "context rename",
  usage: "<context> <new name>",
  summary: "Give a context another name.",
  description: "Gives a context another name. An SSH configuration that leads there is to be " +
    "written anew with 'hawser config-ssh'.",
  examples: [{ line: "hawser context rename work office", does: "Call it otherwise" }],
  flags: {},
  positionals: { min: 2, max: 2, complete: "contexts" },
  async run(_, { host, global, args: [from = "", to = ""] }) {
    const names = { from: checkContextName(from), to: checkContextName(to) };
    await renameContext(host, contextBase(host, global), names);
    await writeText(host.stdout, `Context "${from}" is called "${to}" now.\n`);
    return 0;
  },
});

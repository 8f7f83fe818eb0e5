/** `context use`: which login commands use from now on. */
import {
  checkContextName,
  DEFAULT_CONTEXT,
  hasContext,
  noSuchContext,
  useContext,
} from "../config/context.ts";
import { contextBase } from "../config/context_changes.ts";
import { writeText } from "../terminal/print.ts";
import { defineCommand } from "./command.ts";

export const command = defineCommand({
  name: "context use",
  usage: "<context>",
  summary: "Use another deployment from now on.",
  description: "Chooses the context that every command uses which names none. What 'hawser " +
    "config-ssh' wrote goes on leading where it led.",
  examples: [
    { line: "hawser context use work", does: "The login made with --context work" },
    {
      line: `hawser context use ${DEFAULT_CONTEXT}`,
      does: "The one that is shared with the coder command",
    },
  ],
  flags: {},
  positionals: { min: 1, max: 1, complete: "contexts" },
  async run(_, { host, global, args: [input = ""] }) {
    const name = checkContextName(input);
    const base = contextBase(host, global);
    if (!await hasContext(host, base, name)) throw await noSuchContext(host, base, name);
    await useContext(host, base, name);
    await writeText(host.stdout, `Commands use context "${name}" now.\n`);
    const variable = host.env("HAWSER_CONTEXT");
    if (variable) await writeText(host.stderr, `But HAWSER_CONTEXT says ${variable} here.\n`);
    return 0;
  },
});

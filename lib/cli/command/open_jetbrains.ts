/** `open jetbrains`: a workspace in a JetBrains IDE, through Toolbox and Coder's plugin. Ours: the official command has none. */
import { textFlag } from "../grammar/flag.ts";
import { GENERATE_TOKEN, openEditor } from "../workspace/editors.ts";
import { jetbrainsLink } from "../workspace/links.ts";
import { defineCommand } from "./command.ts";

export const command = defineCommand({
  name: "open jetbrains",
  usage: "[flags] <workspace> [<folder in the workspace>]",
  summary: "Open a workspace in a JetBrains IDE.",
  examples: [
    { line: "hawser open jetbrains dev project", does: "In the IDE that Toolbox offers" },
    { line: "hawser open jetbrains dev --ide GO", does: "In GoLand" },
  ],
  flags: {
    generateToken: GENERATE_TOKEN,
    ide: textFlag({ name: "ide", help: "The product's code, as IU, GO, PY or RR." }),
  },
  positionals: { min: 1, max: 2, complete: "workspaces" },
  run: ({ generateToken, ide }, asking) =>
    openEditor(asking, {
      editor: "JetBrains Toolbox",
      generatesToken: generateToken,
      linkOf: (link) => jetbrainsLink({ ...link, product: ide }),
    }),
});

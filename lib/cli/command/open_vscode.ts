/** `open vscode`: a workspace in VS Code, through Coder's extension. */
import { GENERATE_TOKEN, openEditor } from "../workspace/editors.ts";
import { vscodeLink } from "../workspace/links.ts";
import { defineCommand } from "./command.ts";

export const command = defineCommand({
  name: "open vscode",
  usage: "[flags] <workspace> [<folder in the workspace>]",
  summary: "Open a workspace in VS Code.",
  examples: [
    { line: "hawser open vscode dev", does: "In the agent's own folder" },
    { line: "hawser open vscode dev project", does: "In a folder below that" },
    {
      line: "hawser open vscode dev --generate-token",
      does: "Print a link that logs in by itself",
    },
  ],
  flags: { generateToken: GENERATE_TOKEN },
  positionals: { min: 1, max: 2, complete: "workspaces" },
  run: ({ generateToken }, asking) =>
    openEditor(asking, {
      editor: "VS Code Desktop",
      generatesToken: generateToken,
      linkOf: vscodeLink,
    }),
});

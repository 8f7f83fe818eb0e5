/** The course of `open vscode` and `open jetbrains`: workspace, agent, folder, link. */
import { createSessionKey } from "../../coder/account.ts";
import { StepError } from "../../coder/errors.ts";
import { switchFlag } from "../grammar/flag.ts";
import { waitForAgent } from "../ready/agent_wait.ts";
import { resolveTarget } from "../ready/resolve_workspace.ts";
import { findDocsUrl } from "../ready/warnings.ts";
import { deploymentLink, type EditorLink, folderOf } from "./links.ts";
import { openLink } from "./open_link.ts";
import { type Asking, withClient } from "./surroundings.ts";

export const GENERATE_TOKEN = switchFlag({
  name: "generate-token",
  env: "CODER_OPEN_VSCODE_GENERATE_TOKEN",
  help:
    "Print a link with a session token in it, for a machine where nobody has logged in. Without it " +
    "the editor asks.",
});

export interface EditorAsking extends Asking {
  /** The workspace, and a folder in it. */
  readonly args: readonly string[];
}

/** Waits until there is an agent to edit on, and opens `linkOf`. */
export async function openEditor(
  asking: EditorAsking,
  { editor, generatesToken, linkOf }: {
    readonly editor: string;
    readonly generatesToken: boolean;
    readonly linkOf: (link: EditorLink) => string;
  },
): Promise<number> {
  return await withClient(asking, async ({ client, steps }) => {
    const { args: [input = "", folder = ""], host, progress } = asking;
    const { signal } = steps;
    const { workspace, agent: last } = await resolveTarget(steps, { input });
    const docsUrl = await findDocsUrl(steps);
    const agent = await waitForAgent(steps, { agentId: last.id, last, wait: "no", docsUrl });
    const path = folderOf(folder, { folder: agent.expandedDirectory, os: agent.operatingSystem });
    const token = generatesToken ? await mint(() => createSessionKey(client, { signal })) : "";
    const name = `${workspace.name}.${agent.name}`;
    await openLink(host, progress, {
      url: linkOf({
        deploymentUrl: deploymentLink(client.url),
        owner: workspace.ownerName,
        workspace: workspace.name,
        agent: agent.name,
        folder: path,
        token,
      }),
      what: `${path === "" ? name : `${name}:${path}`} in ${editor}`,
      // Arguments of programs are seen by everybody on this machine.
      onlyPrints: generatesToken,
      signal,
    });
    return 0;
  });
}

async function mint(create: () => Promise<string>): Promise<string> {
  try {
    return await create();
  } catch (error) {
    throw new StepError("create API key", error);
  }
}

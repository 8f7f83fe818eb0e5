/** For completion: what there is in a workspace that the line names already. */
import { UserError } from "../../base/errors.ts";
import type { Host } from "../../base/host.ts";
import { getApps } from "../../coder/apps.ts";
import { getListeningPorts } from "../../coder/ports.ts";
import { getWorkspaceByName } from "../../coder/workspaces.ts";
import { chooseAgent } from "../ready/choose_agent.ts";
import { parseWorkspaceName } from "../ready/workspace_name.ts";
import { askInTime, type CompletionAsking, type CompletionClient } from "./complete_ask.ts";

export interface InsideAsking extends CompletionAsking {
  /** As it stands on the line. */
  readonly workspace: string;
}

/** Slugs of its applications. What a deployment would not take for one may be anything, and a shell may run it. */
export async function completeApps(host: Host, asking: InsideAsking): Promise<readonly string[]> {
  const apps = await askInTime(host, asking, async (around) => {
    const { client, signal } = around;
    return await getApps(client, await agentId(around, asking.workspace), { signal });
  });
  return (apps ?? []).map(({ slug }) => slug).filter((slug) =>
    /^[a-z0-9](?:-?[a-z0-9])*$/.test(slug)
  );
}

/** Ports on which something listens in it, the lowest first. */
export async function completePorts(host: Host, asking: InsideAsking): Promise<readonly string[]> {
  const ports = await askInTime(host, asking, async (around) => {
    const { client, signal } = around;
    return await getListeningPorts(client, await agentId(around, asking.workspace), { signal });
  });
  const numbers = (ports ?? []).map(({ port }) => port).toSorted((a, b) => a - b);
  return [...new Set(numbers)].map(String);
}

async function agentId({ client, signal }: CompletionClient, input: string): Promise<string> {
  const { owner, name, agent: agentName } = parseWorkspaceName(input);
  const { ownerName, latestBuild } = await getWorkspaceByName(client, { owner, name }, { signal });
  if (latestBuild.status !== "running") throw new UserError(`${name} does not run`);
  return chooseAgent(latestBuild.agents, { agentName, ownerName, workspaceName: name }).id;
}

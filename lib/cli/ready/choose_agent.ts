/**
 * Which agent of a workspace is meant: by its name only, never by an id. The name as it is spelt comes first; then any case will do, since
 * ssh(1) hands host names on in lower case and newer servers keep names apart without regard to it.
 */
import { UserError } from "../../base/errors.ts";
import type { Agent } from "../../coder/agent_model.ts";
import { goList, goQuote, stripToLine } from "../../coder/text.ts";

export interface ChooseAgentOptions {
  /** `undefined`: the only one. */
  readonly agentName: string | undefined;
  readonly workspaceName: string;
  readonly ownerName: string;
  /** As given by `--ssh-host-prefix`. @default none */
  readonly hostPrefix?: string;
  /** As given by `--hostname-suffix`. @default none */
  readonly hostnameSuffix?: string;
}

/** Throws `UserError` with the names there are. */
export function chooseAgent(agents: readonly Agent[], options: ChooseAgentOptions): Agent {
  const { agentName, workspaceName } = options;
  const [first] = agents;
  if (first === undefined) {
    throw new UserError(`workspace ${goQuote(workspaceName)} has no agents`, {
      hint: "Its template defines none, or its last build did not finish: see the dashboard",
    });
  }
  const inOrder = agents.map((agent) => stripToLine(agent.name));
  const names = inOrder.toSorted();
  if (agentName !== undefined) {
    const exact = agents.find((agent) => agent.name === agentName);
    if (exact !== undefined) return exact;
    const lower = agentName.toLowerCase();
    const [found, other] = agents.filter((agent) => agent.name.toLowerCase() === lower);
    if (found !== undefined && other === undefined) return found;
    const problem = found === undefined
      ? "agent not found by name"
      : "several agents differ in case only from";
    throw new UserError(`${problem} ${goQuote(agentName)}, available agents: ${goList(names)}`);
  }
  if (agents.length === 1) return first;
  throw new UserError(
    `multiple agents found, please specify the agent name, available agents: ${goList(names)}`,
    // Upstream's words: the hosts in the workspace's own order, and a line feed too many at the end.
    {
      details: ["Try running:", ...inOrder.map((name) => `\t$ ssh ${hostName(name, options)}`), ""],
    },
  );
}

function hostName(agentName: string, options: ChooseAgentOptions): string {
  const { workspaceName, ownerName, hostPrefix = "", hostnameSuffix = "" } = options;
  const host = `${agentName}.${workspaceName}.${ownerName}`;
  if (hostnameSuffix !== "") return `${host}.${hostnameSuffix.replace(/^\./, "")}`;
  return `${hostPrefix}${host}`;
}

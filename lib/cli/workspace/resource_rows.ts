/** The resources of a workspace with their agents and what listens there, as rows of a box (docs/protocol/ssh.md#commands-about-workspaces). */
import { isAtLeast, parseVersion } from "../../base/version.ts";
import type { Agent } from "../../coder/agent_model.ts";
import type { ListeningPort } from "../../coder/ports.ts";
import type { WorkspaceView } from "../../coder/workspace_view.ts";

const MID = "├";
const END = "└";
/** Nothing that anybody looks for. */
const HIDDEN_TYPES: ReadonlySet<string> = new Set(["random_string"]);

export const RESOURCE_HEAD = ["Resource", "Status", "Health", "Version", "Access"] as const;

export interface ResourceFacts {
  readonly view: WorkspaceView;
  readonly serverVersion: string;
  /** By the agent's id; an agent that was not asked has no entry. */
  readonly ports: ReadonlyMap<string, readonly ListeningPort[]>;
  readonly wallMs: number;
}

/** A group of rows for each resource. */
export function resourceGroups(facts: ResourceFacts): readonly (readonly (readonly string[])[])[] {
  const { view, ports } = facts;
  const own = (agents: readonly Agent[]) => agents.filter(({ parentId }) => parentId === "");
  const total = view.resources.reduce((sum, { agents }) => sum + own(agents).length, 0);
  // Which agent is meant goes without saying only where nobody could have more than one.
  const namesAgents = total > 1 || ports.size > 0;
  return view.resources.filter(({ type }) => !HIDDEN_TYPES.has(type)).map((resource) => {
    const agents = own(resource.agents).toSorted((a, b) => a.name < b.name ? -1 : 1);
    return [
      [`${resource.type}.${resource.name}`],
      ...agents.flatMap((agent, at) =>
        agentRows(agent, { facts, namesAgents, pipe: pipe(at, total) })
      ),
    ];
  });
}

function agentRows(
  agent: Agent,
  { facts, namesAgents, pipe: mark }: {
    readonly facts: ResourceFacts;
    readonly namesAgents: boolean;
    readonly pipe: string;
  },
): readonly (readonly string[])[] {
  const { view, serverVersion, wallMs } = facts;
  const found = facts.ports.get(agent.id) ?? [];
  const target = namesAgents ? `${view.workspace.name}.${agent.name}` : view.workspace.name;
  const ailment = view.ailments.get(agent.id);
  return [
    [
      `${mark}─ ${agent.name} (${agent.operatingSystem}, ${agent.architecture})`,
      agentStatus(agent, wallMs),
      ailment === undefined ? "✔ healthy" : `✘ ${ailment}`,
      agentVersion(agent.version, serverVersion),
      `hawser ssh ${target}`,
    ],
    ...(found.length === 0 ? [] : [[`   ${mark}─ Open Ports`]]),
    ...found.map((port, at) => [portRow(port, pipe(at, found.length))]),
  ];
}

function pipe(at: number, total: number): string {
  return at === total - 1 ? END : MID;
}

function portRow({ port, network, processName }: ListeningPort, mark: string): string {
  const process = processName === "" ? "" : ` [${processName}]`;
  return `      ${mark}─ ${String(port).padStart(5)}/${network}${process}`;
}

function agentStatus(agent: Agent, wallMs: number): string {
  const since = (fromMs: number | undefined) =>
    `[${Math.trunc((wallMs - (fromMs ?? wallMs)) / 1_000)}s]`;
  switch (agent.status) {
    case "connected":
      return "⦿ connected";
    case "connecting":
    case "timeout":
      return `⦾ ${agent.status} ${since(agent.createdAtMs)}`;
    case "disconnected":
      return `⦾ disconnected ${since(agent.disconnectedAtMs)}`;
    default:
      return "○ unknown";
  }
}

function agentVersion(version: string, serverVersion: string): string {
  if (version === "") return "(unknown)";
  const server = parseVersion(serverVersion);
  const isOutdated = server !== undefined && parseVersion(version) !== undefined &&
    !isAtLeast(version, serverVersion);
  return isOutdated ? `${version} (outdated)` : version;
}

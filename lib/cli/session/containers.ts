/** A container of the workspace instead of the workspace itself, `-c` (docs/protocol/ssh.md#containers). */
import { listContainers } from "../../coder/agents.ts";
import { goList, goQuote, stripToLine } from "../../coder/text.ts";
import { ExitError } from "../terminal/errors.ts";
import type { EnvSetting } from "./ssh_checks.ts";
import { inStep, type Steps } from "../ready/steps.ts";

export interface ContainerOptions {
  readonly agentId: string;
  /** Id or name; empty for none. */
  readonly container: string;
  /** Empty for the container's own. */
  readonly containerUser: string;
}

/**
 * The variables of the session that lead the agent into the container; none when no container was asked for. Throws
 * `ExitError` with status 1 where it is not there: upstream ends with 0, which no script can tell from success.
 */
export async function containerEnv(
  steps: Steps,
  options: ContainerOptions,
): Promise<readonly EnvSetting[]> {
  const { client, progress, signal } = steps;
  const { agentId, container, containerUser } = options;
  if (container === "") return [];
  // Once: an agent without docker answers with 500, and will not have it in two seconds (docs/protocol/ssh.md#retries).
  const list = () => listContainers(client, agentId, { signal });
  const containers = await progress.during(
    "Looking for the container",
    () => inStep(signal, "list containers", list),
  );
  if (containers.length === 0) throw new ExitError(1, "No containers found!");
  if (!containers.some(({ id, name }) => id === container || name === container)) {
    const names = containers.map(({ id, name }) => stripToLine(name === "" ? id : name));
    throw new ExitError(
      1,
      `ERROR: Container not found: ${goQuote(container)}`,
      [`Available containers: ${goList(names)}`],
    );
  }
  return [
    { name: "CODER_CONTAINER", value: container },
    { name: "CODER_CONTAINER_USER", value: containerUser },
  ];
}

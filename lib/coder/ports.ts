/** What listens in a workspace (docs/protocol/api.md#listening-ports). */
import * as v from "valibot";
import type { CoderClient } from "./client.ts";
import { list, NEEDED_TEXT, TEXT } from "./model_parts.ts";
import { segment } from "./url.ts";
import type { CallOptions } from "./workspaces.ts";

const PORT = v.pipe(v.number(), v.integer("a port"), v.minValue(1), v.maxValue(65_535));
const LISTENING = v.object({
  ports: list(v.object({ process_name: TEXT, network: NEEDED_TEXT, port: PORT })),
});
/** Nobody looks at more of them, or forwards more. */
const MAX_PORTS = 4_096;

export interface ListeningPort {
  readonly port: number;
  /** `tcp`, or a word of a newer server. */
  readonly network: string;
  /** Empty when the agent may not see it. */
  readonly processName: string;
}

/** Sorted by number. Well-known ports of other things than web pages, and those of declared apps, are left out by the server. */
export async function getListeningPorts(
  client: CoderClient,
  agentId: string,
  options: CallOptions = {},
): Promise<readonly ListeningPort[]> {
  const path = `/workspaceagents/${segment(agentId)}/listening-ports`;
  const { ports } = await client.get(path, LISTENING, options);
  return ports.slice(0, MAX_PORTS)
    .map(({ process_name, network, port }) => ({ port, network, processName: process_name }))
    .toSorted((a, b) => a.port - b.port);
}

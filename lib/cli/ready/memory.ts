/**
 * What the last run learnt of a deployment, in a file of the user's cache folder: which agent a name led to, and how agents
 * there are reached. A guess with which the next run begins while it asks again; it decides nothing, and names no secret.
 */
import * as v from "valibot";
import { joinPath } from "../../base/paths.ts";
import { type Host, HostError } from "../../base/host.ts";
import type { Log } from "../../base/log.ts";
import { CONNECTION_INFO, type ConnectionInfo } from "../../coder/agents.ts";
import { ID, list, TEXT } from "../../coder/model_parts.ts";
import { cacheDir } from "../config/cache_dir.ts";

/** How an agent was reached. */
export interface Remembered {
  /** UUID text. */
  readonly agentId: string;
  readonly info: ConnectionInfo;
  /** `undefined` when the server did not tell. */
  readonly serverVersion: string | undefined;
}

/** Where the memory of one deployment is. */
export interface MemoryPlace {
  readonly host: Host;
  readonly deployment: URL;
  readonly log: Log;
}

/** Files that are longer are not ours. */
const MAX_FILE_BYTES = 512 * 1024;
/** Names whose agents are remembered, the last first. */
const MAX_NAMES = 64;
/** Of file names, on every system that we run on. */
const MAX_FILE_NAME_CHARS = 200;

const MEMORY = v.object({
  format: v.literal(1),
  server_version: TEXT,
  connection: CONNECTION_INFO,
  agents: list(v.object({ name: v.string(), id: ID })),
});
type Memory = v.InferOutput<typeof MEMORY>;

/** What the last run knew of `name`; `undefined` when none did, or its file is of no use. */
export async function recall(place: MemoryPlace, name: string): Promise<Remembered | undefined> {
  const memory = await readMemory(place);
  const agentId = memory?.agents.find((agent) => agent.name === name)?.id;
  if (memory === undefined || agentId === undefined) return undefined;
  const { connection: info, server_version: version } = memory;
  return { agentId, info, serverVersion: version === "" ? undefined : version };
}

/** Keeps what this run knows of `name`. A folder that cannot be written costs the next run its guess, and nothing else. */
export async function remember(
  place: MemoryPlace,
  name: string,
  { agentId, info, serverVersion }: Remembered,
): Promise<void> {
  const { host, log } = place;
  const path = memoryPath(place);
  const folder = cacheDir(host);
  if (path === undefined || folder === undefined) return;
  const others = (await readMemory(place))?.agents.filter((agent) => agent.name !== name) ?? [];
  const text = JSON.stringify({
    format: 1,
    server_version: serverVersion ?? "",
    connection: {
      derp_map: info.derpMap,
      derp_force_websockets: info.derpForceWebsockets,
      disable_direct_connections: info.disableDirectConnections,
      hostname_suffix: info.hostnameSuffix,
    },
    agents: [{ name, id: agentId }, ...others].slice(0, MAX_NAMES),
  });
  if (text.length > MAX_FILE_BYTES) return;
  try {
    await host.files.mkdir(folder);
    await host.files.writeText(path, text, { mode: 0o600, atomic: true });
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    log.debug("deployment not remembered", { error: error.message });
  }
}

async function readMemory(place: MemoryPlace): Promise<Memory | undefined> {
  const { host, log } = place;
  const path = memoryPath(place);
  if (path === undefined) return undefined;
  try {
    const stat = await host.files.stat(path);
    if (stat?.kind !== "file" || stat.sizeBytes > MAX_FILE_BYTES) return undefined;
    const memory = v.safeParse(MEMORY, parse(await host.files.readText(path) ?? ""));
    return memory.success ? memory.output : undefined;
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    log.debug("no memory of the deployment", { error: error.message });
    return undefined;
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    // Somebody wrote over it: as if it were not there.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** One file for each deployment: scheme, host, port and path make its name. */
function memoryPath({ host, deployment }: MemoryPlace): string | undefined {
  const folder = cacheDir(host);
  const name = `${encodeURIComponent(deployment.origin + deployment.pathname)}.json`;
  if (folder === undefined || name.length > MAX_FILE_NAME_CHARS) return undefined;
  return joinPath(host.os, folder, name);
}

/**
 * Names of workspaces for the shell's completion: `COMPLETION_MODE=1 hawser ssh ""` (docs/protocol/ssh.md#completion). Kept for a few
 * seconds in the cache folder. Whatever fails gives no names and no words: people are in the middle of a line.
 */
import * as v from "valibot";
import { type Host, HostError } from "../../base/host.ts";
import { joinPath } from "../../base/paths.ts";
import type { CoderClient } from "../../coder/client.ts";
import type { Workspace } from "../../coder/workspace_model.ts";
import { listWorkspaces } from "../../coder/workspaces.ts";
import { cacheDir } from "../config/cache_dir.ts";
import type { Configuration } from "../config/config.ts";
import { isAgentName, isWorkspaceName } from "../ready/workspace_name.ts";
import { askInTime, type CompletionAsking } from "./complete_ask.ts";

/** People press the tabulator key several times while they type one word. */
const FRESH_MS = 5_000;
/** When the deployment does not answer, names as old as this are better than none. */
const USABLE_MS = 600_000;
const CACHE_FILE = "completion.json";
const MAX_CACHE_BYTES = 256 * 1_024;

const CACHE = v.object({ key: v.string(), atMs: v.number(), names: v.array(v.string()) });
type Cache = v.InferOutput<typeof CACHE>;

/** Names for where a workspace stands; none when there are none to be had in time. Never throws but for a bug. */
export async function completeNames(
  host: Host,
  asking: CompletionAsking,
): Promise<readonly string[]> {
  let known: Cache | undefined;
  const names = await askInTime(host, asking, async ({ configuration, client, signal }) => {
    const key = keyOf(configuration);
    known = key === undefined ? undefined : await readCache(host, key);
    const nowMs = host.clock.wallMs();
    if (known !== undefined && nowMs - known.atMs < FRESH_MS) return known.names;
    const found = await workspaceNames(client, signal);
    if (key !== undefined) await writeCache(host, { key, atMs: nowMs, names: [...found] });
    return found;
  });
  return names ?? known?.names ?? [];
}

/**
 * Stands for a deployment and a user: nobody is offered another's names. Who the user is the first part of the token says, which is its
 * name among those of the deployment and lets nobody in; `undefined` for a token of another kind, of which nothing may be written down.
 */
function keyOf({ url, token = "" }: Configuration): string | undefined {
  const [, name] = /^([0-9A-Za-z]{10})-[0-9A-Za-z]{22}$/.exec(token) ?? [];
  return name === undefined ? undefined : `${url.origin}${url.pathname} ${name}`;
}

/** What was kept for that deployment and login and can still be offered. Anybody may have written the file. */
async function readCache(host: Host, key: string): Promise<Cache | undefined> {
  const dir = cacheDir(host);
  if (dir === undefined) return undefined;
  try {
    const path = joinPath(host.os, dir, CACHE_FILE);
    const bytes = await host.files.readBytes(path, { maxBytes: MAX_CACHE_BYTES });
    if (bytes === undefined) return undefined;
    const { success, output } = v.safeParse(CACHE, JSON.parse(new TextDecoder().decode(bytes)));
    if (!success || output.key !== key) return undefined;
    const ageMs = host.clock.wallMs() - output.atMs;
    const isUsable = ageMs >= 0 && ageMs < USABLE_MS;
    return isUsable ? { ...output, names: output.names.filter(isOfferable) } : undefined;
  } catch (error) {
    if (error instanceof HostError || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function isOfferable(text: string): boolean {
  const [name = "", agent, ...more] = text.split(".");
  return isWorkspaceName(name) && (agent === undefined || isAgentName(agent)) && more.length === 0;
}

async function writeCache(host: Host, cache: Cache): Promise<void> {
  const dir = cacheDir(host);
  if (dir === undefined) return;
  try {
    await host.files.mkdir(dir);
    const path = joinPath(host.os, dir, CACHE_FILE);
    await host.files.replaceBytes(path, new TextEncoder().encode(JSON.stringify(cache)), {
      followsLinks: false,
    });
  } catch (error) {
    // The next key asks again.
    if (!(error instanceof HostError)) throw error;
  }
}

/**
 * What `ssh` takes for each of the user's workspaces, sorted. A shell puts a name into the line as it is, and may run what is in it:
 * one that no deployment gives to a workspace is not offered.
 */
export async function workspaceNames(
  client: CoderClient,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const workspaces = await listWorkspaces(client, "owner:me", { signal });
  return workspaces.flatMap(namesOf).toSorted();
}

/** One agent needs no name; several all do. A workspace that is stopped shows none, and can be started by its name. */
function namesOf({ name, latestBuild }: Workspace): string[] {
  if (!isWorkspaceName(name)) return [];
  const { agents, status } = latestBuild;
  if (agents.length > 1) {
    return agents.filter((agent) => isAgentName(agent.name))
      .map((agent) => `${name}.${agent.name}`);
  }
  const isWithoutAgents = agents.length === 0 && status === "running";
  return isWithoutAgents ? [] : [name];
}

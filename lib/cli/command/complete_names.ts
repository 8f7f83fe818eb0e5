/**
 * Names of workspaces for the shell's completion: `COMPLETION_MODE=1 hawser ssh ""` (docs/protocol/ssh.md#completion). The shells' scripts
 * keep those that fit what was typed. Whatever fails gives no names and no words: people are in the middle of a line.
 */
import { ExpectedError, UserError } from "../../base/errors.ts";
import { SILENT_LOG } from "../../base/log.ts";
import type { CoderClient } from "../../coder/client.ts";
import type { Workspace } from "../../coder/workspace_model.ts";
import { listWorkspaces } from "../../coder/workspaces.ts";
import { type AnyFlag, parseArgs, type ParsedArgs } from "../grammar/args.ts";
import { createClient } from "../config/client.ts";
import { readConfiguration } from "../config/config.ts";
import { GLOBAL_FLAGS, globalOptionsOf } from "../grammar/flags_global.ts";
import type { Host } from "../../base/host.ts";
import { isAgentName, isWorkspaceName } from "../ready/workspace_name.ts";
import { writeText } from "../terminal/print.ts";

/** Longer than this nobody waits for a tabulator key. */
const LIMIT_MS = 5_000;

export interface CompletionOptions {
  /** The command's own flags. */
  readonly flags: readonly AnyFlag[];
  /** The full name, e.g. `hawser ssh`. */
  readonly command: string;
}

/** Prints names for the last of the arguments behind the command's name, where it is the workspace. Always 0. */
export async function completeNames(
  args: readonly string[],
  host: Host,
  options: CompletionOptions,
): Promise<number> {
  const { flags, command } = options;
  const parsed = parseLine(args, host, { flags: [...flags, ...GLOBAL_FLAGS], command });
  if (parsed === undefined || parsed.positionals.length > 1) return 0;
  if (args.at(-1)?.startsWith("-") === true) return 0;
  const limit = new AbortController();
  const done = new AbortController();
  const watchdog = host.clock.sleep(LIMIT_MS, done.signal).then(
    () => limit.abort(new DOMException("too slow for a completion", "TimeoutError")),
    () => {}, // the names came first
  );
  try {
    const configuration = await readConfiguration(host, globalOptionsOf(parsed), limit.signal);
    const client = createClient(host, { configuration, command, log: SILENT_LOG });
    const names = await workspaceNames(client, limit.signal);
    await writeText(host.stdout, names.map((name) => `${name}\n`).join(""));
  } catch (error) {
    if (!limit.signal.aborted && !(error instanceof ExpectedError)) throw error;
  } finally {
    done.abort();
    await watchdog;
  }
  return 0;
}

/** A line that is still being typed may break the grammar; `undefined` then. */
function parseLine(
  args: readonly string[],
  host: Host,
  options: CompletionOptions,
): ParsedArgs | undefined {
  try {
    return parseArgs(args, { ...options, env: (name) => host.env(name) });
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
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

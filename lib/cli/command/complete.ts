/**
 * What can stand at the end of a line that is still being typed: `COMPLETION_MODE=1 hawser <words> <the word so far>` (docs/protocol/ssh.md#completion).
 * The shells' scripts of `completion` ask it at each tabulator key. Whatever fails gives nothing: people are in the middle of a line.
 */
import { ExpectedError } from "../../base/errors.ts";
import type { Host } from "../../base/host.ts";
import { COMMANDS, type Entry, loadCommands } from "../commands.ts";
import { DEFAULT_CONTEXT, namesQuietly } from "../config/context.ts";
import { configDir } from "../config/folder.ts";
import { type AnyFlag, parseArgs, type ParsedArgs, splitCommand } from "../grammar/args.ts";
import { GLOBAL_FLAGS, globalOptionsOf } from "../grammar/flags_global.ts";
import { writeText } from "../terminal/print.ts";
import { type Command, FILES_FIT } from "./command.ts";

/** What can stand there; whoever shows it leaves out what does not begin as the word so far does. */
interface Offers {
  readonly words: readonly string[];
  /** Names of files can, too. @default false */
  readonly hasFiles?: boolean;
}

/** The line: the words before the one that is being typed, and that one. */
interface Line {
  readonly host: Host;
  readonly words: readonly string[];
  readonly current: string;
}

const NOTHING: Offers = { words: [] };

/** Prints one offer a line; 0, or `FILES_FIT`. */
export async function complete(args: readonly string[], host: Host): Promise<number> {
  try {
    const line: Line = { host, words: args.slice(0, -1), current: args.at(-1) ?? "" };
    const { words, hasFiles } = await offersFor(line);
    await writeText(host.stdout, words.map((word) => `${word}\n`).join(""));
    return hasFiles === true ? FILES_FIT : 0;
  } catch (error) {
    if (!(error instanceof ExpectedError)) throw error;
    return 0;
  }
}

async function offersFor(line: Line): Promise<Offers> {
  let rest = line.words;
  let entries: readonly Entry[] = COMMANDS;
  const path: string[] = [];
  for (;;) {
    // The word that is being typed may be the value of a flag before the command.
    const split = splitCommand([...rest, ""], GLOBAL_FLAGS);
    const name = split.command ?? "";
    const args = split.args.slice(0, -1);
    if (name === "") return await commandNames({ ...line, words: rest }, { path, entries });
    if (name === "help") {
      rest = args;
      continue;
    }
    const entry = entries.find((candidate) =>
      candidate.name === name || ("aliases" in candidate && candidate.aliases?.includes(name))
    );
    if (entry === undefined) return NOTHING;
    path.push(entry.name);
    rest = args;
    if ("entries" in entry) {
      entries = entry.entries;
      continue;
    }
    const below = entry.below?.find((candidate) => candidate.name === rest[0]);
    const { command } = await (below ?? entry).load();
    const words = below === undefined ? rest : rest.slice(1);
    const offers = await argumentsOf(command, { ...line, words });
    const isFirst = rest.length === 0 && !line.current.startsWith("-");
    const names = isFirst ? entry.below?.map((candidate) => candidate.name) ?? [] : [];
    return { ...offers, words: [...names, ...offers.words] };
  }
}

/** Where a command's name stands. */
async function commandNames(
  line: Line,
  { path, entries }: { readonly path: readonly string[]; readonly entries: readonly Entry[] },
): Promise<Offers> {
  const values = await flagOffers(GLOBAL_FLAGS, line);
  if (values !== undefined) return values;
  const shown = await loadCommands(entries);
  const names = shown.filter((command) => command.isHidden !== true)
    .map((command) => command.name.split(" ")[path.length] ?? "");
  return { words: [...new Set(names)] };
}

async function argumentsOf(command: Command, line: Line): Promise<Offers> {
  const { positionals: { complete, completeSecond } } = command;
  const flags = [...command.flags, ...GLOBAL_FLAGS];
  const values = await flagOffers(flags, line, command);
  if (values !== undefined) return values;
  const parsed = parseWords(command, line);
  const [workspace, more] = parsed.positionals;
  const global = globalOptionsOf(parsed);
  const asking = { global, command: `hawser ${command.name}` };
  // What lies in the workspace nobody knows without going there.
  if (complete === "copies" && line.current.includes(":")) return NOTHING;
  if (complete === "copies" || (complete === "workspaces" && workspace === undefined)) {
    const { completeNames } = await import("./complete_names.ts");
    const words = await completeNames(line.host, asking);
    return complete === "copies"
      ? { words: words.map((name) => `${name}:`), hasFiles: true }
      : { words };
  }
  if (workspace === undefined) {
    return complete === "contexts"
      ? { words: await contextNames(line.host, global.configDir) }
      : NOTHING;
  }
  if (completeSecond !== "apps" || more !== undefined) return NOTHING;
  const { completeApps } = await import("./complete_inside.ts");
  return { words: await completeApps(line.host, { ...asking, workspace }) };
}

/** The value of a flag, or its name; `undefined` where neither stands. */
async function flagOffers(
  flags: readonly AnyFlag[],
  line: Line,
  command?: Command,
): Promise<Offers | undefined> {
  const { words, current } = line;
  const isBehindDashes = words.includes("--");
  const equals = current.startsWith("--") ? current.indexOf("=") : -1;
  if (equals !== -1 && !isBehindDashes) {
    const flag = flags.find(({ name }) => name === current.slice(2, equals));
    const offers = flag === undefined ? NOTHING : await valuesOf(flag, {
      line: { ...line, current: current.slice(equals + 1) },
      command,
    });
    return { ...offers, words: offers.words.map((word) => current.slice(0, equals + 1) + word) };
  }
  const before = words.at(-1) ?? "";
  const flag = isBehindDashes
    ? undefined
    : flags.find(({ name, shorthand, isSwitch }) =>
      !isSwitch &&
      (before === `--${name}` || (shorthand !== undefined && before === `-${shorthand}`))
    );
  if (flag !== undefined) {
    return await valuesOf(flag, { line: { ...line, words: words.slice(0, -1) }, command });
  }
  if (!current.startsWith("-")) return undefined;
  if (isBehindDashes) return NOTHING;
  return { words: flags.filter(({ isHidden }) => !isHidden).map(({ name }) => `--${name}`) };
}

/** What a flag takes; of a list, behind the last comma. */
async function valuesOf(
  flag: AnyFlag,
  { line, command }: { readonly line: Line; readonly command: Command | undefined },
): Promise<Offers> {
  const { current, host } = line;
  if (flag.isPath === true) return { words: [], hasFiles: true };
  if (flag.completes === "contexts") {
    return { words: await contextNames(host, host.env("CODER_CONFIG_DIR") ?? "") };
  }
  const before = current.slice(0, current.lastIndexOf(",") + 1);
  if (flag.completes === "ports" && command !== undefined) {
    const parsed = parseWords(command, line);
    const [workspace] = parsed.positionals;
    if (workspace === undefined) return NOTHING;
    const asking = { global: globalOptionsOf(parsed), command: `hawser ${command.name}` };
    const { completePorts } = await import("./complete_inside.ts");
    const ports = await completePorts(host, { ...asking, workspace });
    return { words: ports.map((port) => before + port) };
  }
  if (!flag.kind.includes("|")) return NOTHING;
  const isList = flag.kind.startsWith("[") && !flag.kind.startsWith("[=");
  const choices = flag.kind.replace(/^\[=?|\]$/g, "").split("|");
  return { words: choices.map((word) => (isList ? before : "") + word).filter(Boolean) };
}

function parseWords(command: Command, { words, host }: Line): ParsedArgs {
  const reads = command.readsEnvironment ?? true;
  return parseArgs(words, {
    flags: [...command.flags, ...GLOBAL_FLAGS],
    env: (variable) => reads ? host.env(variable) : undefined,
    command: `hawser ${command.name}`,
  });
}

async function contextNames(host: Host, dir: string): Promise<readonly string[]> {
  const base = configDir(host, { configDir: dir });
  return [DEFAULT_CONTEXT, ...await namesQuietly(host, base)];
}

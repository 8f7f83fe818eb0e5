/**
 * What can stand at the end of a line that is still being typed: `COMPLETION_MODE=1 hawser <words> <the word so far>` (docs/protocol/ssh.md#completion).
 * The shells' scripts of `completion` ask it at each tabulator key. Whatever fails gives nothing: people are in the middle of a line.
 */
import { ExpectedError } from "../../base/errors.ts";
import type { Host } from "../../base/host.ts";
import { COMMANDS, type Entry, loadCommands } from "../commands.ts";
import { DEFAULT_CONTEXT, namesQuietly } from "../config/context.ts";
import { configDir } from "../config/folder.ts";
import { type AnyFlag, parseArgs, splitCommand } from "../grammar/args.ts";
import { GLOBAL, GLOBAL_FLAGS, globalOptionsOf } from "../grammar/flags_global.ts";
import { writeText } from "../terminal/print.ts";
import type { Command } from "./command.ts";

/** Prints one offer a line; those that do not fit what was typed are the shell's to leave out. Always 0. */
export async function complete(args: readonly string[], host: Host): Promise<number> {
  try {
    const offers = await offersFor(joined(args), host);
    await writeText(host.stdout, offers.map((offer) => `${offer}\n`).join(""));
  } catch (error) {
    if (!(error instanceof ExpectedError)) throw error;
  }
  return 0;
}

/** The words, and what an offer for the last of them must begin with to take its place. */
interface Line {
  readonly words: readonly string[];
  readonly current: string;
  /** Stands before the value in the same word of the shell's, as in `--context=`. */
  readonly prefix: string;
}

/** bash takes the equals sign for a word of its own, and asks for what stands behind it. */
function joined(args: readonly string[]): Line {
  const words: string[] = [];
  let isValue = false;
  for (const arg of args) {
    const before = words.at(-1) ?? "";
    if (arg === "=" && before.startsWith("--")) {
      words.push(`${words.pop() ?? ""}=`);
      isValue = true;
    } else if (isValue) {
      words.push(`${words.pop() ?? ""}${arg}`);
      isValue = false;
    } else words.push(arg);
  }
  const current = words.pop() ?? "";
  const isWhole = current === args.at(-1);
  const equals = current.startsWith("--") ? current.indexOf("=") : -1;
  return { words, current, prefix: isWhole ? current.slice(0, equals + 1) : "" };
}

async function offersFor(line: Line, host: Host): Promise<readonly string[]> {
  let rest = line.words;
  let entries: readonly Entry[] = COMMANDS;
  const path: string[] = [];
  for (;;) {
    // The word that is being typed may be the value of a flag before the command.
    const split = splitCommand([...rest, ""], GLOBAL_FLAGS);
    const name = split.command ?? "";
    const args = split.args.slice(0, -1);
    if (name === "") return await namesOf(line, host, { path, entries });
    if (name === "help") {
      rest = args;
      continue;
    }
    const entry = entries.find((candidate) =>
      candidate.name === name || ("aliases" in candidate && candidate.aliases?.includes(name))
    );
    if (entry === undefined) return [];
    path.push(entry.name);
    rest = args;
    if ("entries" in entry) {
      entries = entry.entries;
      continue;
    }
    const below = entry.below?.find((candidate) => candidate.name === rest[0]);
    const { command } = await (below ?? entry).load();
    return await argumentsOf(command, below === undefined ? rest : rest.slice(1), { line, host });
  }
}

/** Where a command's name stands. */
async function namesOf(
  line: Line,
  host: Host,
  { path, entries }: { readonly path: readonly string[]; readonly entries: readonly Entry[] },
): Promise<readonly string[]> {
  const values = await valuesOf(GLOBAL_FLAGS, line, host);
  if (values !== undefined) return values;
  const shown = await loadCommands(entries);
  const names = shown.filter((command) => command.isHidden !== true)
    .map((command) => command.name.split(" ")[path.length] ?? "");
  return [...new Set(names)];
}

async function argumentsOf(
  command: Command,
  words: readonly string[],
  { line, host }: { readonly line: Line; readonly host: Host },
): Promise<readonly string[]> {
  const flags = [...command.flags, ...GLOBAL_FLAGS];
  const values = await valuesOf(flags, { ...line, words }, host);
  if (values !== undefined) return values;
  const { complete } = command.positionals;
  const name = `hawser ${command.name}`;
  const parsed = parseArgs(words, { flags, env: (variable) => host.env(variable), command: name });
  if (complete === undefined || parsed.positionals.length > 0) return [];
  const global = globalOptionsOf(parsed);
  if (complete === "contexts") return await contextNames(host, global.configDir);
  const { completeNames } = await import("./complete_names.ts");
  return await completeNames(host, { global, command: name });
}

/** The value of a flag, or its name; `undefined` where neither stands. */
async function valuesOf(
  flags: readonly AnyFlag[],
  { words, current, prefix }: Line,
  host: Host,
): Promise<readonly string[] | undefined> {
  const before = words.at(-1) ?? "";
  const asked = current.startsWith("--") && current.includes("=")
    ? flags.find(({ name }) => current.startsWith(`--${name}=`))
    : words.includes("--")
    ? undefined
    : flags.find((flag) =>
      !flag.isSwitch &&
      (before === `--${flag.name}` ||
        (flag.shorthand !== undefined && before === `-${flag.shorthand}`))
    );
  if (asked !== undefined) {
    const values = asked.name === GLOBAL.context.name
      ? await contextNames(host, host.env("CODER_CONFIG_DIR") ?? "")
      : asked.kind.includes("|")
      ? asked.kind.replace(/^\[/, "").replace(/\]$/, "").split("|")
      : [];
    return values.map((value) => prefix + value);
  }
  if (!current.startsWith("-")) return undefined;
  if (words.includes("--")) return [];
  return flags.filter((flag) => !flag.isHidden).map(({ name }) => `--${name}`);
}

async function contextNames(host: Host, dir: string): Promise<readonly string[]> {
  const base = configDir(host, { configDir: dir });
  return [DEFAULT_CONTEXT, ...await namesQuietly(host, base)];
}

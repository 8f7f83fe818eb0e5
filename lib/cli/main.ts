/** From arguments to an exit code: finds the command, runs it, and reports what it threw. */
import type { Host } from "../base/host.ts";
import { goQuote } from "../coder/text.ts";
import type { Command } from "./command/command.ts";
import { columnsOf, print, runCommand } from "./command/run.ts";
import { type CommandEntry, COMMANDS, type Entry, loadCommands } from "./commands.ts";
import { splitCommand } from "./grammar/args.ts";
import { GLOBAL_FLAGS } from "./grammar/flags_global.ts";
import { didYouMean } from "./grammar/similar.ts";
import { isWorkspaceName } from "./ready/workspace_name.ts";
import { ExitError } from "./terminal/errors.ts";
import { reportError } from "./terminal/report_error.ts";
import { VERSION } from "./version.ts";

const VERBOSE_WORDS: ReadonlySet<string> = new Set(["-v", "--verbose", "--verbose=true"]);

/** Commands whose examples the list of all shows. */
const FIRST_STEPS: ReadonlySet<string> = new Set(["ssh", "login", "list", "config-ssh", "demo"]);

/** Runs the program; the exit code. Never throws. */
export async function main(args: readonly string[], host: Host): Promise<number> {
  const words: string[] = ["hawser"];
  try {
    if (host.env("COMPLETION_MODE") === "1") {
      const { complete } = await import("./command/complete.ts");
      return await complete(args, host);
    }
    if (args[0] === "--version") return await printVersion(host);
    let rest = args;
    let entries = COMMANDS;
    for (;;) {
      if (words.length === 1 && rest[0] === "--version") return await printVersion(host);
      const split = splitCommand(rest, GLOBAL_FLAGS);
      const name = split.command ?? "help";
      if (words.length === 1 && name === "version") return await printVersion(host);
      const asked = name === "help" ? split.args.filter((word) => !word.startsWith("-")) : [];
      if (name === "help" && asked.length === 0) return await printHelp(host, { words, entries });
      if (name === "help") {
        rest = [...asked, "--help"];
        continue;
      }
      const entry = entries.find((candidate) => isCalled(candidate, name));
      if (entry === undefined) throw unknownCommand(words, { name, entries });
      words.push(name);
      rest = split.args;
      if ("entries" in entry) {
        entries = entry.entries;
        continue;
      }
      const [below, args] = commandBelow(entry.below ?? [], rest);
      if (below === undefined) return await runCommand((await entry.load()).command, rest, host);
      words.push(below.name);
      return await runCommand((await below.load()).command, args, host);
    }
  } catch (error) {
    return reportError(host, error, { command: words.join(" "), verbose: isVerbose(args, host) });
  } finally {
    host.disconnect();
  }
}

/** The command that the first word behind a command names, and its arguments. */
function commandBelow(
  below: readonly CommandEntry[],
  args: readonly string[],
): readonly [CommandEntry | undefined, readonly string[]] {
  // Flags of the command itself are no affair of ours, so they are only looked at when they must be.
  if (!below.some(({ name }) => args.includes(name))) return [undefined, args];
  const split = splitCommand(args, GLOBAL_FLAGS);
  return [below.find(({ name }) => name === split.command), split.args];
}

function isCalled(entry: Entry, name: string): boolean {
  return entry.name === name || ("aliases" in entry && entry.aliases?.includes(name) === true);
}

function unknownCommand(
  words: readonly string[],
  typed: { readonly name: string; readonly entries: readonly Entry[] },
): ExitError {
  const { name, entries } = typed;
  const [program = "", ...group] = words;
  const meant = didYouMean(name, entries.map((entry) => entry.name), goQuote);
  const what = group.length === 0
    ? `unknown command ${goQuote(name)}`
    : `unknown subcommand ${goQuote(name)} of ${group.join(" ")}`;
  return new ExitError(
    1,
    `${program}: ${what}`,
    [
      ...(meant === undefined ? [] : [meant]),
      // ssh(1) takes a host there, and so do fingers.
      ...(group.length === 0 && meant === undefined && isWorkspaceName(name)
        ? [`To get into a workspace of that name: hawser ssh ${name}`]
        : []),
      `Run "${words.join(" ")} --help" for what there is.`,
    ],
  );
}

/** Asked of the raw arguments, since the failure may be one of parsing them. */
function isVerbose(args: readonly string[], host: Host): boolean {
  return args.some((arg) => VERBOSE_WORDS.has(arg)) || host.env("CODER_VERBOSE") === "true";
}

async function printVersion(host: Host): Promise<number> {
  return await print(host, `hawser v${VERSION}\n`);
}

/** The list of the commands of the program, or of one group. */
async function printHelp(
  host: Host,
  of: { readonly words: readonly string[]; readonly entries: readonly Entry[] },
): Promise<number> {
  const { exampleBlock, wrap } = await import("./grammar/help.ts");
  const commands = await loadCommands(of.entries);
  const isWhole = of.words.length === 1;
  // A group that is asked for by its name shows what the list of all leaves out.
  const shown = commands.filter((command) => !isWhole || command.isHidden !== true);
  const width = Math.max(...shown.map((command) => command.name.length)) + 4;
  const columns = columnsOf(host);
  const lineOf = ({ name, summary }: Command) => {
    const [first = "", ...rest] = wrap(summary, columns, " ".repeat(width + 2)).split("\n");
    return [`  ${name.padEnd(width)}${first.trim()}`, ...rest].join("\n");
  };
  // Of all commands together the first steps are enough.
  const shownBy = isWhole ? shown.filter(({ name }) => FIRST_STEPS.has(name)) : shown;
  const examples = exampleBlock(shownBy.flatMap((command) => command.examples?.[0] ?? []), columns);
  const title = isWhole
    ? `hawser v${VERSION}: shells, commands and SSH in Coder workspaces\n\n`
    : "";
  return await print(
    host,
    `${title}USAGE:\n  ${of.words.join(" ")} <command> [flags] …\n\n` +
      `COMMANDS:\n${shown.map(lineOf).join("\n")}\n\n` +
      `${examples === "" ? "" : `${examples}\n\n`}` +
      `Run "${of.words.join(" ")} <command> --help" for the flags of a command.\n`,
  );
}

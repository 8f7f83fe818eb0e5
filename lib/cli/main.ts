/** From arguments to an exit code: finds the command, runs it, and reports what it threw. */
import { goQuote } from "../coder/text.ts";
import { splitCommand } from "./grammar/args.ts";
import { GLOBAL_FLAGS } from "./grammar/flags_global.ts";
import { wrap } from "./grammar/help.ts";
import type { Host } from "../base/host.ts";
import { reportError } from "./terminal/report_error.ts";
import { VERSION } from "./version.ts";

/** A command: its own grammar and help live in its file, which is loaded only when it runs. */
export interface Command {
  /** Runs with the arguments behind the command's name; the exit code. Throws what `reportError` can tell. */
  run(args: readonly string[], host: Host): Promise<number>;
}

interface Entry {
  readonly name: string;
  readonly summary: string;
  readonly isHidden?: boolean;
  readonly load: () => Promise<Command>;
}

const COMMANDS: readonly Entry[] = [
  {
    name: "ssh",
    summary: "Open a shell, run a command, or carry SSH in a workspace.",
    load: () => import("./command/ssh.ts"),
  },
  {
    name: "demo",
    summary: "Try it without a deployment: a small one in this process, with a workspace to enter.",
    load: () => import("./command/demo.ts"),
  },
  {
    name: "vscodessh",
    summary: "What old editor extensions call.",
    isHidden: true,
    load: () => import("./command/vscodessh.ts"),
  },
  {
    name: "connect",
    summary: "Ask whether Coder Connect leads to a host.",
    isHidden: true,
    load: () => import("./command/connect_exists.ts"),
  },
];

const VERBOSE_WORDS: ReadonlySet<string> = new Set(["-v", "--verbose", "--verbose=true"]);

/** Runs the program; the exit code. Never throws. */
export async function main(args: readonly string[], host: Host): Promise<number> {
  let command = "hawser";
  try {
    const split = splitCommand(args, GLOBAL_FLAGS);
    const name = split.command ?? wordOf(split.args);
    if (name === "help") return printHelp(host);
    if (name === "version") return await printVersion(host);
    const entry = COMMANDS.find((candidate) => candidate.name === name);
    if (entry === undefined) {
      host.stderr.print(
        `hawser: unknown command ${goQuote(name)}\nRun "hawser --help" for what there is.\n`,
      );
      return 1;
    }
    command = `hawser ${entry.name}`;
    const { run } = await entry.load();
    return await run(split.args, host);
  } catch (error) {
    return reportError(host, error, { command, verbose: isVerbose(args, host) });
  }
}

/** What a command line without a command asks for. */
function wordOf(args: readonly string[]): string {
  return args.includes("--version") ? "version" : "help";
}

/** Asked of the raw arguments, since the failure may be one of parsing them. */
function isVerbose(args: readonly string[], host: Host): boolean {
  return args.some((arg) => VERBOSE_WORDS.has(arg)) || host.env("CODER_VERBOSE") === "true";
}

async function printVersion(host: Host): Promise<number> {
  await host.stdout.write(new TextEncoder().encode(`hawser v${VERSION}\n`));
  return 0;
}

async function printHelp(host: Host): Promise<number> {
  const columns = host.stdout.size()?.columns ?? 100;
  const shown = COMMANDS.filter((entry) => entry.isHidden !== true);
  const width = Math.max(...shown.map((entry) => entry.name.length)) + 4;
  const lines = shown.map((entry) => {
    const [first = "", ...rest] = wrap(entry.summary, columns, " ".repeat(width + 2)).split("\n");
    return [`  ${entry.name.padEnd(width)}${first.trim()}`, ...rest].join("\n");
  });
  const text = `hawser v${VERSION}: shells, commands and SSH in Coder workspaces\n\n` +
    `USAGE:\n  hawser <command> [flags] …\n\nCOMMANDS:\n${lines.join("\n")}\n\n` +
    `Run "hawser <command> --help" for the flags of a command.\n`;
  await host.stdout.write(new TextEncoder().encode(text));
  return 0;
}

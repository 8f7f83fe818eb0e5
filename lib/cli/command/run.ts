/** One call of a command: completion, grammar, help, retired flags, then the command itself. */
import type { Host } from "../../base/host.ts";
import { checkPositionals, type Command } from "./command.ts";
import { type AnyFlag, parseArgs } from "../grammar/args.ts";
import { GLOBAL_FLAGS, globalOptionsOf } from "../grammar/flags_global.ts";
import { writeText } from "../terminal/print.ts";
import { Progress } from "../terminal/progress.ts";
import { timelineLog } from "../terminal/timeline.ts";

const DEFAULT_COLUMNS = 100;

/** Runs with the arguments behind the command's name; the exit code. Throws what `reportError` can tell. */
export async function runCommand(
  command: Command,
  args: readonly string[],
  host: Host,
): Promise<number> {
  const name = `hawser ${command.name}`;
  const flags: readonly AnyFlag[] = [...command.flags, ...GLOBAL_FLAGS];
  const reads = command.readsEnvironment ?? true;
  const parsed = parseArgs(args, {
    flags,
    env: (variable) => reads ? host.env(variable) : undefined,
    command: name,
    shown: [...command.name.split(" "), ...args],
  });
  const global = globalOptionsOf(parsed);
  if (global.help) return await print(host, await helpOf(command, columnsOf(host)));
  if (global.debugOptions) {
    const { renderOptionSources } = await import("../config/debug_options.ts");
    return await print(host, renderOptionSources(parsed, command.flags));
  }
  checkPositionals(parsed.positionals, command.positionals, { usage: usageOf(command) });
  const progress = new Progress(host, global.forceTty ? { isTerminal: true } : {});
  for (const line of parsed.deprecations(flags)) progress.warning(line);
  return await command.start({
    host,
    name,
    global: global.verbose
      ? { ...global, log: timelineLog({ clock: host.clock, progress, startedAt: 0 }) }
      : global,
    args: parsed.positionals,
    progress,
    parsed,
  });
}

/** The command's page, at most `columns` wide. */
export async function helpOf(command: Command, columns: number): Promise<string> {
  const { renderHelp } = await import("../grammar/help.ts");
  return renderHelp({
    usage: usageOf(command),
    summary: command.description ?? command.summary,
    ...(command.examples === undefined ? {} : { examples: command.examples }),
    flags: command.flags,
    globalFlags: GLOBAL_FLAGS,
  }, columns);
}

function usageOf({ name, usage }: Command): string {
  return `hawser ${name} ${usage}`.trimEnd();
}

/** How wide a page for people may be. */
export function columnsOf(host: Host): number {
  return host.stdout.size()?.columns ?? DEFAULT_COLUMNS;
}

/** Prints to standard output; 0. */
export async function print(host: Host, text: string): Promise<number> {
  await writeText(host.stdout, text);
  return 0;
}

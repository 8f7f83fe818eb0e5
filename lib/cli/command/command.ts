/**
 * A command as data: from this one value come its grammar, help, completion, the texts of its errors, and its place in the
 * list of commands. A new command is one file that exports `command`, and its line in `lib/cli/commands.ts`.
 */
import { UserError } from "../../base/errors.ts";
import type { Host } from "../../base/host.ts";
import { goList } from "../../coder/text.ts";
import type { AnyFlag, ParsedArgs } from "../grammar/args.ts";
import type { GlobalOptions } from "../grammar/flags_global.ts";
import type { HelpExample } from "../grammar/help.ts";
import { type FlagTable, type OptionsOf, optionsOf } from "../grammar/options.ts";
import type { Progress } from "../terminal/progress.ts";

/** How one call of a command came about. */
export interface Invocation {
  readonly host: Host;
  /** The full name, e.g. `hawser ssh`. */
  readonly name: string;
  readonly global: GlobalOptions;
  /** What stands on the command line besides flags; as many as `positionals` allows. */
  readonly args: readonly string[];
  readonly progress: Progress;
  /** Everything parsed, for those who ask where a value came from. */
  readonly parsed: ParsedArgs;
}

/** How many positional arguments a command takes. */
export interface Positionals {
  readonly min: number;
  /** @default any number */
  readonly max?: number;
  /** What completion offers for the first of them; `copies`, files here or in a workspace, for each. @default nothing */
  readonly complete?: "workspaces" | "contexts" | "copies";
  /** What it offers for the second one. @default nothing */
  readonly completeSecond?: "apps";
}

/** The exit code of a completion that tells our scripts: the shell's own names of files fit there too. */
export const FILES_FIT = 10;

/** What is said of a command without its flags' types. */
export interface CommandFacts {
  /** Behind `hawser`: `ssh`, `connect exists`. */
  readonly name: string;
  /** Behind the name: `[flags] <workspace> [command]`. */
  readonly usage: string;
  /** One sentence for the list of commands. */
  readonly summary: string;
  /** For its own page. @default the summary */
  readonly description?: string;
  readonly examples?: readonly HelpExample[];
  readonly positionals: Positionals;
  /** Left out of the list of commands. @default false */
  readonly isHidden?: boolean;
  /** Whether variables of the environment set flags. @default true */
  readonly readsEnvironment?: boolean;
}

export interface CommandDefinition<Table extends FlagTable> extends CommandFacts {
  readonly flags: Table;
  /** The exit code. Throws what `reportError` can tell. */
  run(options: OptionsOf<Table>, invocation: Invocation): Promise<number>;
}

/** A command whose flags' types are its own affair. */
export interface Command extends CommandFacts {
  readonly flags: readonly AnyFlag[];
  /** Runs with what was parsed for `flags` and the global ones. */
  start(invocation: Invocation): Promise<number>;
}

export function defineCommand<Table extends FlagTable>(
  definition: CommandDefinition<Table>,
): Command {
  const { flags, run: _, ...facts } = definition;
  return {
    ...facts,
    flags: Object.values(flags),
    start: (invocation) => definition.run(optionsOf(flags, invocation.parsed), invocation),
  };
}

/**
 * Throws `UserError` for too few or too many arguments, in the official command's words; `usage` is how the command is written, e.g.
 * `hawser show [flags] <workspace>`.
 */
export function checkPositionals(
  args: readonly string[],
  { min, max }: Positionals,
  { usage }: { readonly usage: string },
): void {
  const count = args.length;
  if (count >= min && (max === undefined || count <= max)) return;
  const wanted = max === undefined
    ? `at least ${min} args`
    : max === 0
    ? "no args"
    : min === max
    ? `${min} args`
    : `between ${min} and ${max} args`;
  const given = min === max ? ` ${goList(args)}` : "";
  throw new UserError(`wanted ${wanted} but got ${count}${given}`, {
    hint: `It is written: ${usage}`,
  });
}

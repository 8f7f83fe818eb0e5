/**
 * The grammar of the command line, that of the official command's flag library (docs/protocol/ssh.md#flags): flags anywhere,
 * `--name value`, `--name=value`, `-n value`, `-nvalue`, `-n=value`, clusters of switches (`-tA`), `--` ends flags.
 * A tokenizer of our own: `node:util` takes `-eA=1` and `--flag=false` for something else, and costs 5 ms.
 */
import { UserError } from "../../base/errors.ts";
import { goList, goQuote } from "../../coder/text.ts";
import type { Flag } from "./flag.ts";
import { FlagValueError } from "./flag_error.ts";
import { shownArgs, shownText } from "./hidden.ts";
import { expandPath } from "./path.ts";
import { didYouMean } from "./similar.ts";

const BEHIND_COMMAND = "Flags of a command stand behind its name, as in hawser ssh --tty dev";
const BEHIND_DASHES = "Flags of a remote command stand behind --, as in hawser ssh dev -- ls -la";

/** Any flag; its value's type is known to whoever holds the flag itself. */
export type AnyFlag = Flag<unknown>;

type Token =
  | { readonly kind: "flag"; readonly flag: AnyFlag; readonly text: string }
  | { readonly kind: "positional"; readonly text: string; readonly index: number };

/** The command line breaks the grammar; the hint says what would not. */
class GrammarError extends Error {
  override name = "GrammarError";
  readonly hint: string | undefined;

  constructor(message: string, hint?: string) {
    super(message);
    this.hint = hint;
  }
}

/** No flag has this name or letter: it may be another program's. */
class UnknownFlagError extends GrammarError {
  override name = "UnknownFlagError";
}

/** Finds flags by their names. */
class FlagTable {
  readonly #long = new Map<string, AnyFlag>();
  readonly #short = new Map<string, AnyFlag>();

  constructor(flags: readonly AnyFlag[]) {
    for (const flag of flags) {
      this.#long.set(flag.name, flag);
      if (flag.shorthand !== undefined) this.#short.set(flag.shorthand, flag);
    }
  }

  long(name: string): AnyFlag {
    const flag = this.#long.get(name);
    if (flag === undefined) {
      throw new UnknownFlagError(`unknown flag: --${name}`, this.#hintFor(name));
    }
    return flag;
  }

  #hintFor(name: string): string | undefined {
    const shown = [...this.#long.values()].filter((flag) => !flag.isHidden);
    return didYouMean(name, shown.map((flag) => flag.name), (word) => `--${word}`);
  }

  /** `rest` is the cluster from this letter on, for the message. */
  short(letter: string, cluster: string): AnyFlag {
    const flag = this.#short.get(letter);
    if (flag === undefined) {
      throw new UnknownFlagError(`unknown shorthand flag: '${letter}' in -${cluster}`);
    }
    return flag;
  }
}

function* tokenize(args: readonly string[], table: FlagTable): Generator<Token> {
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? "";
    if (!arg.startsWith("-") || arg.length === 1) {
      yield { kind: "positional", text: arg, index: i };
    } else if (arg === "--") {
      for (let j = i + 1; j < args.length; j++) {
        yield { kind: "positional", text: args[j] ?? "", index: j };
      }
      return;
    } else if (arg.startsWith("--")) {
      const { flag, text } = longFlag(arg, table);
      const value = text ?? args[++i];
      if (value === undefined) throw new GrammarError(`flag needs an argument: --${flag.name}`);
      yield { kind: "flag", flag, text: value };
    } else {
      for (const { flag, text, rest } of shortFlags(arg.slice(1), table)) {
        const value = text ?? args[++i];
        if (value === undefined) {
          throw new GrammarError(`flag needs an argument: '${rest}' in -${rest}`);
        }
        yield { kind: "flag", flag, text: value };
      }
    }
  }
}

/** `--name`, `--name=value`; no text means that the next argument is the value. */
function longFlag(arg: string, table: FlagTable): { flag: AnyFlag; text: string | undefined } {
  const body = arg.slice(2);
  if (body.startsWith("-") || body.startsWith("=")) {
    throw new GrammarError(`bad flag syntax: ${arg}`);
  }
  const equals = body.indexOf("=");
  const flag = table.long(equals === -1 ? body : body.slice(0, equals));
  if (equals !== -1) return { flag, text: body.slice(equals + 1) };
  return { flag, text: flag.isSwitch ? "true" : undefined };
}

interface ShortFlag {
  readonly flag: AnyFlag;
  readonly text: string | undefined;
  /** The cluster from this letter on. */
  readonly rest: string;
}

/** The flags of `-abc`, `-avalue`, `-a=value`. */
function* shortFlags(cluster: string, table: FlagTable): Generator<ShortFlag> {
  let rest = cluster;
  while (rest !== "") {
    const letter = String.fromCodePoint(rest.codePointAt(0) ?? 0);
    const flag = table.short(letter, rest);
    const behind = rest.slice(letter.length);
    if (behind.length > 1 && behind.startsWith("=")) {
      yield { flag, rest, text: behind.slice(1) };
      return;
    }
    if (!flag.isSwitch) {
      yield { flag, rest, text: behind === "" ? undefined : behind };
      return;
    }
    yield { flag, rest, text: "true" };
    rest = behind;
  }
}

export interface SplitArgs {
  /** The first positional; `undefined` when there is none. */
  readonly command: string | undefined;
  /** Everything else, in order. */
  readonly args: readonly string[];
}

/**
 * Finds the command's name: the first positional when only global flags are known. Throws `UserError` for an unknown
 * flag in front of it, as the official command does.
 */
export function splitCommand(args: readonly string[], globalFlags: readonly AnyFlag[]): SplitArgs {
  try {
    for (const token of tokenize(args, new FlagTable(globalFlags))) {
      if (token.kind === "positional") {
        return { command: token.text, args: args.filter((_, i) => i !== token.index) };
      }
    }
  } catch (error) {
    throw toUserError(error, {
      shown: shownArgs(args, globalFlags),
      command: "hawser",
      hint: BEHIND_COMMAND,
    });
  }
  return { command: undefined, args };
}

export interface ParseOptions {
  readonly flags: readonly AnyFlag[];
  readonly env: (name: string) => string | undefined;
  /** The full name, e.g. `hawser ssh`, for messages. */
  readonly command: string;
  /** The arguments as typed, for messages. @default the arguments parsed */
  readonly shown?: readonly string[];
}

/** Where a value came from, first match first. */
export type FlagSource = "flag" | "env" | "default";

/** How a flag was given: each occurrence's text, paths as they are meant. */
interface FlagUse {
  readonly source: FlagSource;
  readonly texts: string[];
}

/** What the command line and the environment said. */
export class ParsedArgs {
  readonly positionals: readonly string[];
  readonly #texts: ReadonlyMap<string, FlagUse>;

  constructor(positionals: readonly string[], texts: ReadonlyMap<string, FlagUse>) {
    this.positionals = positionals;
    this.#texts = texts;
  }

  /** The value of `flag`, which must be one of those parsed for. */
  value<Value>(flag: Flag<Value>): Value {
    let value = flag.initial;
    for (const text of this.#texts.get(flag.name)?.texts ?? []) value = flag.parse(text, value);
    return value;
  }

  source(flag: AnyFlag): FlagSource {
    return this.#texts.get(flag.name)?.source ?? "default";
  }

  /** One line for each retired flag or variable in use (docs/protocol/ssh.md#global-flags). */
  deprecations(flags: readonly AnyFlag[]): string[] {
    return flags.flatMap((flag) => {
      const source = this.source(flag);
      const other = flag.replacedBy;
      if (other === undefined || source === "default") return [];
      const isFlag = source === "flag";
      const name = isFlag ? `--${flag.name}` : flag.env ?? "";
      const instead = isFlag ? `--${other.name}` : other.env ?? "";
      return [`\`${name}\` is deprecated, please use \`${instead}\` instead.`];
    });
  }
}

/** Parses flags and environment; a flag beats its variable. Throws `UserError` in the official command's words. */
export function parseArgs(args: readonly string[], options: ParseOptions): ParsedArgs {
  const { flags, env, command, shown = args } = options;
  const texts = new Map<string, FlagUse>();
  const add = (
    flag: AnyFlag,
    text: string,
    to: FlagUse,
    fail: (problem: FlagValueError) => never,
  ) => {
    try {
      const read = flag.isPath === true ? expandPath(text, { env }) : text;
      // Whether a text can be read does not depend on those before it: each is looked at once.
      flag.parse(read, flag.initial);
      to.texts.push(read);
      texts.set(flag.name, to);
    } catch (error) {
      if (error instanceof FlagValueError) fail(error);
      throw error;
    }
  };
  for (const flag of flags) {
    const text = flag.env === undefined ? undefined : env(flag.env);
    // An empty variable counts as unset, as upstream has it for most.
    if (text === undefined || (text === "" && flag.takesEmpty !== true)) continue;
    add(flag, text, { source: "env", texts: [] }, (problem) => {
      throw new UserError(
        `parsing environment variable ${flag.env}=${goQuote(shownText(flag, text))} for ${
          goQuote(command)
        }: ${problem.message}`,
        problem.hint === undefined ? {} : { hint: problem.hint },
      );
    });
  }
  const positionals: string[] = [];
  try {
    for (const token of tokenize(args, new FlagTable(flags))) {
      if (token.kind === "positional") {
        positionals.push(token.text);
        continue;
      }
      const { flag, text } = token;
      const known = texts.get(flag.name);
      const to: FlagUse = known?.source === "flag" ? known : { source: "flag", texts: [] };
      add(flag, text, to, (problem) => {
        throw new GrammarError(
          `invalid argument ${goQuote(shownText(flag, text))} for ${
            goQuote(flagNames(flag))
          } flag: ${problem.message}`,
          problem.hint,
        );
      });
    }
  } catch (error) {
    // A workspace and a word of the remote command: what comes then is likely that command's own.
    const hint = positionals.length < 2 ? undefined : BEHIND_DASHES;
    throw toUserError(error, { shown: shownArgs(shown, flags), command, hint });
  }
  return new ParsedArgs(positionals, texts);
}

/** `-A, --forward-agent` or `--stdio`. */
function flagNames(flag: AnyFlag): string {
  return flag.shorthand === undefined ? `--${flag.name}` : `-${flag.shorthand}, --${flag.name}`;
}

function toUserError(
  error: unknown,
  context: {
    readonly shown: readonly string[];
    readonly command: string;
    readonly hint: string | undefined;
  },
): unknown {
  if (!(error instanceof GrammarError)) return error;
  const { shown, command } = context;
  const hint = error.hint ?? (error instanceof UnknownFlagError ? context.hint : undefined);
  return new UserError(
    `parsing flags (${goList(shown)}) for ${goQuote(command)}: ${error.message}`,
    hint === undefined ? {} : { hint },
  );
}

/**
 * One command-line flag: its names, its environment variable, how its text becomes a value, and what help says of it.
 * Texts of errors are those of the official command's flag library (docs/protocol/ssh.md#flags): scripts and people know them.
 */
import { parseDuration } from "../../base/duration.ts";
import { goList, goQuote } from "../../coder/text.ts";
import { parseCsvRecord } from "./csv.ts";
import { FlagValueError } from "./flag_error.ts";
import { didYouMean } from "./similar.ts";

export interface Flag<Value> {
  /** Long name, without hyphens. */
  readonly name: string;
  /** One letter, without hyphen. */
  readonly shorthand?: string;
  /** Environment variable that sets it when the flag itself is absent. */
  readonly env?: string;
  /** As help shows the kind: `string`, `duration`, `yes|no|auto`; empty for a switch. */
  readonly kind: string;
  /** A switch: it stands alone, a value only follows behind `=`. */
  readonly isSwitch: boolean;
  readonly initial: Value;
  /** The default as help shows it; empty for none. */
  readonly initialText: string;
  /** Left out of help. */
  readonly isHidden: boolean;
  /** Flags that help shows together stand under such a title. @default under the options that have none */
  readonly group?: string;
  /** The flag to use instead; using this one prints a warning. */
  readonly replacedBy?: Flag<unknown>;
  /** An empty variable sets it too: "none at all" is something to say. @default false */
  readonly takesEmpty?: boolean;
  /** Its texts are paths: `~`, `$NAME` and `${NAME}` are replaced before they are parsed. @default false */
  readonly isPath?: boolean;
  /** What completion offers for its value. @default the words of its kind, or files for a path */
  readonly completes?: "contexts" | "ports";
  readonly help: string;
  /** How errors show its text, which may hold a secret. @default as it is */
  readonly shown?: (text: string) => string;
  /** The value after one more occurrence with `text`. Throws `FlagValueError`. */
  parse(text: string, previous: Value): Value;
}

/** What is common to all kinds. */
export interface FlagNames {
  readonly name: string;
  readonly shorthand?: string;
  readonly env?: string;
  readonly help: string;
  /** @default false */
  readonly hidden?: boolean;
  readonly shown?: (text: string) => string;
  readonly group?: string;
  readonly replacedBy?: Flag<unknown>;
  readonly takesEmpty?: boolean;
  readonly completes?: "contexts" | "ports";
}

function common(names: FlagNames) {
  const { hidden = false, ...rest } = names;
  return { ...rest, isHidden: hidden };
}

const TRUE_WORDS = ["1", "t", "T", "TRUE", "true", "True"];
const FALSE_WORDS = ["0", "f", "F", "FALSE", "false", "False", ""];

/** A switch. @default off */
export function switchFlag(names: FlagNames & { readonly initial?: boolean }): Flag<boolean> {
  const { initial = false, ...rest } = names;
  return {
    ...common(rest),
    kind: "",
    isSwitch: true,
    initial,
    initialText: initial ? "true" : "",
    parse(text) {
      if (TRUE_WORDS.includes(text)) return true;
      if (FALSE_WORDS.includes(text)) return false;
      throw new FlagValueError(`strconv.ParseBool: parsing ${goQuote(text)}: invalid syntax`);
    },
  };
}

export function textFlag(names: FlagNames & { readonly initial?: string }): Flag<string> {
  const { initial = "", ...rest } = names;
  return {
    ...common(rest),
    kind: "string",
    isSwitch: false,
    initial,
    initialText: initial,
    parse: (text) => text,
  };
}

/** A file's or a folder's path, or a word that stands for one. */
export function pathFlag(names: FlagNames & { readonly initial?: string }): Flag<string> {
  return { ...textFlag(names), isPath: true };
}

/** A duration in milliseconds; `initial` is its text. */
export function durationFlag(names: FlagNames & { readonly initial: string }): Flag<number> {
  const { initial, ...rest } = names;
  return {
    ...common(rest),
    kind: "duration",
    isSwitch: false,
    initial: toDurationMs(initial),
    initialText: initial,
    parse: toDurationMs,
  };
}

function toDurationMs(text: string): number {
  const ms = parseDuration(text);
  if (ms !== undefined) return ms;
  const isMissingUnit = /^[+-]?(\d+(?:\.\d*)?|\.\d+)$/.test(text);
  throw new FlagValueError(
    isMissingUnit
      ? `time: missing unit in duration ${goQuote(text)}`
      : `time: invalid duration ${goQuote(text)}`,
  );
}

/** A whole number that is not negative. */
export function countFlag(names: FlagNames & { readonly initial: number }): Flag<number> {
  const { initial, ...rest } = names;
  return {
    ...common(rest),
    kind: "int",
    isSwitch: false,
    initial,
    initialText: String(initial),
    parse(text) {
      if (/^\+?\d{1,15}$/.test(text)) return Number(text);
      throw new FlagValueError(`strconv.ParseInt: parsing ${goQuote(text)}: invalid syntax`);
    },
  };
}

/** A whole number of either sign. */
export function integerFlag(names: FlagNames & { readonly initial: number }): Flag<number> {
  return {
    ...countFlag(names),
    parse(text) {
      if (/^[+-]?\d{1,15}$/.test(text)) return Number(text);
      throw new FlagValueError(`strconv.ParseInt: parsing ${goQuote(text)}: invalid syntax`);
    },
  };
}

/** One of a few words. */
export function choiceFlag<Word extends string>(
  names: FlagNames & { readonly words: readonly Word[]; readonly initial: Word },
): Flag<Word> {
  const { words, initial, ...rest } = names;
  return {
    ...common(rest),
    kind: words.join("|"),
    isSwitch: false,
    initial,
    initialText: initial,
    parse(text) {
      const word = words.find((known) => known === text);
      if (word !== undefined) return word;
      throw new FlagValueError(
        `invalid choice: ${text}, should be one of ${goList(words)}`,
        didYouMean(text, words, goQuote),
      );
    },
  };
}

/** Texts: repeatable, each occurrence a CSV record. */
export function listFlag(names: FlagNames): Flag<readonly string[]> {
  return {
    ...common(names),
    kind: "stringArray",
    isSwitch: false,
    initial: [],
    initialText: "",
    parse: (text, previous) => text === "" ? [] : [...previous, ...parseCsvRecord(text)],
  };
}

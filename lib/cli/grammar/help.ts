/** Help made from the tables of flags. */
import { cellsOf } from "../../base/cells.ts";
import type { AnyFlag } from "./args.ts";

export interface HelpExample {
  readonly line: string;
  readonly does: string;
}

export interface HelpPage {
  /** e.g. `hawser ssh [flags] <workspace> [command]`. */
  readonly usage: string;
  readonly summary: string;
  /** Lines to try, with what they do. */
  readonly examples?: readonly HelpExample[];
  readonly flags: readonly AnyFlag[];
  readonly globalFlags: readonly AnyFlag[];
}

const MIN_COLUMNS = 20;
/** On a terminal narrower than this, indents are left out. */
const ROOMY_COLUMNS = 50;
/** What flags without a group of their own stand under. */
const UNGROUPED = "Options";

/**
 * The page at most `columns` wide, with a line end. Hidden flags stay hidden. Wider than that are only single words and the examples,
 * which people copy.
 */
export function renderHelp(page: HelpPage, columns: number): string {
  const width = Math.max(columns, MIN_COLUMNS);
  const blocks = [
    `USAGE:\n  ${page.usage}`,
    wrap(page.summary, width, "  "),
    exampleBlock(page.examples ?? [], width),
    ...groupsOf(page.flags).map((title) =>
      flagBlock(title, page.flags.filter((flag) => (flag.group ?? UNGROUPED) === title), width)
    ),
    flagBlock("Global options", page.globalFlags, width),
  ];
  return blocks.filter((block) => block !== "").join("\n\n") + "\n";
}

/** A block of lines to try; empty without any. */
export function exampleBlock(examples: readonly HelpExample[], width: number): string {
  if (examples.length === 0) return "";
  const entries = examples.map(({ line, does }) => `${wrap(does, width, "  ")}\n     $ ${line}`);
  return `EXAMPLES:\n${entries.join("\n\n")}`;
}

/** Those without a group first, then in the order of the table. */
function groupsOf(flags: readonly AnyFlag[]): string[] {
  return [...new Set([UNGROUPED, ...flags.map((flag) => flag.group ?? UNGROUPED)])];
}

function flagBlock(title: string, flags: readonly AnyFlag[], width: number): string {
  const shown = flags.filter((flag) => !flag.isHidden)
    .toSorted((a, b) => a.name < b.name ? -1 : 1);
  if (shown.length === 0) return "";
  return `${title.toUpperCase()}:\n${shown.map((flag) => flagEntry(flag, width)).join("\n\n")}`;
}

function flagEntry(flag: AnyFlag, width: number): string {
  const isRoomy = width >= ROOMY_COLUMNS;
  const short = flag.shorthand === undefined ? "" : `-${flag.shorthand}, `;
  // A value that may be left out belongs to the name: `--persist[=NAME]`.
  const kind = flag.kind === "" || flag.kind.startsWith("[") ? flag.kind : ` ${flag.kind}`;
  const env = flag.env === undefined ? "" : `, $${flag.env}`;
  const initial = flag.initialText === "" ? "" : ` (default: ${flag.initialText})`;
  const head = wrap(`${short}--${flag.name}${kind}${env}${initial}`, width, {
    first: short === "" && isRoomy ? "      " : "  ",
    rest: isRoomy ? "        " : "   ",
  });
  const retired = flag.replacedBy === undefined
    ? ""
    : `DEPRECATED: Use --${flag.replacedBy.name} instead. `;
  return `${head}\n${wrap(retired + flag.help, width, isRoomy ? "          " : "    ")}`;
}

/** `text` broken between words, each line behind `indent`. */
export function wrap(
  text: string,
  width: number,
  indent: string | { readonly first: string; readonly rest: string },
): string {
  const { first, rest } = typeof indent === "string" ? { first: indent, rest: indent } : indent;
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/\s+/)) {
    const before = lines.length === 0 ? first : rest;
    if (line !== "" && cellsOf(`${before}${line} ${word}`) > width) {
      lines.push(before + line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  lines.push((lines.length === 0 ? first : rest) + line);
  return lines.join("\n");
}

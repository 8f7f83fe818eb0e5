/** Help made from the tables of flags. */
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

const INDENT = "      ";
const MIN_COLUMNS = 40;

/** The page at most `columns` wide, with a line end. Hidden flags stay hidden. */
export function renderHelp(page: HelpPage, columns: number): string {
  const width = Math.max(columns, MIN_COLUMNS);
  const blocks = [
    `USAGE:\n  ${page.usage}`,
    wrap(page.summary, width, "  "),
    ...examplesOf(page, width),
    flagBlock("OPTIONS", page.flags, width),
    flagBlock("GLOBAL OPTIONS", page.globalFlags, width),
  ];
  return blocks.filter((block) => block !== "").join("\n\n") + "\n";
}

function examplesOf(page: HelpPage, width: number): string[] {
  return (page.examples ?? []).map(({ line, does }) =>
    `${wrap(`- ${does}:`, width, "  ")}\n\n     $ ${line}`
  );
}

function flagBlock(title: string, flags: readonly AnyFlag[], width: number): string {
  const shown = flags.filter((flag) => !flag.isHidden)
    .toSorted((a, b) => a.name < b.name ? -1 : 1);
  if (shown.length === 0) return "";
  return `${title}:\n${shown.map((flag) => flagEntry(flag, width)).join("\n\n")}`;
}

function flagEntry(flag: AnyFlag, width: number): string {
  const short = flag.shorthand === undefined ? "    " : `-${flag.shorthand}, `;
  const kind = flag.kind === "" ? "" : ` ${flag.kind}`;
  const env = flag.env === undefined ? "" : `, $${flag.env}`;
  const initial = flag.initialText === "" ? "" : ` (default: ${flag.initialText})`;
  const head = `  ${short}--${flag.name}${kind}${env}${initial}`;
  const retired = flag.replacedBy === undefined
    ? ""
    : `DEPRECATED: Use --${flag.replacedBy.name} instead. `;
  return `${head}\n${wrap(retired + flag.help, width, INDENT + "    ")}`;
}

/** `text` broken between words, each line behind `indent`. */
export function wrap(text: string, width: number, indent: string): string {
  const room = Math.max(1, width - indent.length);
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/\s+/)) {
    if (line !== "" && line.length + 1 + word.length > room) {
      lines.push(indent + line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  lines.push(indent + line);
  return lines.join("\n");
}

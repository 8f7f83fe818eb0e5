/** `--output` and `--column`, and the JSON behind the first of them: the words of scripts, as the official command has them. */
import { goList } from "../../coder/text.ts";
import type { Host } from "../../base/host.ts";
import { parseCsvRecord } from "../grammar/csv.ts";
import { choiceFlag, type Flag } from "../grammar/flag.ts";
import { FlagValueError } from "../grammar/flag_error.ts";
import { writeText } from "../terminal/print.ts";
import { type Column, renderTable } from "./table.ts";

export const OUTPUT = choiceFlag({
  name: "output",
  shorthand: "o",
  words: ["table", "json"],
  initial: "table",
  help: "Output format.",
});

/** `--column`, of these columns; an empty list stands for all of them. */
export function columnFlag(
  columns: readonly Column<never>[],
  initial: readonly string[],
): Flag<readonly string[]> {
  const names = columns.map(({ name }) => name);
  return {
    name: "column",
    shorthand: "c",
    kind: `[${names.join("|")}]`,
    isSwitch: false,
    isHidden: false,
    initial,
    initialText: initial.join(","),
    help: "Columns to display in table output.",
    parse(text, previous) {
      if (text === "") return [];
      const before = previous === initial ? [] : previous;
      return [...before, ...parseCsvRecord(text).map((word) => columnNamed(names, word))];
    },
  };
}

function columnNamed(names: readonly string[], word: string): string {
  const name = names.find((known) => known === word.toLowerCase());
  if (name !== undefined) return name;
  throw new FlagValueError(`invalid choice: ${word}, should be one of ${goList(names)}`);
}

export interface TableResult<Row> {
  readonly columns: readonly Column<Row>[];
  /** What `--column` says. */
  readonly chosen: readonly string[];
}

/** The chosen columns in the chosen order; all of them when none is. */
export function chosenOf<Row>(
  columns: readonly Column<Row>[],
  chosen: readonly string[],
): readonly Column<Row>[] {
  return chosen.length === 0
    ? columns
    : chosen.flatMap((name) => columns.filter((column) => column.name === name));
}

/** Prints the rows as a table, the chosen columns in the chosen order. */
export async function writeTable<Row>(
  host: Host,
  rows: readonly Row[],
  { columns, chosen }: TableResult<Row>,
): Promise<void> {
  const shown = chosenOf(columns, chosen);
  const width = host.stdout.isTerminal ? host.stdout.size()?.columns : undefined;
  await writeText(host.stdout, renderTable(rows, { columns: shown, width }));
}

/** Prints `json` indented by two blanks, as Go writes it: HTML's marks are escaped, and so is what cannot be seen. */
export async function writeJson(host: Host, json: unknown): Promise<void> {
  await writeText(host.stdout, `${goJson(json)}\n`);
}

// encoding/json `HTMLEscape`; the rest would be obeyed by a terminal, or read as something else, and means the same when it is escaped.
const ESCAPED =
  /[<>&\u007f-\u009f\u2028\u2029\ufff9-\ufffb]|(?![\ufe00-\ufe0f])\p{Default_Ignorable_Code_Point}/gu;

function goJson(json: unknown): string {
  const text = JSON.stringify(json, undefined, 2) ?? "null";
  return text.replace(
    ESCAPED,
    (character) =>
      Array.from(
        { length: character.length },
        (_, at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, "0")}`,
      ).join(""),
  );
}

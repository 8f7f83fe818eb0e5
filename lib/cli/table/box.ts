/** A table in a frame, under a title, its rows in groups: `show`'s, as the official command draws it. */
import { cellsOf, cellsOfCharacter } from "../../base/cells.ts";
import { stripToLine } from "../../coder/text.ts";
import { padded } from "./table.ts";

export interface Box {
  readonly title: string;
  readonly head: readonly string[];
  /** Groups of rows, with a line between them; a row may have fewer cells. */
  readonly groups: readonly (readonly (readonly string[])[])[];
  /** Columns of the terminal; `undefined`: there is none. */
  readonly width: number | undefined;
}

/** What remains of a column that is cut. */
const MIN_CELLS = 4;

/** With line ends. A terminal that has no room for the frame gets the lines without it, uncut. */
export function renderBox({ title, head, groups, width }: Box): string {
  const clean = groups.map((rows) => rows.map((row) => head.map((_, at) => cellOf(row, at))));
  const heading = head.map((name) => name.toUpperCase());
  const all = [heading, ...clean.flat()];
  const wanted = head.map((_, at) => Math.max(...all.map((row) => cellsOf(row[at] ?? ""))));
  const widths = fit(wanted, width);
  if (widths === undefined) return renderBare(title, all);
  const inner = widths.reduce((sum, cells) => sum + cells + 2, 0);
  const rule = (left: string, right: string) => `${left}${"─".repeat(inner)}${right}\n`;
  const line = (row: readonly string[]) =>
    `│${widths.map((cells, at) => ` ${padded(row[at] ?? "", cells)} `).join("")}│\n`;
  return [
    rule("┌", "┐"),
    ...wrapCells(stripToLine(title), inner - 2).map((part) => `│ ${padded(part, inner - 2)} │\n`),
    rule("├", "┤"),
    line(heading),
    rule("├", "┤"),
    clean.map((rows) => rows.map(line).join("")).filter((text) => text !== "")
      .join(rule("├", "┤")),
    rule("└", "┘"),
  ].join("");
}

function cellOf(row: readonly string[], at: number): string {
  return stripToLine(row[at] ?? "");
}

function renderBare(title: string, rows: readonly (readonly string[])[]): string {
  const lines = rows.slice(1).map((row) => row.filter((cell) => cell !== "").join("  "));
  return [stripToLine(title), ...lines].map((text) => `${text}\n`).join("");
}

function fit(wanted: readonly number[], width: number | undefined): number[] | undefined {
  const widths = [...wanted];
  if (width === undefined) return widths;
  let excess = widths.reduce((sum, cells) => sum + cells + 2, 2) - width;
  while (excess > 0) {
    const widest = Math.max(...widths);
    if (widest <= MIN_CELLS) return undefined;
    widths[widths.indexOf(widest)] = widest - 1;
    excess--;
  }
  return widths;
}

/** Broken wherever a line is full, as upstream's title is. */
function wrapCells(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  let cells = 0;
  for (const character of text) {
    const more = cellsOfCharacter(character);
    if (cells + more > width && line !== "") {
      lines.push(line);
      line = "";
      cells = 0;
    }
    line += character;
    cells += more;
  }
  return [...lines, line];
}

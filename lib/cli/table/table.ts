/**
 * Tables as the official command prints them: headings in capitals, two blanks behind every cell, the last one too. A terminal that is
 * narrower than that gets cells cut, and one that is narrower still a block of lines for each row. Whatever a cell holds stays in its place.
 */
import { cellsOf, clip } from "../../base/cells.ts";
import { stripToLine } from "../../coder/text.ts";

export interface Column<Row> {
  /** As `--column` names it. */
  readonly name: string;
  readonly cell: (row: Row) => string;
}

const GAP = "  ";
/** What remains of a cell that is cut. */
const MIN_CELLS = 6;

export interface TableOptions<Row> {
  readonly columns: readonly Column<Row>[];
  /** Columns of the terminal; `undefined`: there is none, and nothing is cut. */
  readonly width: number | undefined;
}

/** The table with line ends; empty for no rows. */
export function renderTable<Row>(rows: readonly Row[], options: TableOptions<Row>): string {
  if (rows.length === 0) return "";
  const { columns, width } = options;
  const heads = columns.map(({ name }) => name.toUpperCase());
  const cells = rows.map((row) => columns.map(({ cell }) => stripToLine(cell(row))));
  const wanted = heads.map((head, at) =>
    Math.max(cellsOf(head), ...cells.map((line) => cellsOf(line[at] ?? "")))
  );
  const widths = width === undefined ? wanted : fit(wanted, width);
  if (widths === undefined) return renderBlocks(heads, cells, width ?? 0);
  return [heads, ...cells].map((line) => renderLine(line, widths)).join("");
}

function renderLine(line: readonly string[], widths: readonly number[]): string {
  return line.map((cell, at) => padded(cell, widths[at] ?? 0) + GAP).join("") + "\n";
}

/** `text` in exactly `width` cells. */
export function padded(text: string, width: number): string {
  const shown = clip(text, width);
  return shown + " ".repeat(Math.max(0, width - cellsOf(shown)));
}

/** Widths that fit into the terminal, the widest columns giving way first; `undefined` when that would leave nothing to read. */
function fit(wanted: readonly number[], width: number): number[] | undefined {
  const widths = [...wanted];
  // The blanks behind the last cell may stand outside.
  let excess = widths.reduce((sum, cells) => sum + cells + GAP.length, -GAP.length) - width;
  while (excess > 0) {
    const widest = Math.max(...widths);
    if (widest <= MIN_CELLS) return undefined;
    widths[widths.indexOf(widest)] = widest - 1;
    excess--;
  }
  return widths;
}

function renderBlocks(
  heads: readonly string[],
  cells: readonly (readonly string[])[],
  width: number,
): string {
  const blocks = cells.map((line) =>
    line.map((cell, at) => `${clip(`${heads[at] ?? ""}: ${cell.trim()}`, Math.max(1, width))}\n`)
      .join("")
  );
  return blocks.join("\n");
}

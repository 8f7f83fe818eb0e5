/** A screen as an SVG: a dark window with colours of its own, which is read on light pages and dark ones alike. */
import type { Cell, Screen, Style } from "./screen.ts";

const CELL_WIDTH = 8;
const LINE_HEIGHT = 18;
const FONT_PX = 13;
const MARGIN = 14;
const BAR_HEIGHT = 28;
const PAPER = "#1e2127";
const INK = "#d7dae0";
const FAINT = "#8b929e";
/** As terminals have them: eight colours, then their bright ones. */
const PALETTE = [
  ...["#5c6370", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#d7dae0"],
  ...["#7f848e", "#ff7b86", "#b5e890", "#ffd58a", "#7cc4ff", "#e09bf5", "#6fd7e3", "#ffffff"],
] as const;
const MARKS: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
};

/** `title` says to those who do not see it what it shows. */
export function drawScreen(screen: Screen, title: string): string {
  const used = screen.rows.slice(0, screen.text.split("\n").length);
  const columns = Math.max(...used.map((row) => row.length));
  const width = columns * CELL_WIDTH + 2 * MARGIN;
  const height = used.length * LINE_HEIGHT + BAR_HEIGHT + MARGIN;
  const body = used.flatMap((row, at) => drawRow(row, BAR_HEIGHT + (at + 1) * LINE_HEIGHT - 5));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" ` +
    `viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(title)}" ` +
    `font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace" font-size="${FONT_PX}">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${width}" height="${height}" rx="8" fill="${PAPER}"/>`,
    ...PALETTE.slice(1, 4).map((color, at) =>
      `<circle cx="${MARGIN + 4 + at * 16}" cy="14" r="5" fill="${color}"/>`
    ),
    ...body,
    "</svg>",
    "",
  ].join("\n");
}

/** One `text` for each stretch of one style, as wide as its cells whatever the font is. */
function drawRow(row: readonly Cell[], y: number): string[] {
  const drawn: string[] = [];
  for (let from = 0; from < row.length;) {
    const style = row[from]?.style ?? {};
    let to = from;
    while (to < row.length && isSame(row[to]?.style ?? {}, style)) to++;
    const text = row.slice(from, to).map((cell) => cell.text).join("");
    const lead = text.length - text.trimStart().length;
    const words = style.isInverse === true ? text : text.trim();
    const x = MARGIN + (from + (style.isInverse === true ? 0 : lead)) * CELL_WIDTH;
    const length = [...words].length * CELL_WIDTH;
    if (style.isInverse === true) {
      drawn.push(
        `<rect x="${x}" y="${y - 13}" width="${length}" height="${LINE_HEIGHT}" fill="${INK}"/>`,
      );
    }
    if (words.trim() !== "") {
      drawn.push(
        `<text xml:space="preserve" x="${x}" y="${y}" textLength="${length}" fill="${
          inkOf(style)
        }"` +
          `${style.isBold === true ? ' font-weight="bold"' : ""}>${escaped(words)}</text>`,
      );
    }
    from = to;
  }
  return drawn;
}

function isSame(a: Style, b: Style): boolean {
  return a.color === b.color && a.isBold === b.isBold && a.isFaint === b.isFaint &&
    a.isInverse === b.isInverse;
}

function inkOf({ color, isFaint, isInverse }: Style): string {
  if (isInverse === true) return PAPER;
  if (color !== undefined) return PALETTE[color] ?? INK;
  return isFaint === true ? FAINT : INK;
}

function escaped(text: string): string {
  return text.replaceAll(/[&<>"]/g, (mark) => MARKS[mark] ?? mark);
}

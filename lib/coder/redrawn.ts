/**
 * What a terminal would leave of a line that draws over itself, as progress bars do: carriage returns, backspaces, and the sequences of
 * ECMA-48 §8.3 that move within a line or erase parts of it. All other sequences have no effect.
 */
import { cellsOfCharacter } from "../base/cells.ts";
import { ESCAPE_SEQUENCES, stripControls } from "./text.ts";

/** What moves the cursor back or about. */
// deno-lint-ignore no-control-regex
const REDRAWS = /[\r\b]|(?:\x1b\[|\x9b)[0-9]*[GCDKJX`]/;
// deno-lint-ignore no-control-regex
const LINE_SEQUENCE = /^(?:\x1b\[|\x9b)([0-9]*)([GCDKJX`])$/;
/** A wide terminal. At its edge a row ends and cannot be drawn over any more, and the text goes on in the next one. */
const COLUMNS = 1_000;

/** The text harmless, each line as a terminal would leave it. */
export function redrawn(text: string): string {
  if (!REDRAWS.test(text)) return stripControls(text);
  return stripControls(text.split("\n").map(redrawnLine).join("\n"));
}

function redrawnLine(text: string): string {
  if (!REDRAWS.test(text)) return text;
  const line = new Line();
  let at = 0;
  for (const match of text.matchAll(ESCAPE_SEQUENCES)) {
    line.write(text.slice(at, match.index));
    const [, count = "", verb = ""] = LINE_SEQUENCE.exec(match[0]) ?? [];
    line.obey(verb, count === "" ? undefined : Number(count));
    at = match.index + match[0].length;
  }
  line.write(text.slice(at));
  return line.text();
}

class Line {
  /** Full rows. */
  #above = "";
  /** What stands in each cell; nothing in the second cell of a wide character. */
  #cells: string[] = [];
  #column = 0;

  /** Text without escape sequences. */
  write(text: string): void {
    for (const character of text) {
      if (character === "\r") this.#column = 0;
      else if (character === "\b") this.#column = Math.max(0, this.#column - 1);
      else if (character === "\t" || stripControls(character) !== "") this.#put(character);
    }
  }

  /** Does what the final byte of a sequence asks for; nothing for one that is unknown here. */
  obey(verb: string, count: number | undefined): void {
    switch (verb) {
      case "G":
      case "`":
        this.#moveTo((count ?? 1) - 1);
        break;
      case "C":
        this.#moveTo(this.#column + (count || 1));
        break;
      case "D":
        this.#moveTo(this.#column - (count || 1));
        break;
      case "K":
      case "J":
        if (count === undefined || count === 0) this.#erase(this.#column, this.#cells.length);
        else if (count === 1) this.#erase(0, this.#column + 1);
        else if (count === 2) this.#erase(0, this.#cells.length);
        break;
      case "X":
        this.#erase(this.#column, this.#column + (count || 1));
        break;
    }
  }

  text(): string {
    return (this.#above + this.#cells.join("")).trimEnd();
  }

  #moveTo(column: number): void {
    this.#column = Math.max(0, Math.min(column, COLUMNS - 1));
  }

  #put(character: string): void {
    const width = character === "\t" ? 1 : cellsOfCharacter(character);
    if (width === 0 || character === "\ufe0f") {
      const before = this.#startOf(this.#column - 1);
      if (before >= 0) this.#cells[before] += character;
      return;
    }
    if (this.#column + width > COLUMNS) this.#wrap();
    while (this.#cells.length < this.#column) this.#cells.push(" ");
    this.#erase(this.#column, this.#column + width);
    this.#cells[this.#column] = character;
    if (width === 2) this.#cells[this.#column + 1] = "";
    this.#column += width;
  }

  #wrap(): void {
    this.#above += this.#cells.join("");
    this.#cells = [];
    this.#column = 0;
  }

  /** Blanks the cells; a wide character that loses one half loses the other as well. */
  #erase(from: number, to: number): void {
    const end = Math.min(to, this.#cells.length);
    if (from >= end) return;
    for (let at = this.#startOf(from); at < end; at++) this.#cells[at] = " ";
    if (this.#cells[end] === "") this.#cells[end] = " ";
  }

  /** The cell where the character in this one begins. */
  #startOf(column: number): number {
    return this.#cells[column] === "" ? column - 1 : column;
  }
}

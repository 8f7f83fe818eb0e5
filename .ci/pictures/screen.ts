/**
 * A terminal's screen as far as our programs use one (ECMA-48): text, CR, LF, BS, the moves and erasures, colours. What is written past
 * the last row pushes the first out at the top; nothing of that is kept. What it does not know it refuses.
 */

export interface Cell {
  readonly text: string;
  readonly style: Style;
}

export interface Style {
  /** 0–15 of the palette; `undefined`: the terminal's own. */
  readonly color?: number;
  readonly isBold?: boolean;
  readonly isFaint?: boolean;
  readonly isInverse?: boolean;
}

const PLAIN: Style = {};
const BLANK: Cell = { text: " ", style: PLAIN };
// deno-lint-ignore no-control-regex -- it is a terminal
const PART = /\x1b\[([?\d;]*)([A-Za-z])|\x1b[78]|[^\x1b]/gu;

export class Screen {
  readonly rows: Cell[][];
  readonly #columns: number;
  #row = 0;
  #column = 0;
  #style: Style = PLAIN;

  constructor(size: { readonly rows: number; readonly columns: number }) {
    this.#columns = size.columns;
    this.rows = Array.from({ length: size.rows }, () => this.#blank());
  }

  /** The rows as text, without the blanks behind them and the empty rows below. */
  get text(): string {
    return this.rows.map((row) => row.map(({ text }) => text).join("").trimEnd()).join("\n")
      .trimEnd();
  }

  print(text: string): void {
    for (const [part, values = "", letter] of text.matchAll(PART)) {
      if (letter !== undefined) this.#obey(values, letter);
      else if (part === "\r") this.#column = 0;
      else if (part === "\n") this.#feed();
      else if (part === "\b") this.#column = Math.max(0, this.#column - 1);
      else if (part === "\t") this.#column = Math.min(this.#columns - 1, (this.#column & ~7) + 8);
      else if (!part.startsWith("\x1b")) this.#put(part);
    }
  }

  #put(text: string): void {
    if (this.#column >= this.#columns) {
      this.#column = 0;
      this.#feed();
    }
    this.#line()[this.#column++] = { text, style: this.#style };
  }

  #obey(values: string, letter: string): void {
    const numbers = values.split(";").map((value) => Number(value));
    const count = numbers[0] || 1;
    switch (letter) {
      case "A":
        this.#row = Math.max(0, this.#row - count);
        return;
      case "B":
        this.#row = Math.min(this.rows.length - 1, this.#row + count);
        return;
      case "C":
        this.#column = Math.min(this.#columns - 1, this.#column + count);
        return;
      case "D":
        this.#column = Math.max(0, this.#column - count);
        return;
      case "G":
        this.#column = count - 1;
        return;
      case "H":
        this.#row = count - 1;
        this.#column = (numbers[1] || 1) - 1;
        return;
      case "J":
        this.#erase(numbers[0] === 2 ? 0 : this.#column);
        for (let at = this.#row + 1; at < this.rows.length; at++) this.rows[at] = this.#blank();
        return;
      case "K":
        this.#erase(numbers[0] === 2 ? 0 : this.#column);
        return;
      case "m":
        for (const value of numbers) this.#style = styled(this.#style, value);
        return;
      case "h":
      case "l":
        return;
      default:
        throw new Error(`Unknown sequence: CSI ${values}${letter}`);
    }
  }

  #erase(from: number): void {
    this.#line().fill(BLANK, from);
  }

  #feed(): void {
    if (this.#row < this.rows.length - 1) this.#row++;
    else {
      this.rows.shift();
      this.rows.push(this.#blank());
    }
  }

  #line(): Cell[] {
    const line = this.rows[this.#row];
    if (line === undefined) throw new RangeError(`No row ${this.#row}`);
    return line;
  }

  #blank(): Cell[] {
    return Array.from({ length: this.#columns }, () => BLANK);
  }
}

function styled(style: Style, value: number): Style {
  if (value === 0) return PLAIN;
  if (value === 1) return { ...style, isBold: true };
  if (value === 2) return { ...style, isFaint: true };
  if (value === 7) return { ...style, isInverse: true };
  if (value >= 30 && value <= 37) return { ...style, color: value - 30 };
  if (value >= 90 && value <= 97) return { ...style, color: value - 82 };
  if (value === 39 || value === 22 || value === 27) return PLAIN;
  throw new Error(`Unknown colour ${value}`);
}

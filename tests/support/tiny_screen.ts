/**
 * A terminal of a few rows, as far as a line under the cursor needs one (ECMA-48; DEC STD 070): plain text, CR, LF, the moves and
 * lines that come and go, and the saved cursor. What it does not know it refuses.
 */
export class TinyScreen {
  rows: string[][];
  row = 0;
  column = 0;
  /** Whether what is written now is inverse. */
  isInverse = false;
  /** What went out at the top. */
  readonly gone: string[] = [];
  readonly #columns: number;
  #saved:
    | { readonly row: number; readonly column: number; readonly isInverse: boolean }
    | undefined;

  constructor(options: { readonly rows: number; readonly columns: number }) {
    this.#columns = options.columns;
    this.rows = Array.from({ length: options.rows }, () => this.#blank());
  }

  /** The rows as text, without the blanks behind them. */
  get text(): string[] {
    return this.rows.map((row) => row.join("").trimEnd());
  }

  print(text: string): void {
    // deno-lint-ignore no-control-regex -- it is a terminal
    for (const [part] of text.matchAll(/\x1b\[([?\d;]*)([A-Za-z])|\x1b\(B|\x1b[^[(]|[^\x1b]/gu)) {
      if (part === "\r") this.column = 0;
      else if (part === "\n" || part === "\x1bD") this.#index();
      else if (part.startsWith("\x1b")) this.#obey(part);
      else this.#put(part);
    }
  }

  #put(character: string): void {
    if (this.column >= this.#columns) throw new Error(`text goes past column ${this.#columns}`);
    this.#at(this.row)[this.column++] = character;
  }

  #obey(sequence: string): void {
    switch (sequence) {
      case "\x1b7": {
        const { row, column, isInverse } = this;
        this.#saved = { row, column, isInverse };
        return;
      }
      case "\x1b8": {
        const { row, column, isInverse } = this.#saved ??
          { row: 0, column: 0, isInverse: false };
        Object.assign(this, { row, column, isInverse });
        return;
      }
      case "\x1b[A":
        this.row = Math.max(0, this.row - 1);
        return;
      case "\x1b[B":
        this.row = Math.min(this.rows.length - 1, this.row + 1);
        return;
      case "\x1b[L":
        this.rows.splice(this.row, 0, this.#blank());
        this.rows.pop();
        this.column = 0;
        return;
      case "\x1b[M":
        this.rows.splice(this.row, 1);
        this.rows.push(this.#blank());
        this.column = 0;
        return;
      case "\x1b[2K":
        this.#at(this.row).fill(" ");
        return;
      case "\x1b[0m":
      case "\x1b[7m":
        this.isInverse = sequence === "\x1b[7m";
        return;
      case "\x1b(B":
        return;
      default:
        throw new Error(`unknown sequence ${JSON.stringify(sequence)}`);
    }
  }

  #index(): void {
    if (this.row < this.rows.length - 1) {
      this.row++;
      return;
    }
    this.gone.push(this.#at(0).join("").trimEnd());
    this.rows.shift();
    this.rows.push(this.#blank());
  }

  #at(row: number): string[] {
    const found = this.rows[row];
    if (found === undefined) throw new Error(`no row ${row}`);
    return found;
  }

  #blank(): string[] {
    return Array.from({ length: this.#columns }, () => " ");
  }
}

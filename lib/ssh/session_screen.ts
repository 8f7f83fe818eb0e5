/**
 * The terminal that a session's output goes to: what the program over there has turned on, and a line of ours under its cursor, which is
 * gone before anything else is written.
 */
import { clip } from "../base/cells.ts";
import type { SessionOutput } from "./host.ts";
import { ScreenModes } from "./screen_modes.ts";
import { StatusLine } from "./status_line.ts";

/** A line of ours on a smaller screen would be in the way. */
const MIN_SIZE = { columns: 20, rows: 3 };

export class SessionScreen {
  readonly #output: SessionOutput;
  readonly #modes = new ScreenModes();
  readonly #line = new StatusLine();
  #isWriting = false;

  constructor(output: SessionOutput) {
    this.#output = output;
  }

  /** Writes what the program over there has to say. Rejects as the output does. */
  async write(bytes: Uint8Array): Promise<void> {
    this.hideLine();
    if (this.#output.isTerminal) this.#modes.handleOutput(bytes);
    // A terminal that was halted in the middle of it is not drawn on.
    this.#isWriting = true;
    await this.#output.write(bytes);
    this.#isWriting = false;
  }

  /** Should be called with what is about to be written to the terminal by another way. */
  handleOutput(text: string): void {
    this.hideLine();
    this.#modes.handleOutput(new TextEncoder().encode(text));
  }

  /** Shows a line under the cursor, if it can be taken back without a trace; clipped to the terminal's width. */
  showLine(text: string): void {
    const size = this.#output.size();
    if (size === undefined || this.#isWriting || !this.#modes.hasRoomBelow) return;
    if (size.columns < MIN_SIZE.columns || size.rows < MIN_SIZE.rows) return;
    // Not in the last column, where some terminals go on to the next line at once.
    this.#output.print(this.#line.show(clip(text, size.columns - 1)));
  }

  hideLine(): void {
    if (this.#line.isShown) this.#output.print(this.#line.hide());
  }

  /** Brings the terminal back to how it was, at the start of a line. */
  restore(): void {
    this.hideLine();
    this.#output.print(this.#modes.restore());
  }
}

/**
 * One line of ours under the cursor of somebody else's screen (ECMA-48; DEC STD 070 for what moves the cursor): drawn, renewed
 * and taken away by what these give to print. Nothing that stood there is overwritten: at the foot of the screen the text goes
 * up a line to make room, elsewhere what stands below goes down a line and comes back up.
 * Not here: when there may be one (`screen_modes.ts`), and what it says.
 */

/** Down a line in the same column, which scrolls at the foot of the screen; and up again: now there is a line below. */
const MAKE_ROOM = "\x1bD\x1b[A";
/** The cursor and how it writes; back to both. */
const SAVE = "\x1b7";
const RESTORE = "\x1b8";
const DOWN = "\x1b[B\r";
/** Whatever is drawn in, ours is plain text. */
const PLAIN = "\x1b[0m\x1b(B";
const INSERT_LINE = "\x1b[L";
const DELETE_LINE = "\x1b[M";
const CLEAR_LINE = "\x1b[2K";
const INVERSE = "\x1b[7m";

export class StatusLine {
  #shown: string | undefined;

  get isShown(): boolean {
    return this.#shown !== undefined;
  }

  /** Shows `text`, which must fit into one line, in place of what is shown. */
  show(text: string): string {
    if (text === this.#shown) return "";
    const line = `${INVERSE}${text}${RESTORE}`;
    const opening = this.isShown
      ? `${SAVE}${PLAIN}${DOWN}${CLEAR_LINE}`
      : `${MAKE_ROOM}${SAVE}${PLAIN}${DOWN}${INSERT_LINE}`;
    this.#shown = text;
    return opening + line;
  }

  /** Takes it away. */
  hide(): string {
    if (!this.isShown) return "";
    this.#shown = undefined;
    return `${SAVE}${PLAIN}${DOWN}${DELETE_LINE}${RESTORE}`;
  }
}

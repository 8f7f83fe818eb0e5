/**
 * What a program of the workspace turned on at the terminal and would have turned off at its end (ECMA-48; xterm `ctlseqs`): when the
 * session is cut off instead, somebody else has to. A core over the output that passes, however it is split. It follows
 * modes and the start of the line, not the screen.
 */

const ESC = 0x1b;
const LF = 0x0a;
const CR = 0x0d;
const DELETE = 0x7f;
const BEL = 0x07;
/** Either ends a sequence without effect. */
const CAN = 0x18;
const SUB = 0x1a;
/** OSC, DCS, SOS, PM and APC. */
const STRING_OPENERS: ReadonlySet<string> = new Set("]PX^_");
/** While it is on, nothing is shown. */
const SYNCHRONISED_DRAWING = 2026;
const FIRST_PRINTED = 0x20;
/** Longer ones than any below are skipped. */
const MAX_SEQUENCE_BYTES = 64;

/** DEC private modes that are off by default: cursor keys, reverse video, mouse in all its ways, focus, paste, synchronised drawing. */
const OFF_BY_DEFAULT: ReadonlySet<number> = new Set([
  ...[1, 5, 9, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1015, 1016, 2004, 2026],
]);
/** Those that are on: line wrap, cursor. */
const ON_BY_DEFAULT: ReadonlySet<number> = new Set([7, 25]);
const ALTERNATE_SCREENS: ReadonlySet<number> = new Set([47, 1047, 1049]);
const TITLE_BACK = "\x1b[23;0;0t";
/** xterm keeps no more. */
const MAX_TITLES = 10;
const CURSOR_MOVES: ReadonlySet<string> = new Set("ABCDEFGHdf`ae");

/** `string`: of a title or the like, which lasts until BEL or ST (ECMA-48 §5.6). */
type State = "text" | "escape" | "charset" | "csi" | "string";

export class ScreenModes {
  #state: State = "text";
  #sequence = "";
  /** Private modes that are not as they are by default. */
  readonly #changed = new Set<number>();
  #alternateScreen: number | undefined;
  #isKeypadApplication = false;
  #isLineDrawing = false;
  #isStyled = false;
  #isCursorShaped = false;
  #hasScrollRegion = false;
  #modifiesOtherKeys = false;
  /** Entries on the stack of the kitty keyboard protocol, of the screen that is shown. */
  #keyboardDepth = 0;
  /** Titles that were put away, to be shown again (xterm `ctlseqs`, window manipulation 22 and 23). */
  #titleDepth = 0;
  /** How many bytes the last character still lacks. */
  #missingBytes = 0;
  #isAtLineStart = true;
  /** Of the main screen, while the other one is shown. */
  #wasAtLineStart = true;
  #keyboardDepthBelow = 0;

  /**
   * Whether a line of somebody else may be drawn under the cursor and taken away again: on the main screen, whole, between two
   * sequences and two characters.
   */
  get hasRoomBelow(): boolean {
    return this.#state === "text" && this.#missingBytes === 0 &&
      this.#alternateScreen === undefined && !this.#hasScrollRegion &&
      !this.#changed.has(SYNCHRONISED_DRAWING);
  }

  /** Takes in output that goes to the terminal. */
  handleOutput(bytes: Uint8Array): void {
    this.#missingBytes = missingBytes(bytes, this.#missingBytes);
    for (let at = 0; at < bytes.length;) {
      if (this.#state === "text") {
        const escape = bytes.indexOf(ESC, at);
        const end = escape === -1 ? bytes.length : escape;
        this.#handleText(bytes, at, end);
        at = end + 1;
        if (escape !== -1) this.#state = "escape";
      } else {
        this.#handleSequenceByte(bytes[at++] ?? 0);
      }
    }
  }

  /** What brings the terminal back, ending at the start of a line; empty when there is nothing to do. */
  restore(): string {
    let text = "";
    if (this.#keyboardDepth > 0) text += `\x1b[<${this.#keyboardDepth}u`;
    if (this.#modifiesOtherKeys) text += "\x1b[>4m";
    for (const mode of this.#changed) text += `\x1b[?${mode}${ON_BY_DEFAULT.has(mode) ? "h" : "l"}`;
    if (this.#isKeypadApplication) text += "\x1b>";
    if (this.#isLineDrawing) text += "\x1b(B";
    if (this.#isStyled) text += "\x1b[0m";
    if (this.#isCursorShaped) text += "\x1b[0 q";
    // Setting the region moves the cursor.
    if (this.#hasScrollRegion) text += "\x1b7\x1b[r\x1b8";
    const isAway = this.#alternateScreen !== undefined;
    if (isAway) text += `\x1b[?${this.#alternateScreen}l`;
    const depthBelow = isAway ? this.#keyboardDepthBelow : 0;
    text += TITLE_BACK.repeat(this.#titleDepth);
    if (depthBelow > 0) text += `\x1b[<${depthBelow}u`;
    if (!(isAway ? this.#wasAtLineStart : this.#isAtLineStart)) text += "\r\n";
    this.#reset();
    this.#isAtLineStart = true;
    return text;
  }

  #handleText(bytes: Uint8Array, from: number, to: number): void {
    for (let at = to - 1; at >= from; at--) {
      const byte = bytes[at] ?? 0;
      if (byte === LF || byte === CR) {
        this.#isAtLineStart = true;
        return;
      }
      // A bell and its like move nothing.
      if (byte >= FIRST_PRINTED && byte !== DELETE) {
        this.#isAtLineStart = false;
        return;
      }
    }
  }

  #handleSequenceByte(byte: number): void {
    const character = String.fromCharCode(byte);
    if (byte === ESC) {
      this.#state = "escape";
    } else if (this.#state === "string") {
      if (byte === BEL || byte === CAN || byte === SUB) this.#state = "text";
    } else if (this.#state === "escape") {
      this.#handleEscape(character);
    } else if (this.#state === "charset") {
      this.#isLineDrawing = character === "0";
      this.#state = "text";
    } else if (byte >= 0x40 && byte <= 0x7e) {
      this.#state = "text";
      this.#handleCsi(this.#sequence, character);
    } else if (byte < FIRST_PRINTED || this.#sequence.length >= MAX_SEQUENCE_BYTES) {
      this.#state = "text";
    } else {
      this.#sequence += character;
    }
  }

  #handleEscape(character: string): void {
    this.#state = STRING_OPENERS.has(character) ? "string" : "text";
    switch (character) {
      case "[":
        this.#sequence = "";
        this.#state = "csi";
        break;
      case "(":
        this.#state = "charset";
        break;
      case "=":
      case ">":
        this.#isKeypadApplication = character === "=";
        break;
      case "c": // the terminal resets itself
        this.#reset();
        this.#isAtLineStart = true;
        break;
    }
  }

  #handleCsi(parameters: string, final: string): void {
    if (final === "m" && parameters.startsWith(">4")) {
      this.#modifiesOtherKeys = !/^>4(;0*)?$/.test(parameters);
    } else if (final === "m" && /^[\d;:]*$/.test(parameters)) {
      // The last one counts: nothing and 0 are the reset.
      this.#isStyled = Number(parameters.slice(parameters.lastIndexOf(";") + 1)) !== 0;
    } else if (final === "r" && /^[\d;]*$/.test(parameters)) {
      this.#hasScrollRegion = parameters !== "";
    } else if (final === "q" && parameters.endsWith(" ")) {
      this.#isCursorShaped = !/^0* $/.test(parameters);
    } else if (final === "p" && parameters === "!") {
      this.#softReset();
    } else if (final === "t") {
      if (/^22(;|$)/.test(parameters)) this.#titleDepth++;
      else if (/^23(;|$)/.test(parameters)) this.#titleDepth--;
      this.#titleDepth = Math.min(Math.max(0, this.#titleDepth), MAX_TITLES);
    } else if (final === "u") {
      this.#handleKeyboard(parameters);
    } else if ((final === "h" || final === "l") && parameters.startsWith("?")) {
      for (const mode of parameters.slice(1).split(";")) this.#setMode(Number(mode), final === "h");
    } else if (CURSOR_MOVES.has(final)) {
      this.#isAtLineStart = false;
    }
  }

  #handleKeyboard(parameters: string): void {
    const count = Number(/^[<>=](\d{1,3})/.exec(parameters)?.[1] ?? 1);
    if (parameters.startsWith(">")) this.#keyboardDepth++;
    else if (parameters.startsWith("<")) this.#keyboardDepth -= count;
    this.#keyboardDepth = Math.max(0, this.#keyboardDepth);
  }

  #setMode(mode: number, isOn: boolean): void {
    if (ALTERNATE_SCREENS.has(mode)) {
      this.#showAlternateScreen(isOn ? mode : undefined);
    } else if (OFF_BY_DEFAULT.has(mode) || ON_BY_DEFAULT.has(mode)) {
      if (isOn === ON_BY_DEFAULT.has(mode)) this.#changed.delete(mode);
      else this.#changed.add(mode);
    }
  }

  #showAlternateScreen(mode: number | undefined): void {
    const wasAway = this.#alternateScreen !== undefined;
    const isAway = mode !== undefined;
    this.#alternateScreen = mode;
    if (isAway === wasAway) return;
    if (isAway) {
      this.#wasAtLineStart = this.#isAtLineStart;
      this.#keyboardDepthBelow = this.#keyboardDepth;
      this.#keyboardDepth = 0;
    } else {
      this.#isAtLineStart = this.#wasAtLineStart;
      this.#keyboardDepth = this.#keyboardDepthBelow;
    }
  }

  /** DECSTR. */
  #softReset(): void {
    for (const mode of [1, 7, 25]) this.#changed.delete(mode);
    this.#isKeypadApplication = false;
    this.#isLineDrawing = false;
    this.#isStyled = false;
    this.#hasScrollRegion = false;
  }

  #reset(): void {
    this.#softReset();
    this.#changed.clear();
    this.#alternateScreen = undefined;
    this.#isCursorShaped = false;
    this.#modifiesOtherKeys = false;
    this.#keyboardDepth = 0;
    this.#titleDepth = 0;
  }
}

/** How many bytes of UTF-8 the last character of `bytes` lacks (RFC 3629 §3), when `before` were lacking until now. */
function missingBytes(bytes: Uint8Array, before: number): number {
  const from = Math.max(0, bytes.length - 3);
  for (let at = bytes.length - 1; at >= from; at--) {
    const byte = bytes[at] ?? 0;
    if (byte < 0x80) return 0;
    if (byte < 0xc0) continue;
    const length = byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
    return Math.max(0, length - (bytes.length - at));
  }
  return from > 0 ? 0 : Math.max(0, before - bytes.length);
}

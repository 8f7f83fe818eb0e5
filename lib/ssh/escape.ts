/**
 * Escape sequences of an interactive session, as OpenSSH has them (ssh(1) "ESCAPE CHARACTERS", clientloop.c `process_escapes`).
 * A pure filter over what is typed: recognised only right after a newline, whatever way the input is split.
 * Left out of OpenSSH's: `~C`, `~R`, `~V`, `~v`, `~&`, which pass as they are typed.
 */

export const DEFAULT_ESCAPE_CHAR = 0x7e; // ~

const CR = 0x0d;
const LF = 0x0a;
const CONTROL_Z = 0x1a;
const CONTROL_MASK = 0x1f;

export type EscapeAction =
  /** Bytes for the session: a view of the input, or the escape character that turned out to be typed text. */
  | { readonly kind: "data"; readonly bytes: Uint8Array }
  | { readonly kind: "disconnect" | "break" | "list" | "help" | "suspend" };

const COMMANDS: ReadonlyMap<number, "disconnect" | "break" | "list" | "help" | "suspend"> = new Map(
  [
    [".".charCodeAt(0), "disconnect"],
    ["B".charCodeAt(0), "break"],
    ["#".charCodeAt(0), "list"],
    ["?".charCodeAt(0), "help"],
    [CONTROL_Z, "suspend"],
  ],
);

/** Holds at most one byte: an escape character whose command has not been typed yet. */
export class EscapeFilter {
  readonly #escapeChar: number;
  #isAtLineStart = true;
  #isPending = false;

  /** `escapeChar` is a byte. */
  constructor(escapeChar: number = DEFAULT_ESCAPE_CHAR) {
    this.#escapeChar = escapeChar;
  }

  /** What to do about `input`, in order. After `disconnect` the rest is dropped. `input` is borrowed; so are the views. */
  handleInput(input: Uint8Array): EscapeAction[] {
    const actions: EscapeAction[] = [];
    let start = 0; // of the data not yet passed on
    for (let at = 0; at < input.length; at++) {
      const byte = input[at] ?? 0;
      if (this.#isPending) {
        this.#isPending = false;
        const command = COMMANDS.get(byte);
        if (command !== undefined) {
          actions.push({ kind: command });
          if (command === "disconnect") return actions;
          start = at + 1; // still at the start of a line: another escape may follow at once
          continue;
        }
        // The escape character typed twice is sent once; before anything else it was text.
        if (byte !== this.#escapeChar) {
          actions.push({ kind: "data", bytes: new Uint8Array([this.#escapeChar]) });
        }
        start = at;
      } else if (this.#isAtLineStart && byte === this.#escapeChar) {
        if (at > start) actions.push({ kind: "data", bytes: input.subarray(start, at) });
        this.#isPending = true;
        start = at + 1;
        continue;
      }
      this.#isAtLineStart = byte === CR || byte === LF;
    }
    if (start < input.length) actions.push({ kind: "data", bytes: input.subarray(start) });
    return actions;
  }
}

/**
 * The byte of an escape character as ssh_config(5) `EscapeChar` takes it: one character, `^` with a letter, or `none`,
 * which is `undefined`. Throws `TypeError` for anything else.
 */
export function parseEscapeChar(text: string): number | undefined {
  if (text === "none") return undefined;
  const code = text.charCodeAt(text.length - 1);
  if (text.length === 1 && code > 0 && code < 0x80) return code;
  if (/^\^[@-_a-z]$/.test(text)) return code & CONTROL_MASK;
  throw new TypeError(`Bad escape character "${text}": want one character, ^X or "none"`);
}

/** How an escape character is shown: `~`, `^B`. */
export function formatEscapeChar(escapeChar: number): string {
  return escapeChar <= CONTROL_MASK
    ? `^${String.fromCharCode(escapeChar + 0x40)}`
    : String.fromCharCode(escapeChar);
}

/** The text of `~?`. */
export function escapeHelp(escapeChar: number): string {
  const e = formatEscapeChar(escapeChar);
  return [
    `${e}?`,
    "Supported escape sequences:",
    ` ${e}.   - terminate connection`,
    ` ${e}B   - send a BREAK to the workspace`,
    ` ${e}#   - list forwarded connections`,
    ` ${e}^Z  - suspend hawser`,
    ` ${e}?   - this message`,
    ` ${e}${e}   - send the escape character by typing it twice`,
    "(Note that escapes are only recognized immediately after newline.)",
    "",
  ].join("\n");
}

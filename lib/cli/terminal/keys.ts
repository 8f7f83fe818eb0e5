/** Keys from what a terminal in raw mode sends (ECMA-48 §5.4, xterm's control sequences), in however many pieces it comes. */

export type Key =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: Plain };

type Plain =
  | "enter"
  | "escape"
  | "interrupt"
  | "end-of-input"
  | "backspace"
  | "kill-word"
  | "kill-line"
  | "up"
  | "down"
  | "page-up"
  | "page-down"
  | "home"
  | "end";

/** By what follows the escape: xterm's own, those of applications' mode, the VT220's in tmux and screen, rxvt's. */
const SEQUENCES: ReadonlyMap<string, Plain> = new Map([
  ["[A", "up"],
  ["[B", "down"],
  ["OA", "up"],
  ["OB", "down"],
  ["[5~", "page-up"],
  ["[6~", "page-down"],
  ["[H", "home"],
  ["[F", "end"],
  ["OH", "home"],
  ["OF", "end"],
  ["[1~", "home"],
  ["[4~", "end"],
  ["[7~", "home"],
  ["[8~", "end"],
  ["\x7f", "kill-word"], // Alt and backspace
  ["\x08", "kill-word"],
]);

/** Where readline and Emacs have them. What is typed has no cursor to begin or end at: those two go to the ends of the list. */
const CONTROLS: ReadonlyMap<string, Plain> = new Map([
  ["\r", "enter"],
  ["\n", "enter"],
  ["\x03", "interrupt"],
  ["\x04", "end-of-input"],
  ["\x07", "escape"],
  ["\x08", "backspace"],
  ["\x7f", "backspace"],
  ["\x0e", "down"], // Ctrl-N and Ctrl-P
  ["\x10", "up"],
  ["\x01", "home"], // Ctrl-A and Ctrl-E
  ["\x05", "end"],
  ["\x0b", "kill-line"], // Ctrl-K and Ctrl-U
  ["\x15", "kill-line"],
  ["\x17", "kill-word"], // Ctrl-W
]);

const ESC = "\x1b";
/** Longer sequences than this no key sends. */
const MAX_SEQUENCE_CHARS = 32;

export class KeyDecoder {
  /** An escape and what came of its sequence. */
  #begun = "";

  /** Whether there is an escape that may be the key itself, or the beginning of a sequence that is on its way. */
  get isUndecided(): boolean {
    return this.#begun === ESC;
  }

  /** The keys in what came, with what was left of the text before. */
  decode(text: string): Key[] {
    const keys: Key[] = [];
    for (const character of text) {
      const key = this.#begun === "" ? this.#begin(character) : this.#goOn(character);
      if (key !== undefined) keys.push(key);
    }
    return keys;
  }

  /** Nothing more came for a while: an escape that stands alone was the key. */
  settle(): Key[] {
    if (!this.isUndecided) return [];
    this.#begun = "";
    return [{ kind: "escape" }];
  }

  #begin(character: string): Key | undefined {
    if (character === ESC) {
      this.#begun = ESC;
      return undefined;
    }
    const kind = CONTROLS.get(character);
    if (kind !== undefined) return { kind };
    return character >= " " ? { kind: "text", text: character } : undefined;
  }

  #goOn(character: string): Key | undefined {
    // Another escape begins anew: Alt and an arrow is an escape before the arrow's own sequence.
    if (character === ESC) this.#begun = "";
    // A control ends a sequence that was cut off (ECMA-48 leaves this open; xterm obeys the control).
    else if (character < " " && !(this.#begun === ESC && SEQUENCES.has(character))) {
      this.#begun = "";
    } else {
      const rest = this.#begun.slice(ESC.length) + character;
      this.#begun = ESC + rest;
      if (isUnfinished(rest)) {
        if (rest.length > MAX_SEQUENCE_CHARS) this.#begun = "";
        return undefined;
      }
      this.#begun = "";
      const kind = SEQUENCES.get(rest);
      return kind === undefined ? undefined : { kind };
    }
    return this.#begin(character);
  }
}

/** Whether a sequence goes on behind this part of it, which has no escape. */
function isUnfinished(rest: string): boolean {
  return rest === "O" || rest === "[[" || /^\[[ -?]*$/.test(rest); // [[A to [[E: Linux's console
}

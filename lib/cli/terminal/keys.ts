/** Keys from the bytes that a terminal in raw mode sends (ECMA-48 §5.4, xterm's control sequences). */

export type Key =
  | { readonly kind: "text"; readonly text: string }
  | {
    readonly kind:
      | "enter"
      | "escape"
      | "interrupt"
      | "end-of-input"
      | "backspace"
      | "up"
      | "down"
      | "page-up"
      | "page-down"
      | "home"
      | "end";
  };

type Plain = Exclude<Key["kind"], "text">;

const SEQUENCES: Readonly<Record<string, Plain>> = {
  "\x1b[A": "up",
  "\x1b[B": "down",
  "\x1bOA": "up",
  "\x1bOB": "down",
  "\x1b[5~": "page-up",
  "\x1b[6~": "page-down",
  "\x1b[H": "home",
  "\x1b[F": "end",
  "\x1bOH": "home",
  "\x1bOF": "end",
};

const CONTROLS: Readonly<Record<string, Plain>> = {
  "\r": "enter",
  "\n": "enter",
  "\x03": "interrupt",
  "\x04": "end-of-input",
  "\x07": "escape",
  "\x08": "backspace",
  "\x7f": "backspace",
  "\x0e": "down", // Ctrl-N and Ctrl-P, as in Emacs and readline
  "\x10": "up",
};

/** The keys in one read of the terminal. An escape that begins nothing known stands for the key itself. */
export function parseKeys(chunk: string): Key[] {
  const keys: Key[] = [];
  let rest = chunk;
  while (rest !== "") {
    // deno-lint-ignore no-control-regex
    const sequence = /^\x1b(?:\[[0-9;?]*[@-~]|O[A-Z])/.exec(rest)?.[0];
    if (sequence !== undefined) {
      const kind = SEQUENCES[sequence];
      if (kind !== undefined) keys.push({ kind });
      rest = rest.slice(sequence.length);
      continue;
    }
    const character = String.fromCodePoint(rest.codePointAt(0) ?? 0);
    rest = rest.slice(character.length);
    const control = CONTROLS[character];
    if (control !== undefined) keys.push({ kind: control });
    else if (character === "\x1b") keys.push({ kind: "escape" });
    else if (character >= " ") keys.push({ kind: "text", text: character });
  }
  return keys;
}

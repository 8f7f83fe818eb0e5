/**
 * Text that came from a server or a user and is about to reach a terminal: control characters taken out, or quoted.
 */

// ECMA-48 §5.4 and §8.3: CSI … final byte; OSC, DCS, SOS, PM and APC strings up to BEL or ST; other two-byte escapes.
// The 8-bit forms (C1) count as well. An unfinished string is taken to the end of its line.
const ESCAPE_SEQUENCES =
  // deno-lint-ignore no-control-regex
  /(?:\x1b\[|\x9b)[\x20-\x3f]*[\x40-\x7e]?|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c\r\n]*(?:\x07|\x1b\\|\x9c)?|\x1b[\x20-\x2f]*[\x30-\x7e]?/g;
// deno-lint-ignore no-control-regex
const CONTROLS = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/g;
// Bidirectional overrides and isolates can make a line read as another one (Unicode TR9 §2).
const BIDI_CONTROLS = /[\u202a-\u202e\u2066-\u2069]/g;

/** `text` without terminal escapes, control characters and bidirectional overrides; tabs and line feeds stay. */
export function stripControls(text: string): string {
  return text.replace(/\r\n/g, "\n").replace(ESCAPE_SEQUENCES, "").replace(CONTROLS, "").replace(
    BIDI_CONTROLS,
    "",
  );
}

/** As `stripControls`, and line feeds become spaces: what is left cannot begin a line of its own. */
export function stripToLine(text: string): string {
  return stripControls(text).replace(/\n+/g, " ");
}

const GO_ESCAPES: Readonly<Record<string, string>> = {
  '"': '\\"',
  "\\": "\\\\",
  "\x07": "\\a",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\v": "\\v",
};

/** Quoted as Go's `%q` does, which the texts of the official command are made with. */
export function goQuote(text: string): string {
  // deno-lint-ignore no-control-regex
  const escaped = text.replace(/["\\\x00-\x1f\x7f-\xa0\u2028-\u202e\u2066-\u2069\ufeff]/g, (c) => {
    const known = GO_ESCAPES[c];
    if (known !== undefined) return known;
    const code = c.charCodeAt(0);
    return code < 0x80
      ? `\\x${code.toString(16).padStart(2, "0")}`
      : `\\u${code.toString(16).padStart(4, "0")}`;
  });
  return `"${escaped}"`;
}

/** `[a b c]`, as Go prints a list of strings. */
export function goList(items: readonly string[]): string {
  return `[${items.join(" ")}]`;
}

/**
 * Text that came from a server or a user and is about to reach a terminal, a log or a shell: what a terminal would obey and what
 * cannot be seen is taken out, or quoted.
 */

/** Nothing here needs taking out or quoting: most texts, and a cheap test. */
const PLAIN = /^[\t\n -~]*$/;
// ECMA-48 §5.4 and §8.3: CSI … final byte; OSC, DCS, SOS, PM and APC strings up to BEL or ST; other two-byte escapes.
// The 8-bit forms (C1) count as well. An unfinished string is taken to the end of its line.
export const ESCAPE_SEQUENCES =
  // deno-lint-ignore no-control-regex
  /(?:\x1b\[|\x9b)[\x20-\x3f]*[\x40-\x7e]?|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c\r\n]*(?:\x07|\x1b\\|\x9c)?|\x1b[\x20-\x2f]*[\x30-\x7e]?/g;
// deno-lint-ignore no-control-regex
const CONTROLS = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/g;
// What makes a text read as another one and has no shape of its own: bidirectional controls (Unicode TR9 §2), zero-width characters,
// fillers, tags, line separators. Variation selectors stay: they only say which shape the character before them has.
const UNSEEN = /[\u2028\u2029\ufff9-\ufffb]|(?![\ufe00-\ufe0f])\p{Default_Ignorable_Code_Point}/gu;

/**
 * `text` without terminal escapes, control characters, and characters that cannot be seen; tabs stay, and so do line ends, all as
 * line feeds: a carriage return would let what follows stand over what came before.
 */
export function stripControls(text: string): string {
  if (PLAIN.test(text)) return text;
  // Halves of pairs go first: two of them, parted by something that is taken out, would become a character that nobody looked at.
  return text.toWellFormed().replace(ESCAPE_SEQUENCES, "").replace(/\r\n?/g, "\n")
    .replace(CONTROLS, "").replace(UNSEEN, "");
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

/** Quoted as Go's `%q` does, which the texts of the official command are made with: golang/go `strconv.Quote`, `unicode.IsPrint`. */
export function goQuote(text: string): string {
  const escaped = text.replace(/["\\]|[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu, (character) => {
    const known = GO_ESCAPES[character];
    if (known !== undefined) return known;
    const code = character.codePointAt(0) ?? 0;
    if (code >= 0xd800 && code <= 0xdfff) return "\ufffd"; // half of a pair, which UTF-8 cannot say
    if (code < 0x80) return `\\x${hex(code, 2)}`;
    return code < 0x10000 ? `\\u${hex(code, 4)}` : `\\U${hex(code, 8)}`;
  });
  return `"${escaped}"`;
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, "0");
}

/** `[a b c]`, as Go prints a list of strings. */
export function goList(items: readonly string[]): string {
  return `[${items.join(" ")}]`;
}

/** Stands where a secret was. */
export const HIDDEN = "[hidden]";

/** A URL as it was typed, without user and password. What stands before the last "@" goes: a password may hold any other mark. */
export function hideCredentials(url: string): string {
  const at = url.lastIndexOf("@");
  if (at === -1) return url;
  const scheme = /^[a-z][a-z0-9+.-]*:\/\//i.exec(url.slice(0, at))?.[0] ?? "";
  return scheme + HIDDEN + url.slice(at);
}

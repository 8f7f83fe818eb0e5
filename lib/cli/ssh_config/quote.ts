/**
 * Words of commands as they must stand in ssh_config. A command goes through several hands: OpenSSH checks that the quotes of the
 * line come in pairs (openssh-portable `misc.c` `argv_split`), replaces `%` (`percent_expand`), and hands the rest to the user's
 * shell, on Windows to the system. Words that none of them takes for anything else stand as they are.
 */
import { UserError } from "../../base/errors.ts";
import { trimEnd } from "../../base/trim.ts";
import { goQuote } from "../../coder/text.ts";

/** What a word stands in. */
export interface QuoteOptions {
  /** As `Host.os` names it. */
  readonly os: string;
}

const PLAIN = /^[A-Za-z0-9_@+=:,./-]+$/;
const PLAIN_ON_WINDOWS = /^[A-Za-z0-9_@+=:,./\\-]+$/;
// deno-lint-ignore no-control-regex -- a line of ssh_config holds none of these, whatever they are quoted with
const UNWRITABLE = /[\x00-\x08\x0a-\x1f\x7f]/;

/** One word of a `ProxyCommand`. Throws `UserError` for what no line can hold. */
export function proxyCommandWord(word: string, { os }: QuoteOptions): string {
  checkWritable(word);
  const isPlain = (os === "windows" ? PLAIN_ON_WINDOWS : PLAIN).test(word);
  return isPlain ? word : quoted(word, { os });
}

/** The same, quoted also where nothing asks for it: texts of the user's own. */
export function quotedProxyCommandWord(word: string, { os }: QuoteOptions): string {
  checkWritable(word);
  return quoted(word, { os });
}

function quoted(word: string, { os }: QuoteOptions): string {
  const inner = os === "windows"
    // learn.microsoft.com "Parsing C command-line arguments": backslashes count only before a quote, and double there.
    ? word.split('"').map(withDoubledSlashes).join('\\"')
    // POSIX.1 XCU 2.2.3: within double quotes these four keep their meaning.
    : word.replace(/[\\"$`]/g, "\\$&");
  return `"${inner.replaceAll("%", "%%")}"`;
}

/** `text` with twice the backslashes that it ends with. */
function withDoubledSlashes(text: string): string {
  return text + text.slice(trimEnd(text, "\\").length);
}

/**
 * A command for `Match … exec "…"`, in which no quote can stand: the words of the program, then `rest` as it is. Throws `UserError`,
 * in the official command's words, for what cannot be said there.
 */
export function matchExecCommand(
  words: readonly string[],
  rest: string,
  { os }: QuoteOptions,
): string {
  for (const word of words) {
    if (word.includes("\n")) throw new UserError(`invalid path: ${word}`);
    const isTabbed = os === "windows" && word.includes("\t");
    if (word.includes('"') || isTabbed) {
      const what = os === "windows" ? "quotes or tabs" : "quotes";
      throw new UserError(`path must not contain ${what}: ${goQuote(word)}`);
    }
    checkWritable(word);
  }
  return os === "windows" ? cmdCommand(words, rest) : [...words.map(shellWord), rest].join(" ");
}

/** Backslashes, since quotes are not to be had. */
function shellWord(word: string): string {
  if (word === "") return "''";
  return word.replace(
    /[^A-Za-z0-9_@+=:,./-]/gu,
    (character) => character > "\x7f" ? character : `\\${character}`,
  ).replaceAll("%", "%%");
}

/** Commands for cmd.exe that a quote would have to stand in are made with one out of a variable, `%a`. */
const QUOTE_IN_A = "for /f %%a in ('powershell.exe -Command [char]34') do @cmd.exe /c ";

function cmdCommand(words: readonly string[], rest: string): string {
  const special = words.find((word) => /[&|<>()^%!]/.test(word));
  if (special !== undefined) {
    throw new UserError(
      `path must not contain characters that cmd.exe takes for its own: ${goQuote(special)}`,
    );
  }
  const spaced = words.filter((word) => word.includes(" ")).length;
  const quoted = words.map((word) => word.includes(" ") ? `%%a${word}%%a` : word);
  const command = [...quoted, rest].join(" ");
  if (spaced === 0) return command;
  // cmd.exe takes the first and the last quote away when there are more than two: learn.microsoft.com "cmd".
  return QUOTE_IN_A + (spaced === 1 ? command : `%%a${command}%%a`);
}

function checkWritable(word: string): void {
  if (UNWRITABLE.test(word)) throw new UserError(`invalid path: ${goQuote(word)}`);
}

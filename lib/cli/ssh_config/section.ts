/**
 * The managed section inside somebody's ssh_config, as bytes: what stands around it may be in any encoding, with any line ends, and
 * is handed back as it is. The markers are the official command's, so that either program finds the other's section.
 */
import { concatBytes } from "../../base/bytes.ts";
import { UserError } from "../../base/errors.ts";

export const START_MARKER = "# ------------START-CODER-----------";
export const END_MARKER = "# ------------END-CODER------------";

/** A file cut in three. */
export interface SplitConfig {
  readonly before: Uint8Array;
  /** From the start of the first marker's line to behind the line end of the last; `undefined`: the file has none. */
  readonly section: Uint8Array | undefined;
  readonly after: Uint8Array;
}

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf];

/** Views of `file`. Throws `UserError` when the markers do not make one section, or the file is no text that one could stand in. */
export function splitConfig(file: Uint8Array): SplitConfig {
  if (isUtf16(file)) {
    throw malformed("it is UTF-16, which OpenSSH does not read", "Save it as UTF-8 and try again");
  }
  // One character for each byte, whatever the encoding: places in the text are places in the file.
  const text = new TextDecoder("latin1").decode(file);
  const starts = countOf(text, START_MARKER);
  const ends = countOf(text, END_MARKER);
  if (starts > 1 || ends > 1) {
    throw malformed("ssh config has multiple coder sections, please remove all but one");
  }
  if (starts === 0 && ends === 0) {
    return { before: file, section: undefined, after: new Uint8Array() };
  }
  if (starts === 0) throw malformed("ssh config has end header, but missing start header");
  if (ends === 0) throw malformed("ssh config has start header, but missing end header");
  const start = text.indexOf(START_MARKER);
  const end = text.indexOf(END_MARKER);
  if (start > end) {
    throw malformed(
      "ssh config has coder section, but it is malformed and the END header is before the START header",
    );
  }
  const from = lineStart(file, start);
  const to = lineEnd(file, end + END_MARKER.length);
  // Whatever else stands on these lines is not ours to take away.
  if (from === undefined || to === undefined) {
    throw malformed(
      "ssh config has coder section, but its headers do not stand on lines of their own",
    );
  }
  return {
    before: file.subarray(0, from),
    section: file.subarray(from, to),
    after: file.subarray(to),
  };
}

/** The file with `section` where the old one was, or at its end, parted from what is there by a line end. */
export function withSection(
  { before, section: old, after }: SplitConfig,
  section: string,
): Uint8Array {
  const isAppended = old === undefined && before.length > 0;
  return concatBytes(before, new TextEncoder().encode((isAppended ? "\n" : "") + section), after);
}

function malformed(what: string, hint?: string): UserError {
  return new UserError(`Malformed config: ${what}`, hint === undefined ? {} : { hint });
}

function isUtf16([first, second]: Uint8Array): boolean {
  return (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff);
}

function countOf(text: string, part: string): number {
  return text.split(part).length - 1;
}

/** Where the line of `at` begins; `undefined` when more than blanks stands before `at`. */
function lineStart(file: Uint8Array, at: number): number | undefined {
  let from = at;
  while (from > 0 && isBlank(file[from - 1])) from--;
  const isStart = from === 0 || file[from - 1] === LINE_FEED ||
    (from === BYTE_ORDER_MARK.length && BYTE_ORDER_MARK.every((byte, i) => file[i] === byte));
  return isStart ? from : undefined;
}

/** Behind the end of the line of `at`; `undefined` when more than blanks stands behind `at`. */
function lineEnd(file: Uint8Array, at: number): number | undefined {
  let to = at;
  while (isBlank(file[to])) to++;
  if (file[to] === CARRIAGE_RETURN && file[to + 1] === LINE_FEED) return to + 2;
  if (file[to] === LINE_FEED) return to + 1;
  return to === file.length ? to : undefined;
}

function isBlank(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x09;
}

/**
 * What the script around a kept shell tells us in the midst of its output, in strings that terminals show nothing of (APC, ECMA-48
 * §8.3.2): that it begins, and how it ended. A core that takes them out of the output, however that is split.
 *   ESC _ hawser;begin;<nonce>;<fields> ESC \     ESC _ hawser;end;<word>;<status> ESC \
 * Anybody who prints in the workspace can print these: whoever acts on one asks for its nonce, or for the end behind it.
 */

export type ShellMark =
  /** `rest` is whatever stands behind the nonce. */
  | { readonly kind: "begin"; readonly nonce: string; readonly rest: readonly string[] }
  /** `isLeft`: the shell goes on without us. Of no meaning once more output follows. */
  | { readonly kind: "end"; readonly isLeft: boolean; readonly status: number };

export type MarkedOutput =
  | { readonly kind: "output"; readonly bytes: Uint8Array }
  | { readonly kind: "mark"; readonly mark: ShellMark };

const START = new TextEncoder().encode("\x1b_hawser;");
const ESC = 0x1b;
const LAST_BYTE = 0x5c; // \
/** A longer one is none: it passes as it is. */
const MAX_MARK_BYTES = 256;
const MAX_STATUS = 255;

export class ShellMarks {
  /** What may be the beginning of a mark. */
  #held = new Uint8Array(0);

  /** Takes in output, borrowed; what is to be shown of it and what it tells, in order. The bytes are copies. */
  handleOutput(bytes: Uint8Array): MarkedOutput[] {
    const all = new Uint8Array(this.#held.length + bytes.length);
    all.set(this.#held);
    all.set(bytes, this.#held.length);
    this.#held = new Uint8Array(0);
    const found: MarkedOutput[] = [];
    let from = 0; // of what was not handed out
    const show = (to: number) => {
      if (to > from) found.push({ kind: "output", bytes: all.subarray(from, to) });
      from = to;
    };
    for (let at = all.indexOf(ESC); at !== -1; at = all.indexOf(ESC, at + 1)) {
      if (!mayBeMark(all, at)) continue;
      const end = endOfMark(all, at);
      if (end === "none") continue;
      if (end === "unfinished") {
        show(at);
        this.#held = all.slice(at);
        return found;
      }
      show(at);
      const mark = markOf(new TextDecoder().decode(all.subarray(at + START.length, end - 2)));
      if (mark !== undefined) found.push({ kind: "mark", mark });
      from = end;
      at = end - 1;
    }
    show(all.length);
    return found;
  }

  /** What was held back, at the end of the output. */
  takeRest(): Uint8Array {
    const rest = this.#held;
    this.#held = new Uint8Array(0);
    return rest;
  }
}

function mayBeMark(bytes: Uint8Array, at: number): boolean {
  const count = Math.min(START.length, bytes.length - at);
  for (let i = 0; i < count; i++) if (bytes[at + i] !== START[i]) return false;
  return true;
}

function endOfMark(bytes: Uint8Array, at: number): number | "unfinished" | "none" {
  const limit = at + MAX_MARK_BYTES;
  for (let i = at + START.length; i < Math.min(bytes.length, limit); i++) {
    if (bytes[i] !== ESC) continue;
    if (i + 1 === bytes.length) break;
    return bytes[i + 1] === LAST_BYTE ? i + 2 : "none";
  }
  return bytes.length < limit ? "unfinished" : "none";
}

/** `undefined` for one that we do not know: a newer client's. */
function markOf(text: string): ShellMark | undefined {
  const [kind, first = "", ...rest] = text.split(";");
  if (kind === "begin") return { kind, nonce: first, rest };
  const [status = ""] = rest;
  if (kind !== "end" || !/^\d{1,3}$/.test(status)) return undefined;
  return { kind, isLeft: first === "left", status: Math.min(Number(status), MAX_STATUS) };
}

/**
 * What the script around a kept shell tells us in the midst of its output, in strings that terminals show nothing of (APC, ECMA-48
 * §8.3.2): that it begins, and how it ended. A core that takes them out of the output, however that is split.
 *   ESC _ hawser;begin;<nonce>;<fields> ESC \     ESC _ hawser;end;<word>;<status> ESC \
 * A screen between that and us makes a title of it (screen.c, the hardstatus line): ESC ] 0 ; hawser;… BEL.
 * Anybody who prints in the workspace can print these: whoever acts on one asks for its nonce, or for the end behind it.
 */

export type ShellMark =
  /** `rest` is whatever stands behind the nonce. */
  | { readonly kind: "begin"; readonly nonce: string; readonly rest: readonly string[] }
  /** `isLeft`: the shell goes on without us. Of no meaning once more output follows than a screen has for its own end. */
  | {
    readonly kind: "end";
    readonly isLeft: boolean;
    readonly status: number;
    readonly byScreen: boolean;
  };

export type MarkedOutput =
  | { readonly kind: "output"; readonly bytes: Uint8Array }
  | { readonly kind: "mark"; readonly mark: ShellMark };

/** How a mark is enclosed. */
interface Form {
  readonly start: Uint8Array;
  readonly end: Uint8Array;
  readonly byScreen: boolean;
}

const ESC = 0x1b;
const FORMS: readonly Form[] = [
  { start: bytesOf("\x1b_hawser;"), end: bytesOf("\x1b\\"), byScreen: false },
  { start: bytesOf("\x1b]0;hawser;"), end: bytesOf("\x07"), byScreen: true },
];
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
      const form = FORMS.find(({ start }) => mayBe(start, all, at));
      if (form === undefined) continue;
      const end = endOfMark(all, at, form);
      if (end === "none") continue;
      if (end === "unfinished") {
        show(at);
        this.#held = all.slice(at);
        return found;
      }
      show(at);
      const inner = all.subarray(at + form.start.length, end - form.end.length);
      const mark = markOf(new TextDecoder().decode(inner), form);
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

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Whether `bytes` go on from `at` with `part`, as far as there are any. */
function mayBe(part: Uint8Array, bytes: Uint8Array, at: number): boolean {
  const count = Math.min(part.length, bytes.length - at);
  for (let i = 0; i < count; i++) if (bytes[at + i] !== part[i]) return false;
  return true;
}

function endOfMark(bytes: Uint8Array, at: number, form: Form): number | "unfinished" | "none" {
  const limit = at + MAX_MARK_BYTES;
  for (let i = at + form.start.length; i < Math.min(bytes.length, limit); i++) {
    if (bytes[i] !== ESC && bytes[i] !== form.end[0]) continue;
    if (!mayBe(form.end, bytes, i)) return "none";
    if (i + form.end.length > bytes.length) break;
    return i + form.end.length;
  }
  return bytes.length < limit ? "unfinished" : "none";
}

/** `undefined` for one that we do not know: a newer client's. */
function markOf(text: string, { byScreen }: Form): ShellMark | undefined {
  const [kind, first = "", ...rest] = text.split(";");
  if (kind === "begin") return { kind, nonce: first, rest };
  const [status = ""] = rest;
  if (kind !== "end" || !/^\d{1,3}$/.test(status)) return undefined;
  return {
    kind,
    isLeft: first === "left",
    status: Math.min(Number(status), MAX_STATUS),
    byScreen,
  };
}

/** What a file gains and loses, as a unified diff (POSIX.1 `diff -u`), which `patch` takes. */

const CONTEXT_LINES = 3;
/** Above this many pairs of lines, what differs is shown as a whole: a shorter diff is not worth the wait. */
const MAX_PAIRS = 4_000_000;
const NO_LINE_END = "\\ No newline at end of file\n";

interface Edit {
  readonly mark: " " | "-" | "+";
  readonly line: string;
}

/** Empty when nothing differs. Each line with its end. */
export function unifiedDiff(name: string, before: string, after: string): string {
  const edits = editsOf(linesOf(before), linesOf(after));
  const hunks = hunksOf(edits);
  if (hunks.length === 0) return "";
  return `--- ${name}\n+++ ${name}\n` + hunks.map(renderHunk).join("");
}

/** Each with its line end, if it has one. */
function linesOf(text: string): string[] {
  return text === "" ? [] : text.split(/(?<=\n)/);
}

function editsOf(before: readonly string[], after: readonly string[]): Edit[] {
  let head = 0;
  const most = Math.min(before.length, after.length);
  while (head < most && before[head] === after[head]) head++;
  let tail = 0;
  while (tail < most - head && before.at(-1 - tail) === after.at(-1 - tail)) tail++;
  return [
    ...marked(" ", before.slice(0, head)),
    ...middleEdits(
      before.slice(head, before.length - tail),
      after.slice(head, after.length - tail),
    ),
    ...marked(" ", before.slice(before.length - tail)),
  ];
}

function marked(mark: Edit["mark"], lines: readonly string[]): Edit[] {
  return lines.map((line) => ({ mark, line }));
}

/** By the longest common subsequence, from the front. */
function middleEdits(before: readonly string[], after: readonly string[]): Edit[] {
  if (before.length * after.length > MAX_PAIRS) {
    return [...marked("-", before), ...marked("+", after)];
  }
  const width = after.length + 1;
  // The length of the longest common subsequence of what is left from line i there and line j here.
  const common = new Uint32Array((before.length + 1) * width);
  const at = (i: number, j: number) => common[i * width + j] ?? 0;
  for (let i = before.length - 1; i >= 0; i--) {
    for (let j = after.length - 1; j >= 0; j--) {
      common[i * width + j] = before[i] === after[j]
        ? at(i + 1, j + 1) + 1
        : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const edits: Edit[] = [];
  let [i, j] = [0, 0];
  while (i < before.length || j < after.length) {
    const [old = "", young = ""] = [before[i], after[j]];
    if (i < before.length && j < after.length && old === young) {
      edits.push({ mark: " ", line: old });
      i++;
      j++;
    } else if (j === after.length || (i < before.length && at(i + 1, j) >= at(i, j + 1))) {
      edits.push({ mark: "-", line: old });
      i++;
    } else {
      edits.push({ mark: "+", line: young });
      j++;
    }
  }
  return edits;
}

interface Hunk {
  readonly edits: readonly Edit[];
  /** Lines before it, there and here. */
  readonly oldBefore: number;
  readonly newBefore: number;
}

/** Edits that are near each other, with what stands around them. */
function hunksOf(edits: readonly Edit[]): Hunk[] {
  const hunks: Hunk[] = [];
  const counts = { old: 0, new: 0 };
  let from = 0;
  for (let at = 0; at < edits.length;) {
    if (edits[at]?.mark === " ") {
      at++;
      continue;
    }
    const begin = Math.max(from, at - CONTEXT_LINES);
    let end = at + 1;
    for (let next = end; next < edits.length && next <= end + 2 * CONTEXT_LINES; next++) {
      if (edits[next]?.mark !== " ") end = next + 1;
    }
    for (const edit of edits.slice(from, begin)) count(edit);
    const stop = Math.min(edits.length, end + CONTEXT_LINES);
    const part = edits.slice(begin, stop);
    hunks.push({ edits: part, oldBefore: counts.old, newBefore: counts.new });
    for (const edit of part) count(edit);
    from = at = stop;
  }
  return hunks;

  function count({ mark }: Edit): void {
    if (mark !== "+") counts.old++;
    if (mark !== "-") counts.new++;
  }
}

function renderHunk({ edits, oldBefore, newBefore }: Hunk): string {
  const oldCount = edits.filter(({ mark }) => mark !== "+").length;
  const newCount = edits.filter(({ mark }) => mark !== "-").length;
  const lines = edits.map(({ mark, line }) =>
    line.endsWith("\n") ? mark + line : `${mark}${line}\n${NO_LINE_END}`
  );
  return `@@ -${range(oldBefore, oldCount)} +${range(newBefore, newCount)} @@\n${lines.join("")}`;
}

/** An empty range names the line before it. */
function range(before: number, count: number): string {
  return `${count === 0 ? before : before + 1},${count}`;
}

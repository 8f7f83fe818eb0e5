import { ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { unifiedDiff } from "../../../lib/cli/ssh_config/diff.ts";

const ROWS: readonly (readonly [name: string, before: string, after: string, hunks: string])[] = [
  ["nothing", "a\n", "a\n", ""],
  ["a new file", "", "a\nb\n", "@@ -0,0 +1,2 @@\n+a\n+b\n"],
  ["all is gone", "a\n", "", "@@ -1,1 +0,0 @@\n-a\n"],
  ["a last line end", "a", "a\n", "@@ -1,1 +1,1 @@\n-a\n\\ No newline at end of file\n+a\n"],
  [
    "one line of many",
    "1\n2\n3\n4\n5\n6\n7\n8\n9\n",
    "1\n2\n3\n4\nx\n6\n7\n8\n9\n",
    "@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+x\n 6\n 7\n 8\n",
  ],
  [
    "two places that share what is between",
    "1\n2\n3\n4\n5\n6\n7\n8\n",
    "x\n2\n3\n4\n5\n6\n7\ny\n",
    "@@ -1,8 +1,8 @@\n-1\n+x\n 2\n 3\n 4\n 5\n 6\n 7\n-8\n+y\n",
  ],
  [
    "two places far apart",
    "1\n2\n3\n4\n5\n6\n7\n8\n9\n",
    "x\n2\n3\n4\n5\n6\n7\n8\ny\n",
    "@@ -1,4 +1,4 @@\n-1\n+x\n 2\n 3\n 4\n@@ -6,4 +6,4 @@\n 6\n 7\n 8\n-9\n+y\n",
  ],
  ["what goes stands before what comes", "a\nb\n", "c\nd\n", "@@ -1,2 +1,2 @@\n-a\n-b\n+c\n+d\n"],
];

for (const [name, before, after, hunks] of ROWS) {
  Deno.test(`unifiedDiff(): ${name}`, () => {
    const head = hunks === "" ? "" : "--- f\n+++ f\n";
    strictEqual(unifiedDiff("f", before, after), head + hunks);
  });
}

/** What `patch` does, and nothing more. */
function patched(before: string, diff: string): string {
  const lines = before === "" ? [] : before.split(/(?<=\n)/);
  let out = "";
  let at = 0;
  const rows = diff.split(/(?<=\n)/);
  for (let i = 2; i < rows.length; i++) {
    const row = rows[i] ?? "";
    const range = /^@@ -(\d+)(?:,(\d+))? /.exec(row);
    if (range !== null) {
      const start = range[2] === "0" ? Number(range[1]) : Number(range[1]) - 1;
      out += lines.slice(at, start).join("");
      at = start;
      continue;
    }
    const isWhole = !(rows[i + 1] ?? "").startsWith("\\");
    const line = isWhole ? row.slice(1) : row.slice(1, -1);
    if (row.startsWith("\\")) continue;
    if (!row.startsWith("+")) {
      strictEqual(line, lines[at]);
      at++;
    }
    if (!row.startsWith("-")) out += line;
  }
  return out + lines.slice(at).join("");
}

Deno.test("unifiedDiff() is a patch from one text to the other", () => {
  const text = fc.tuple(
    fc.array(fc.constantFrom("a\n", "b\n", "c\n", "\n"), { maxLength: 30 }),
    fc.boolean(),
  )
    .map(([lines, isCut]) => isCut ? lines.join("").slice(0, -1) : lines.join(""));
  fc.assert(fc.property(text, text, (before, after) => {
    const diff = unifiedDiff("f", before, after);
    strictEqual(diff === "" ? before : patched(before, diff), after);
  }));
});

Deno.test("unifiedDiff() comes to an end with files of any size", () => {
  const before = Array.from({ length: 20_000 }, (_, i) => `a${i}\n`).join("");
  const after = Array.from({ length: 20_000 }, (_, i) => `b${i}\n`).join("");
  ok(unifiedDiff("f", before, after).startsWith("--- f\n+++ f\n@@ -1,20000 +1,20000 @@\n-a0\n"));
});

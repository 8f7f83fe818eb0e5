/** Rows with a source are inputs that people reported of others. */
import { doesNotMatch, ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { parseAgentLogs, parseBuildLog } from "../../lib/coder/log_stream.ts";
import { redrawn } from "../../lib/coder/redrawn.ts";

const ROWS: readonly { readonly name: string; readonly in: string; readonly out: string }[] = [
  {
    name: "a progress line of curl (coder/coder#7253)",
    in: "\r  0     0    0     0 --:--:--     0\r100  1475  100  1475 --:--:--  4238",
    out: "100  1475  100  1475 --:--:--  4238",
  },
  { name: "a count", in: "10%\r20%\r100%\r\ndone", out: "100%\ndone" },
  { name: "longer text keeps its end", in: "downloading\rdone", out: "doneloading" },
  { name: "a return at the end leaves it", in: "abc\r", out: "abc" },
  { name: "returns at the end", in: "abc\r\r\n\rdef\r\r", out: "abc\ndef" },
  { name: "only returns", in: "\r\r", out: "" },
  { name: "backspaces", in: "abc\b\bX", out: "aXc" },
  { name: "backspaces beyond the start", in: "\b\b\babc", out: "abc" },
  { name: "a spinner of backspaces", in: "|\b/\b-\b\\\b done", out: " done" },
  { name: "a line erased and drawn anew", in: "old text\x1b[2K\x1b[1Gprogress", out: "progress" },
  { name: "the rest erased", in: "a long one\rab\x1b[K", out: "ab" },
  { name: "the start erased", in: "abcdef\x1b[4G\x1b[1K", out: "    ef" },
  { name: "erased below", in: "abc\r\x1b[Jd", out: "d" },
  { name: "cursor to and fro", in: "abcdef\x1b[3DX\x1b[1CY", out: "abcXeY" },
  { name: "characters blanked", in: "abcdef\x1b[2G\x1b[3X", out: "a   ef" },
  { name: "far to the right", in: "a\x1b[99999999999999999999999Cb", out: `a${" ".repeat(998)}b` },
  { name: "colours have no width", in: "\x1b[31mabc\x1b[0m\r\x1b[32mX", out: "Xbc" },
  { name: "a title is no text", in: "abc\x1b]0;owned\x07\rX", out: "Xbc" },
  {
    name: "colours alone",
    in: "\x1b[91mCloning Git repository...",
    out: "Cloning Git repository...",
  },
  { name: "half of a wide character", in: "🧙magic\rX", out: "X magic" },
  { name: "the other half", in: "🧙magic\r\x1b[CX", out: " Xmagic" },
  { name: "wide over narrow", in: "abcd\r日", out: "日cd" },
  { name: "marks stay with their letter", in: "e\u0301a\rx", out: "xa" },
  { name: "marks over what stands before", in: "ab\r\u0301c", out: "cb" },
  { name: "unseen characters", in: "a\u202eb\rc", out: "cb" },
  {
    name: "a row that is full is drawn over no more",
    in: `${"x".repeat(1_001)}\ry`,
    out: `${"x".repeat(1_000)}y`,
  },
  { name: "tabs", in: "a\tb\rx", out: "x\tb" },
];

Deno.test("redrawn() leaves what a terminal would leave", async (t) => {
  for (const row of ROWS) await t.step(row.name, () => strictEqual(redrawn(row.in), row.out));
});

Deno.test("Log lines show what a terminal would leave", () => {
  for (const row of ROWS) {
    const entry = { id: 1, created_at: "2026-07-24T10:00:00Z", output: row.in };
    const build = parseBuildLog(JSON.stringify({ ...entry, log_level: "info", stage: "s" }));
    const [agent] = parseAgentLogs(JSON.stringify([{ ...entry, level: "info" }]));
    strictEqual(build.output, row.out, row.name);
    strictEqual(agent?.output, row.out, row.name);
  }
});

Deno.test("redrawn() lets nothing through and never grows out of hand, whatever comes", () => {
  const parts = [
    "\r",
    "\b",
    "\x1b[",
    "\x9b",
    "K",
    "G",
    "C",
    "D",
    "X",
    "J",
    "9",
    "1",
    "a",
    "日",
    "\u0301",
    "\n",
    "\t",
  ];
  fc.assert(fc.property(fc.array(fc.constantFrom(...parts), { maxLength: 200 }), (found) => {
    const text = found.join("");
    const shown = redrawn(text);
    // deno-lint-ignore no-control-regex -- it is what must not be there
    doesNotMatch(shown, /[\x00-\x08\x0b-\x1f\x7f-\x9f]/);
    ok(shown.length <= text.length + 1_000 * text.split("\n").length);
  }));
});

Deno.test("redrawn() takes a megabyte of one thing in its stride", () => {
  for (
    const unit of [
      "\r",
      "\b",
      "a\r",
      "\x1b[K",
      "\x1b[1G",
      "日\b",
      "\x1b[",
      "a\x1b[2K",
      "\x1b[999C",
      "a\x1b[1K",
      "\x1b[999Ca\x1b[1K",
    ]
  ) {
    const text = `x\r${unit.repeat(Math.floor(1_048_576 / unit.length))}`;
    const startedAt = performance.now();
    redrawn(text);
    ok(performance.now() - startedAt < 5_000, JSON.stringify(unit)); // as a rule 0.3 s
  }
});

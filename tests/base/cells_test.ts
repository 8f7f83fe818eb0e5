import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { cellsOf, clip } from "../../lib/base/cells.ts";

Deno.test("cellsOf() counts what a terminal draws (Unicode TR11, TR51)", () => {
  const rows: [text: string, cells: number][] = [
    ["", 0],
    ["abc", 3],
    ["é", 1],
    ["e\u0301", 1],
    ["日本語", 6],
    ["한국", 4],
    ["\u1112\u1161\u11ab", 2],
    ["ｱ", 1],
    ["Ａ", 2],
    ["🧙", 2],
    ["👋🏽", 4],
    ["✔", 1],
    ["❤️", 2],
    ["a\u200bb", 2],
    ["⠋", 1],
    ["…", 1],
    ["（）", 4],
    ["𠀀", 2],
  ];
  for (const [text, cells] of rows) strictEqual(cellsOf(text), cells, JSON.stringify(text));
});

Deno.test("clip() never gives more cells than there are, and whole characters", () => {
  strictEqual(clip("abc", 3), "abc");
  strictEqual(clip("abcd", 3), "ab…");
  strictEqual(clip("日本語", 6), "日本語");
  strictEqual(clip("日本語", 5), "日本…");
  strictEqual(clip("日本語", 4), "日…");
  strictEqual(clip("日本語", 1), "…");
  strictEqual(clip("a\tb", 3), "a b");
  deepStrictEqual([clip("ab", 0), clip("ab", -1)], ["", ""]);
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.integer({ min: 0, max: 30 }), (text, width) => {
      ok(cellsOf(clip(text, width)) <= width);
    }),
  );
});

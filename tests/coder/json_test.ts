import { strictEqual } from "node:assert/strict";
import { MAX_JSON_ELEMENTS, parseJson } from "../../lib/coder/json.ts";

Deno.test("parseJson() tells JSON from what is none, and from what is too much of it", () => {
  strictEqual(parseJson('{"a":[1,2]}').kind, "json");
  strictEqual(parseJson("").kind, "notJson");
  strictEqual(parseJson("<html>").kind, "notJson");
  const list = (count: number) => `[${new Array<string>(count).fill("{}").join(",")}]`;
  // Each of n objects is an opening brace and, but for one, a comma; the list itself opens as well.
  strictEqual(parseJson(list(MAX_JSON_ELEMENTS / 2)).kind, "json");
  strictEqual(parseJson(list(MAX_JSON_ELEMENTS / 2 + 1)).kind, "tooMany");
  for (const many of ["{},", "[],", "1,", '"",', '{"":{', "[", ",", '"\\\\",']) {
    strictEqual(parseJson(many.repeat(1_500_000)).kind, "tooMany", many);
  }
});

Deno.test("parseJson() counts no commas and brackets inside strings", () => {
  for (const inside of [",", "[", "{", '\\"', "\\\\"]) {
    strictEqual(parseJson(`["${inside.repeat(1_000_000)}"]`).kind, "json", inside);
  }
  strictEqual(parseJson(`"${"\\".repeat(2_000_001)}`).kind, "notJson");
});

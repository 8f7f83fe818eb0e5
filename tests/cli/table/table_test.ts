import { ok, strictEqual } from "node:assert/strict";
import { cellsOf } from "../../../lib/base/cells.ts";
import { type Column, renderTable } from "../../../lib/cli/table/table.ts";

interface Pet {
  readonly name: string;
  readonly kind: string;
}

const COLUMNS: readonly Column<Pet>[] = [
  { name: "name", cell: ({ name }) => name },
  { name: "kind", cell: ({ kind }) => kind },
];

Deno.test("renderTable() puts two blanks behind every cell, by cells and not by characters", () => {
  const rows = [{ name: "日本", kind: "x" }, { name: "a", kind: "long one" }];
  strictEqual(
    renderTable(rows, { columns: COLUMNS, width: undefined }),
    "NAME  KIND      \n日本  x         \na     long one  \n",
  );
});

Deno.test("renderTable() says nothing of no rows", () => {
  strictEqual(renderTable([], { columns: COLUMNS, width: 80 }), "");
});

Deno.test("renderTable() leaves every row its line and every cell its place, whatever a cell holds", () => {
  const evil = "a\x1b[2K\rb\nc\u202egnp\u202c\x9b31m";
  const lines = renderTable([{ name: evil, kind: "k" }], { columns: COLUMNS, width: undefined })
    .split("\n");
  strictEqual(lines.length, 3);
  strictEqual(lines[1], "a b cgnp  k     ");
});

Deno.test("renderTable() fits into any window that has a column for each cell, and never is wider than its window", () => {
  const rows = [{ name: "👩‍💻 ".repeat(20), kind: "k".repeat(30) }];
  for (let width = 1; width <= 120; width++) {
    for (const line of renderTable(rows, { columns: COLUMNS, width }).split("\n")) {
      ok(cellsOf(line.trimEnd()) <= width, `${width}: ${line}`);
    }
  }
  ok(renderTable(rows, { columns: COLUMNS, width: 8 }).startsWith("NAME: "), "blocks");
});

/** The parts of the benchmark that count, compare and print. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { type Aim, type Figure, FIGURES, GROUPS, WIRES } from "./figures.ts";
import { median } from "./median.ts";
import {
  aimText,
  renderTable,
  reportJson,
  type ReportOptions,
  resultsOf,
  Values,
} from "./report.ts";

const NAMES = ["ours", "theirs"] as const;

function figure(id: string, aim?: Aim): Figure {
  const rest = { group: "relay", name: `${id}'s name`, unit: "MB/s", digits: 1 } as const;
  return { id, ...rest, ...(aim === undefined ? {} : { aim }) };
}

function report(
  figures: readonly Figure[],
  measured: Readonly<Record<string, readonly [readonly number[], readonly number[]]>>,
): ReportOptions {
  const values = new Values();
  for (const [id, [ours, theirs]] of Object.entries(measured)) {
    for (const value of ours) values.add(id, 0, value);
    for (const value of theirs) values.add(id, 1, value);
  }
  return { names: NAMES, figures, values, omissions: [] };
}

Deno.test("median() is the middle, the mean of two middles, or nothing", () => {
  const rows = [
    { values: [], is: undefined },
    { values: [3], is: 3 },
    { values: [5, 1], is: 3 },
    { values: [10, 1, 2], is: 2 },
    { values: [4, 1, 100, 2], is: 3 },
  ];
  for (const { values, is } of rows) strictEqual(median(values), is);
});

Deno.test("resultsOf() tells whether an aim is reached", async (t) => {
  const rows: { aim: Aim; ours: number; theirs: number; is: boolean }[] = [
    { aim: { kind: "timesAtLeast", factor: 1.5 }, ours: 15, theirs: 10, is: true },
    { aim: { kind: "timesAtLeast", factor: 1.5 }, ours: 14.9, theirs: 10, is: false },
    { aim: { kind: "timesAtMost", factor: 0.6 }, ours: 6, theirs: 10, is: true },
    { aim: { kind: "timesAtMost", factor: 0.6 }, ours: 6.1, theirs: 10, is: false },
    { aim: { kind: "atMost", value: 70 }, ours: 70, theirs: 1, is: true },
    { aim: { kind: "atMost", value: 70 }, ours: 70.1, theirs: 1000, is: false },
    { aim: { kind: "timesOwnAtMost", factor: 2, of: "own" }, ours: 4, theirs: 1, is: true },
    { aim: { kind: "timesOwnAtMost", factor: 2, of: "own" }, ours: 4.1, theirs: 9, is: false },
    {
      aim: { kind: "timesAtLeast", factor: 1, against: ["it", "own"] },
      ours: 11,
      theirs: 10,
      is: false,
    },
    {
      aim: { kind: "timesAtLeast", factor: 1, against: ["it", "own"] },
      ours: 12,
      theirs: 10,
      is: true,
    },
  ];
  for (const { aim, ours, theirs, is } of rows) {
    await t.step(`${aimText(aim, "MB/s")} with ${ours} and ${theirs}`, () => {
      const measured = { it: [[ours], [theirs]], own: [[2], [12]] } as const;
      const [result] = resultsOf(report([figure("it", aim)], measured));
      strictEqual(result?.isReached, is);
      strictEqual(result?.ratio, ours / theirs);
    });
  }
});

Deno.test("resultsOf() judges nothing that it cannot compare, and leaves out what was not measured", () => {
  const aim: Aim = { kind: "timesAtLeast", factor: 1, against: ["it", "missing"] };
  const own: Aim = { kind: "timesOwnAtMost", factor: 2, of: "missing" };
  const figures = [figure("it", aim), figure("alone", { kind: "timesAtMost", factor: 1 })];
  const results = resultsOf(
    report([...figures, figure("missing"), figure("own", own)], {
      it: [[1], [1]],
      alone: [[1], []],
      own: [[1], [1]],
    }),
  );
  deepStrictEqual(results.map(({ figure: { id }, ratio, isReached }) => [id, ratio, isReached]), [
    ["it", 1, undefined],
    ["alone", undefined, undefined],
    ["own", 1, undefined],
  ]);
});

Deno.test("renderTable() has a line for each figure, with the spread, the ratio and the aim, and says what is missing", () => {
  const options = report(
    [figure("fast", { kind: "timesAtLeast", factor: 1.5 }), figure("plain")],
    { fast: [[1, 3, 2], [4]], plain: [[1], []] },
  );
  const omissions = [{ what: "wires", why: "no permission" }];
  strictEqual(
    renderTable({ ...options, omissions }),
    [
      "| median (least–most) | ours | theirs | ratio | aim | reached |",
      "| --- | ---: | ---: | ---: | ---: | --- |",
      "| fast's name, MB/s | 2.0 (1.0–3.0) | 4.0 | 0.50 | ≥ 1.5 × | no |",
      "| plain's name, MB/s | 1.0 |  |  |  |  |",
      "",
      "Not measured:",
      "",
      "- wires: no permission",
    ].join("\n"),
  );
});

Deno.test("reportJson() survives JSON and keeps every value", () => {
  const options = report([figure("it", { kind: "atMost", value: 3 })], { it: [[1, 2], []] });
  deepStrictEqual(JSON.parse(JSON.stringify(reportJson(options, { machine: "small" }))), {
    machine: "small",
    contestants: ["ours", "theirs"],
    figures: [{
      id: "it",
      group: "relay",
      name: "it's name",
      unit: "MB/s",
      values: [[1, 2], []],
      medians: [1.5, null],
      ratio: null,
      aim: "≤ 3 MB/s",
      reached: true,
    }],
    omissions: [],
  });
});

Deno.test("FIGURES have ids of their own, and aims compare with figures that there are", () => {
  const ids = new Set(FIGURES.map(({ id }) => id));
  strictEqual(ids.size, FIGURES.length);
  for (const { group, aim } of FIGURES) {
    ok(GROUPS.includes(group));
    if (aim?.kind === "timesOwnAtMost") ok(ids.has(aim.of));
    if (aim?.kind === "timesAtLeast") { for (const id of aim.against ?? []) ok(ids.has(id), id); }
  }
});

Deno.test("WIRES are shapes that peer link knows", () => {
  for (const { shape } of WIRES) {
    match(shape, /^delay=\d+ms( loss=0\.\d+)?( rate=\d+mbit queue=\d+)?$/);
  }
});

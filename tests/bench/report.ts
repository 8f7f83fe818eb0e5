/** From measured values to a table for people and JSON for programs. */
import type { Aim, Figure } from "./figures.ts";
import { median } from "./median.ts";

/** hawser, and who it is compared with. */
export type Side = 0 | 1;

/** What could not be measured, and why. */
export interface Omission {
  readonly what: string;
  readonly why: string;
}

export interface ReportOptions {
  /** Of the contestants. */
  readonly names: readonly [string, string];
  readonly figures: readonly Figure[];
  readonly values: Values;
  readonly omissions: readonly Omission[];
}

/** One figure's result; medians are `undefined` where nothing was measured. */
export interface Result {
  readonly figure: Figure;
  readonly medians: readonly [number | undefined, number | undefined];
  readonly ratio: number | undefined;
  /** `undefined` without an aim, or without what it is compared with. */
  readonly isReached: boolean | undefined;
}

export class Values {
  readonly #values = new Map<string, [number[], number[]]>();

  add(id: string, side: Side, value: number): void {
    const sides = this.#values.get(id) ?? [[], []];
    this.#values.set(id, sides);
    sides[side].push(value);
  }

  of(id: string, side: Side): readonly number[] {
    return this.#values.get(id)?.[side] ?? [];
  }

  median(id: string, side: Side): number | undefined {
    return median(this.of(id, side));
  }
}

/** The results of those figures that were measured at least once. */
export function resultsOf({ figures, values }: ReportOptions): Result[] {
  const results: Result[] = [];
  for (const figure of figures) {
    const medians = [values.median(figure.id, 0), values.median(figure.id, 1)] as const;
    const [ours, theirs] = medians;
    if (ours === undefined && theirs === undefined) continue;
    results.push({
      figure,
      medians,
      ratio: ours === undefined || theirs === undefined ? undefined : ours / theirs,
      isReached: figure.aim === undefined ? undefined : isReached(figure.aim, figure.id, values),
    });
  }
  return results;
}

function isReached(aim: Aim, id: string, values: Values): boolean | undefined {
  const ours = values.median(id, 0);
  const limit = limitOf(aim, id, values);
  if (ours === undefined || limit === undefined) return undefined;
  return aim.kind === "timesAtLeast" ? ours >= limit : ours <= limit;
}

function limitOf(aim: Aim, id: string, values: Values): number | undefined {
  switch (aim.kind) {
    case "atMost":
      return aim.value;
    case "timesAtMost":
      return times(aim.factor, values.median(id, 1));
    case "timesOwnAtMost":
      return times(aim.factor, values.median(aim.of, 0));
    case "timesAtLeast": {
      const theirs = (aim.against ?? [id]).map((one) => values.median(one, 1));
      const known = theirs.filter((one) => one !== undefined);
      return known.length < theirs.length ? undefined : times(aim.factor, Math.max(...known));
    }
  }
}

function times(factor: number, value: number | undefined): number | undefined {
  return value === undefined ? undefined : factor * value;
}

export function aimText(aim: Aim, unit: string): string {
  switch (aim.kind) {
    case "atMost":
      return `≤ ${aim.value} ${unit.split(" ").at(-1)}`;
    case "timesAtMost":
      return `≤ ${aim.factor} ×`;
    case "timesOwnAtMost":
      return `≤ ${aim.factor} × idle`;
    case "timesAtLeast":
      return aim.against === undefined ? `≥ ${aim.factor} ×` : `≥ ${aim.factor} × the better path`;
  }
}

/** A markdown table, and below it what is not in it. */
export function renderTable(options: ReportOptions): string {
  const { names, values, omissions } = options;
  const lines = [
    `| median (least–most) | ${names.join(" | ")} | ratio | aim | reached |`,
    "| --- | ---: | ---: | ---: | ---: | --- |",
  ];
  for (const { figure, ratio, isReached } of resultsOf(options)) {
    const { id, name, unit, digits, aim } = figure;
    const cells = [
      `${name}, ${unit}`,
      spread(values.of(id, 0), digits),
      spread(values.of(id, 1), digits),
      ratio?.toFixed(2) ?? "",
      aim === undefined ? "" : aimText(aim, unit),
      isReached === undefined ? "" : isReached ? "yes" : "no",
    ];
    lines.push(`| ${cells.join(" | ")} |`);
  }
  if (omissions.length > 0) lines.push("", "Not measured:", "");
  for (const { what, why } of omissions) lines.push(`- ${what}: ${why}`);
  return lines.join("\n");
}

function spread(values: readonly number[], digits: number): string {
  const middle = median(values);
  if (middle === undefined) return "";
  if (values.length === 1) return middle.toFixed(digits);
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return `${middle.toFixed(digits)} (${least.toFixed(digits)}–${most.toFixed(digits)})`;
}

/** The same for programs: a value of JSON. */
export function reportJson(options: ReportOptions, about: Readonly<Record<string, unknown>>) {
  const { names, values, omissions } = options;
  return {
    ...about,
    contestants: names,
    figures: resultsOf(options).map(({ figure, medians, ratio, isReached }) => ({
      id: figure.id,
      group: figure.group,
      name: figure.name,
      unit: figure.unit,
      values: [values.of(figure.id, 0), values.of(figure.id, 1)],
      medians: medians.map((one) => one ?? null),
      ratio: ratio ?? null,
      aim: figure.aim === undefined ? null : aimText(figure.aim, figure.unit),
      reached: isReached ?? null,
    })),
    omissions,
  };
}

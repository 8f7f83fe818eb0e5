/**
 * `deno task bench [--rounds=N] [--megabytes=N]`: the way of a byte through the relay, hawser against the Go peer's own
 * client, in rounds that take turns, so that a machine which changes its speed changes both. Prints a markdown table of
 * medians with the least and the most. Linux alone: it reads /proc.
 */
import { parseArgs } from "node:util";
import { denoRun } from "../live/desk.ts";
import { fromFileUrl } from "../live/names.ts";
import { openSite } from "../interop/site.ts";
import { say } from "../live/check.ts";
import { type Contestant, contestants, type Direction } from "./contestants.ts";

const BYTES_PER_GB = 1e9;

/** One row: its values, by the order of the contestants. */
interface Row {
  readonly name: string;
  readonly digits: number;
  readonly values: readonly [number[], number[]];
}

class Table {
  readonly #rows = new Map<string, Row>();

  add(name: string, side: 0 | 1, value: number, digits: number): void {
    const row = this.#rows.get(name) ?? { name, digits, values: [[], []] };
    this.#rows.set(name, row);
    row.values[side].push(value);
  }

  render(names: readonly string[]): string {
    const lines = [
      `| median (least–most) | ${names.join(" | ")} | ratio |`,
      "| --- | ---: | ---: | ---: |",
    ];
    for (const { name, digits, values: [ours, theirs] } of this.#rows.values()) {
      const ratio = (median(ours) / median(theirs)).toFixed(2);
      lines.push(`| ${name} | ${spread(ours, digits)} | ${spread(theirs, digits)} | ${ratio} |`);
    }
    return lines.join("\n");
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return ((sorted[Math.ceil(middle) - 1] ?? NaN) + (sorted[Math.floor(middle)] ?? NaN)) / 2;
}

function spread(values: readonly number[], digits: number): string {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return `${median(values).toFixed(digits)} (${least.toFixed(digits)}–${most.toFixed(digits)})`;
}

async function measure(
  table: Table,
  contestant: Contestant,
  side: 0 | 1,
  bytes: number,
): Promise<void> {
  table.add("first byte, ms", side, await contestant.firstByteMs(), 0);
  for (const direction of ["down", "up"] satisfies Direction[]) {
    for (const [how, what] of [["tunnel", "TCP in the tunnel"], ["openssh", "OpenSSH"]] as const) {
      const { mb_per_s, transfer_cpu_s, max_rss_mb } = await contestant[how](direction, bytes);
      const name = `${what}, ${direction}`;
      table.add(`${name}, MB/s`, side, mb_per_s, 0);
      table.add(`${name}, CPU s/GB`, side, transfer_cpu_s * BYTES_PER_GB / bytes, 1);
      table.add(`${name}, peak RSS MB`, side, max_rss_mb, 0);
    }
  }
}

function machine(): string {
  const { memory, cpus } = {
    memory: Math.round(Deno.systemMemoryInfo().total / 2 ** 30),
    cpus: navigator.hardwareConcurrency,
  };
  return `${cpus} cores, ${memory} GB, ${Deno.build.os} ${Deno.osRelease()}, Deno ${Deno.version.deno}`;
}

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    megabytes: { type: "string", default: "200" },
  },
});
const rounds = Number(values.rounds);
const bytes = Number(values.megabytes) * 1e6;
const bundle = fromFileUrl(new URL("../../dist/bundle/main.js", import.meta.url));
await using site = await openSite({
  peer: ["--relay-only"],
  // What a release runs, unless HAWSER_PROGRAM names another.
  desk: Deno.env.has("HAWSER_PROGRAM") ? {} : { program: [...denoRun(), "--no-config", bundle] },
});
const sides = await contestants(site);
const table = new Table();
// One round unmeasured: caches of code and pages are warm in every round that counts.
const warmUp = new Table();
for (const [i, side] of sides.entries()) await measure(warmUp, side, i === 0 ? 0 : 1, bytes / 10);
for (let round = 1; round <= rounds; round++) {
  say(`round ${round} of ${rounds}`);
  const order = round % 2 === 0 ? [0, 1] as const : [1, 0] as const;
  for (const i of order) await measure(table, sides[i], i, bytes);
}
say(`${machine()}; ${rounds} rounds of ${bytes / 1e6} MB over a relay on loopback`);
Deno.stdout.writeSync(new TextEncoder().encode(`${table.render(sides.map(({ name }) => name))}\n`));

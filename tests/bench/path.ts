/**
 * `deno task bench [--rounds=N] [--megabytes=N] [--minutes=N] [--only=GROUP,…] [--idle-minutes=N] [--json=FILE]`: every figure that hawser
 * is to reach, beside the Go peer's own client, in rounds that take turns, so that a machine which changes its speed changes
 * both. Prints a markdown table of medians and writes JSON. Linux alone: it reads /proc; wires need root.
 */
import { parseArgs } from "node:util";
import { fromFileUrl } from "../live/names.ts";
import { say } from "../live/check.ts";
import { beginTasks } from "./begin.ts";
import { channelTasks } from "./channels.ts";
import { contestants } from "./contestants.ts";
import { echoTasks } from "./echo.ts";
import { fallbackTasks } from "./fallback.ts";
import { FIGURES, GROUPS } from "./figures.ts";
import { memoryTasks } from "./memory.ts";
import { openFar, openLoopback, type Place, Runs } from "./place.ts";
import { type Omission, renderTable, reportJson, type Side, Values } from "./report.ts";
import type { Task } from "./task.ts";
import { transferTasks } from "./transfers.ts";

const MINUTE_MS = 60_000;
const INTERRUPTED = 130;

const { values: flags } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    megabytes: { type: "string", default: "100" },
    minutes: { type: "string", default: "8.5" },
    only: { type: "string", default: GROUPS.join(",") },
    "idle-minutes": { type: "string", default: "0.1" },
    json: {
      type: "string",
      default: fromFileUrl(new URL("../../dist/bench.json", import.meta.url)),
    },
  },
});
const only = new Set(flags.only.split(","));
const unknown = only.difference(new Set<string>(GROUPS));
if (unknown.size > 0) throw new TypeError(`Groups are ${GROUPS.join(", ")}, not ${[...unknown]}`);
const idleMinutes = Number(flags["idle-minutes"]);
const tasks = [
  ...beginTasks(),
  ...transferTasks(Number(flags.megabytes) * 1e6),
  ...channelTasks(),
  ...fallbackTasks(),
  ...echoTasks(),
  ...memoryTasks(idleMinutes),
].filter(({ group }) => only.has(group));

const runs = new Runs();
let isInterrupted = false;
const interrupt = () => {
  isInterrupted = true;
  runs.end();
};
for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, interrupt);

const values = new Values();
const omissions: Omission[] = [];
const names = await measureAll();
for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.removeSignalListener(signal, interrupt);
if (isInterrupted) Deno.exit(INTERRUPTED);
const options = { names, figures: FIGURES, values, omissions };
say(`${machine()}; at most ${flags.rounds} rounds, ${flags.megabytes} MB each on the loopback`);
Deno.stdout.writeSync(new TextEncoder().encode(`${renderTable(options)}\n`));
const about = { machine: machine(), at: new Date().toISOString(), flags: { ...flags } };
const json = JSON.stringify(reportJson(options, about), null, 2);
await Deno.writeTextFile(flags.json, `${json}\n`);
if (omissions.length > 0) Deno.exitCode = 1;

async function measureAll(): Promise<readonly [string, string]> {
  await using stack = new AsyncDisposableStack();
  const near = stack.use(await openLoopback(runs));
  const far = tasks.some(({ isFar }) => isFar) ? await openFarIfPossible(stack) : undefined;
  const sides = await contestants(near);
  const farSides = far === undefined ? undefined : await contestants(far);
  const until = performance.now() + (Number(flags.minutes) + 2 * idleMinutes) * MINUTE_MS;
  const broken = new Set<Task>();
  for (let round = 1; round <= Number(flags.rounds); round++) {
    const order: readonly Side[] = round % 2 === 0 ? [0, 1] : [1, 0];
    for (const task of tasks) {
      const place = task.isFar ? far : near;
      const these = task.isFar ? farSides : sides;
      if (place === undefined || these === undefined) continue;
      if (round > (task.rounds ?? Infinity) || broken.has(task) || isInterrupted) continue;
      if (round > 1 && performance.now() > until) {
        say(`the time is up before round ${round} of ${task.name}`);
        continue;
      }
      const began = performance.now();
      if (!await measure(task, place, order.map((side) => [side, these[side]] as const))) {
        broken.add(task);
      }
      const seconds = ((performance.now() - began) / 1_000).toFixed(1);
      say(`round ${round}: ${task.name}, ${seconds} s`);
    }
  }
  return [sides[0].name, sides[1].name];
}

async function openFarIfPossible(stack: AsyncDisposableStack): Promise<Place | undefined> {
  try {
    return stack.use(await openFar(runs));
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    omissions.push({ what: "everything on wires", why: error.message.trim() });
    return undefined;
  }
}

/** Whether it went well; what one side cannot do is told, and the rest goes on. */
async function measure(
  task: Task,
  place: Place,
  sides: readonly (readonly [Side, Parameters<Task["run"]>[1]])[],
): Promise<boolean> {
  for (const [side, contestant] of sides) {
    try {
      const found = await task.run(place, contestant);
      for (const [id, value] of Object.entries(found)) values.add(id, side, value);
    } catch (error) {
      if (isInterrupted) return false;
      if (!(error instanceof Error)) throw error;
      const what = `${task.name}, ${contestant.name}`;
      say(`FAILED: ${what}: ${error.message}`);
      omissions.push({ what, why: error.message.trim().split("\n")[0] ?? "" });
      return false;
    }
  }
  return true;
}

function machine(): string {
  const memory = Math.round(Deno.systemMemoryInfo().total / 2 ** 30);
  const system = `${Deno.build.os} ${Deno.osRelease()}, Deno ${Deno.version.deno}`;
  return `${navigator.hardwareConcurrency} cores, ${memory} GB, ${system}`;
}

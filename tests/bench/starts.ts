/**
 * `deno task bench-starts [--rounds=N] [--many=N]`: what a start costs, hawser with a tunnel of its own and with a shared one, and a client
 * that nobody here wrote, in rounds that take turns. Without more it is the Go peer's client, on the Go peer; where
 * `HAWSER_BENCH_CODER` names the official CLI, that one, at the deployment of `CODER_URL`, `CODER_SESSION_TOKEN` and
 * `HAWSER_LIVE_WORKSPACE`. Prints a markdown table of medians with the least and the most. Linux alone: it reads /proc.
 */
import { parseArgs } from "node:util";
import { denoRun, Desk } from "../live/desk.ts";
import { fromFileUrl, shellQuote } from "../live/names.ts";
import { openSite } from "../interop/site.ts";
import { peerBinary } from "../interop/peer_binary.ts";
import { say } from "../live/check.ts";
import { firstByte, LIMIT_MS } from "./first_byte.ts";
import { median } from "./median.ts";

/** Of a process that the page tables hold, in /proc. */
const KIB_PER_MIB = 1_024;

interface Contestant {
  readonly name: string;
  readonly env: Readonly<Record<string, string>>;
  /** A line of shell that pipes to the agent's SSH server. */
  readonly pipe: string;
  /** One that runs `true` in the workspace; `undefined` where it cannot. */
  readonly command: string | undefined;
  /** One that says its version; `undefined` where there is none. */
  readonly version: string | undefined;
}

type Values = Map<string, number[][]>;

function add(values: Values, row: string, side: number, value: number): void {
  const sides = values.get(row) ?? [[], [], []];
  values.set(row, sides);
  sides[side]?.push(value);
}

/** `count` sessions at once: until the first has its first byte, and the last; what memory is theirs, and of a tunnel they share. */
async function many(
  desk: Desk,
  { env, pipe }: Contestant,
  count: number,
): Promise<[number, number, number]> {
  await using stack = new AsyncDisposableStack();
  const began = performance.now();
  const upAtMs = await Promise.all(
    Array.from({ length: count }, async () => {
      const process = stack.use(desk.start(["sh", "-c", `echo $$ >&2; exec ${pipe}`], {
        env: { ...desk.env, ...env },
        limitMs: LIMIT_MS,
      }));
      await process.stdout.untilBytes(1);
      const ms = performance.now() - began;
      const [pid = ""] = await process.stderr.until(/^\d+$/m);
      return { ms, pid };
    }),
  );
  const times = upAtMs.map(({ ms }) => ms);
  const own = upAtMs.map(({ pid }) => pid);
  const pids = env["HAWSER_SHARED_TUNNEL"] === undefined ? own : [...own, ...holders(desk.home)];
  const mib = pids.map(pssMib).reduce((sum, one) => sum + one, 0);
  return [Math.min(...times), Math.max(...times), mib];
}

/** proc_pid_smaps(5): what is shared with others counts in part. */
function pssMib(pid: string): number {
  const text = Deno.readTextFileSync(`/proc/${pid}/smaps_rollup`);
  return Number(/^Pss:\s+(\d+)/m.exec(text)?.[1]) / KIB_PER_MIB;
}

/** Wall and CPU time in milliseconds, of the whole process. */
async function command(
  desk: Desk,
  { env }: Contestant,
  line: string,
): Promise<[number, number]> {
  const began = performance.now();
  // What the shell's children took stands in the second line.
  const exit = await desk.must(["sh", "-c", `${line} >/dev/null && times`], {
    env: { ...desk.env, ...env },
    limitMs: LIMIT_MS,
  });
  const wallMs = performance.now() - began;
  const children = exit.stdout.trim().split("\n")[1] ?? "";
  const seconds = [...children.matchAll(/(\d+)m([\d.]+)s/g)]
    .map(([, minutes, rest]) => 60 * Number(minutes) + Number(rest));
  return [wallMs, 1_000 * seconds.reduce((sum, one) => sum + one, 0)];
}

/** As on a machine that never ran it: no code cache, and no memory of the last run. */
async function forgetful(desk: Desk, contestant: Contestant): Promise<Contestant> {
  const empty = await Deno.makeTempDir({ dir: desk.home });
  return { ...contestant, env: { ...contestant.env, DENO_DIR: empty, XDG_CACHE_HOME: empty } };
}

async function measure(
  values: Values,
  desk: Desk,
  contestant: Contestant,
  side: number,
): Promise<void> {
  const [ms, mib] = await firstByte(desk, contestant);
  add(values, "`--stdio`, first byte, ms", side, ms);
  add(values, "`--stdio`, peak RSS until then, MiB", side, mib);
  // Whoever has nothing in its caches finds no tunnel there: it would leave another one.
  if (contestant.env["HAWSER_SHARED_TUNNEL"] === undefined) {
    const [coldMs] = await firstByte(desk, await forgetful(desk, contestant));
    add(values, "`--stdio`, first byte with empty caches, ms", side, coldMs);
  }
  if (contestant.version !== undefined) {
    const [versionMs] = await command(desk, contestant, contestant.version);
    add(values, "`version`, wall, ms", side, versionMs);
  }
  if (contestant.command === undefined) return;
  const [wallMs, cpuMs] = await command(desk, contestant, contestant.command);
  add(values, "`ssh dev true`, wall, ms", side, wallMs);
  add(values, "`ssh dev true`, CPU, ms", side, cpuMs);
}

function spread(values: readonly number[]): string {
  if (values.length === 0) return "";
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return `${median(values)?.toFixed(0)} (${least.toFixed(0)}–${most.toFixed(0)})`;
}

function render(values: Values, sides: readonly Contestant[]): string {
  const lines = [
    `| median (least–most) | ${sides.map(({ name }) => name).join(" | ")} | ratios |`,
    "| --- | ---: | ---: | ---: | ---: |",
  ];
  for (const [row, of] of values) {
    const theirs = median(of[2] ?? []) ?? NaN;
    const ratios = of.slice(0, 2).filter((ours) => ours.length > 0)
      .map((ours) => ((median(ours) ?? NaN) / theirs).toFixed(2));
    const told = Number.isNaN(theirs) ? "" : ratios.join(", ");
    lines.push(`| ${row} | ${of.map(spread).join(" | ")} | ${told} |`);
  }
  return lines.join("\n");
}

/** The processes that hold tunnels for a desk. */
function holders(home: string): string[] {
  const found: string[] = [];
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    let words: string;
    try {
      words = Deno.readTextFileSync(`/proc/${name}/cmdline`) +
        Deno.readTextFileSync(`/proc/${name}/environ`);
    } catch {
      continue; // it has ended, or is somebody else's
    }
    if (words.includes("\0hold-tunnel\0") && words.includes(`HOME=${home}\0`)) found.push(name);
  }
  return found;
}

const { values: flags } = parseArgs({
  options: {
    rounds: { type: "string", default: "10" },
    many: { type: "string", default: "30" },
  },
});
const rounds = Number(flags.rounds);
const count = Number(flags.many);
const official = Deno.env.get("HAWSER_BENCH_CODER");
const bundle = fromFileUrl(new URL("../../dist/bundle/main.js", import.meta.url));
const program = Deno.env.has("HAWSER_PROGRAM") ? {} : {
  program: [...denoRun(), "--no-config", bundle],
};

await using stack = new AsyncDisposableStack();
async function openDesk(): Promise<Desk> {
  if (official === undefined) {
    return stack.use(await openSite({ peer: ["--relay-only"], desk: program })).desk;
  }
  const [url = "", token = "", workspace = ""] = [
    ...["CODER_URL", "CODER_SESSION_TOKEN", "HAWSER_LIVE_WORKSPACE"].map((name) =>
      Deno.env.get(name)
    ),
  ];
  return stack.use(await Desk.open({ url, token, workspace }, program));
}
const desk = await openDesk();
stack.defer(() => holders(desk.home).forEach((pid) => Deno.kill(Number(pid), "SIGTERM")));

const ours = {
  pipe: desk.programCommand("--stdio", desk.workspace),
  command: desk.programCommand(desk.workspace, "true"),
  version: desk.commandLine("version"),
};
const theirs = official === undefined
  ? {
    name: "Go client",
    pipe: [await peerBinary(), "dial", "--relay-only", "stdio"].map(shellQuote).join(" "),
    command: undefined,
    version: undefined,
  }
  : {
    name: "official CLI",
    pipe: [official, "ssh", "--stdio", desk.workspace].map(shellQuote).join(" "),
    command: [official, "ssh", desk.workspace, "true"].map(shellQuote).join(" "),
    version: [official, "version"].map(shellQuote).join(" "),
  };
const sides: readonly Contestant[] = [
  { name: "hawser", env: {}, ...ours },
  { name: "hawser, shared tunnel", env: { HAWSER_SHARED_TUNNEL: "true" }, ...ours },
  { ...theirs, env: {} },
];
// Two unmeasured: caches are warm, and a tunnel is left, in every round that counts.
for (let round = 1; round <= 2; round++) {
  for (const [side, one] of sides.entries()) await measure(new Map(), desk, one, side);
}
const values: Values = new Map();
for (let round = 1; round <= rounds; round++) {
  const order = sides.map((one, side) => ({ one, side }));
  for (let i = 0; i < round % sides.length; i++) order.push(...order.splice(0, 1));
  for (const { one, side } of order) await measure(values, desk, one, side);
}
// Heavy: twice each, whatever the rounds. A tunnel that idled out meanwhile is left again.
for (let round = 1; round <= 2; round++) {
  for (const [side, one] of sides.entries()) {
    await firstByte(desk, one);
    const [firstMs, lastMs, mib] = await many(desk, one, count);
    add(values, `${count} at once, the first up, ms`, side, firstMs);
    add(values, `${count} at once, all up, ms`, side, lastMs);
    add(values, `${count} at once, PSS, MiB`, side, mib);
  }
}
say(`${navigator.hardwareConcurrency} cores, Deno ${Deno.version.deno}; ${rounds} rounds`);
Deno.stdout.writeSync(new TextEncoder().encode(`${render(values, sides)}\n`));

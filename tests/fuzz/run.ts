/**
 * `deno task fuzz [--seconds=N] [--inputs=N] [--room=NAME] [--target=TEXT] [--seed=N] [--slow-ms=N]`: every decoder and the live cores against mutated
 * inputs. Seconds are for each target; an input that takes longer than `--slow-ms` (50) is a fault. Ends with `N passed | N failed`; the exit status says whether all is well.
 */
import { fuzz, renderReport } from "./runner.ts";
import { TARGETS } from "./targets/mod.ts";

const DEFAULT_SECONDS = 1;
const DEFAULT_SLOW_MS = 50;

function option(args: readonly string[], name: string): string | undefined {
  const prefix = `--${name}=`;
  return args.find((arg) => arg.startsWith(prefix))?.slice(prefix.length);
}

function numberOption(args: readonly string[], name: string, initial: number): number {
  const text = option(args, name);
  const value = text === undefined ? initial : Number(text);
  if (!Number.isFinite(value) || value < 0) throw new RangeError(`--${name} takes a number`);
  return value;
}

async function main(args: readonly string[]): Promise<number> {
  const isBounded = option(args, "inputs") !== undefined && option(args, "seconds") === undefined;
  const seconds = numberOption(args, "seconds", isBounded ? 24 * 3_600 : DEFAULT_SECONDS);
  const maxInputs = numberOption(args, "inputs", Number.MAX_SAFE_INTEGER);
  const seed = numberOption(args, "seed", crypto.getRandomValues(new Uint32Array(1))[0] ?? 1);
  const slowMs = numberOption(args, "slow-ms", DEFAULT_SLOW_MS);
  const room = option(args, "room");
  // Part of a name: one that failed is run again by itself.
  const part = option(args, "target") ?? "";
  const targets = TARGETS.filter((target) =>
    (room === undefined || target.room === room) && target.name.includes(part)
  );
  const out = (line: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
  if (targets.length === 0) {
    out(
      `No target of that room and name: there are ${
        TARGETS.map((target) => `${target.room}: ${target.name}`).join(", ")
      }`,
    );
    return 2;
  }
  out(`seed ${seed}`);
  let failed = 0;
  for (const target of targets) {
    const report = await fuzz(target, {
      seed,
      maxInputs,
      maxMs: seconds * 1_000,
      slowMs,
      now: () => performance.now(),
      residentBytes: () => Deno.memoryUsage().rss,
    });
    if (report.fault !== undefined) failed++;
    out(renderReport(report));
  }
  out(`${targets.length - failed} passed | ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main(Deno.args));

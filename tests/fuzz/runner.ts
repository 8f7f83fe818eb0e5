/** Runs targets against mutated inputs and says what came of it: throughput, declared errors, slowest input, memory. */
import { toHex } from "../../lib/base/bytes.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { mutate } from "./mutate.ts";
import type { FuzzTarget } from "./target.ts";

export interface FuzzOptions {
  readonly seed: number;
  /** Stop after so many inputs … */
  readonly maxInputs: number;
  /** … or after so long, whichever comes first. */
  readonly maxMs: number;
  /** An input that takes longer, again and again, is a fault. @default 50 */
  readonly slowMs?: number;
  /** Growth of the process beyond this is a fault. @default 200 MiB */
  readonly maxGrowthBytes?: number;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  /** Resident bytes of the process. */
  readonly residentBytes: () => number;
}

export interface FuzzReport {
  readonly target: FuzzTarget;
  readonly inputs: number;
  readonly declared: number;
  readonly elapsedMs: number;
  readonly slowestMs: number;
  readonly growthBytes: number;
  /** `undefined`: all is well. With the seed and the input that show it again. */
  readonly fault: string | undefined;
}

const DEFAULT_SLOW_MS = 50;
const DEFAULT_MAX_GROWTH_BYTES = 200 * 1024 * 1024;
/** A shared machine pauses whoever it likes: what is slow is slow each time. */
const SLOW_TRIES = 4;
const SHOWN_BYTES = 400;

export async function fuzz(target: FuzzTarget, options: FuzzOptions): Promise<FuzzReport> {
  const { seed, maxInputs, maxMs, now, residentBytes } = options;
  const slowMs = options.slowMs ?? DEFAULT_SLOW_MS;
  const random = new SeededRandom(seed);
  const startedAt = now();
  // The first inputs load code and fill caches: growth is what comes after.
  let residentAtStart = residentBytes();
  let inputs = 0;
  let declared = 0;
  let slowestMs = 0;
  let fault: string | undefined;
  while (fault === undefined && inputs < maxInputs && now() - startedAt < maxMs) {
    const input = mutate(target.corpus, random);
    const inputSeed = random.uint32();
    inputs++;
    if (target.prepare !== undefined) await target.prepare();
    const began = now();
    const running = runOnce(target, input, inputSeed);
    const thrown = running instanceof Promise ? await running : running;
    let tookMs = now() - began;
    for (let i = 1; i < SLOW_TRIES && tookMs > slowMs; i++) {
      if (target.prepare !== undefined) await target.prepare();
      const again = now();
      await runOnce(target, input, inputSeed);
      tookMs = Math.min(tookMs, now() - again);
    }
    slowestMs = Math.max(slowestMs, tookMs);
    if (thrown !== undefined && target.isDeclared?.(thrown.error) !== true) {
      fault = `threw ${describe(thrown.error)}${shown(input)}`;
    } else if (tookMs > slowMs) fault = `took ${Math.round(tookMs)} ms${shown(input)}`;
    if (thrown !== undefined && fault === undefined) declared++;
    if (inputs === 1_000) residentAtStart = residentBytes();
  }
  await target.end?.();
  const growthBytes = residentBytes() - residentAtStart;
  if (growthBytes > (options.maxGrowthBytes ?? DEFAULT_MAX_GROWTH_BYTES)) {
    fault ??= `grew by ${growthBytes} bytes`;
  }
  return {
    target,
    inputs,
    declared,
    elapsedMs: now() - startedAt,
    slowestMs,
    growthBytes,
    fault: fault === undefined ? undefined : `${fault} (seed ${seed}, input ${inputs})`,
  };
}

/** A promise only of a target that needs one: a turn of the loop for each input would cost more than most of them. */
function runOnce(target: FuzzTarget, input: Uint8Array, seed: number): Thrown | Promise<Thrown> {
  try {
    // A copy: cores decrypt and unmask in place.
    const running = target.run(input.slice(), new SeededRandom(seed));
    return running?.then(() => undefined, (error: unknown) => ({ error }));
  } catch (error) {
    return { error };
  }
}

type Thrown = { readonly error: unknown } | undefined;

function describe(error: unknown): string {
  return error instanceof Error ? error.stack ?? `${error.name}: ${error.message}` : String(error);
}

function shown(input: Uint8Array): string {
  const rest = input.length > SHOWN_BYTES ? ` … of ${input.length} bytes` : "";
  return `\n  input ${toHex(input.subarray(0, SHOWN_BYTES))}${rest}\n `;
}

/** One line for people. */
export function renderReport(report: FuzzReport): string {
  const { target, inputs, declared, elapsedMs, slowestMs, growthBytes, fault } = report;
  const perSecond = Math.round(inputs / Math.max(elapsedMs, 1) * 1_000);
  const growth = Math.round(growthBytes / 1024 / 1024);
  return `${`${target.room}: ${target.name}`.padEnd(44)} ${String(inputs).padStart(9)} inputs ` +
    `${String(perSecond).padStart(8)}/s ${String(declared).padStart(9)} declared  ` +
    `slowest ${slowestMs.toFixed(1).padStart(6)} ms  ${growth >= 0 ? "+" : ""}${growth} MiB` +
    (fault === undefined ? "" : `\n  FAULT: ${fault}`);
}

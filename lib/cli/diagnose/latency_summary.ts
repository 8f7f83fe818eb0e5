/** What many pings say together. */

export interface LatencySummary {
  readonly total: number;
  readonly successful: number;
  /** Milliseconds; `undefined` when no ping was answered. */
  readonly minMs: number | undefined;
  readonly avgMs: number | undefined;
  readonly maxMs: number | undefined;
  /** Of a sample, in square seconds; `undefined` for fewer than two answers. */
  readonly variance: number | undefined;
}

const MS_PER_SECOND = 1_000;

/** `latencies` in milliseconds, `undefined` for a ping that was not answered. */
export function summarize(latencies: readonly (number | undefined)[]): LatencySummary {
  const answered = latencies.filter((ms) => ms !== undefined);
  const count = answered.length;
  const common = { total: latencies.length, successful: count };
  if (count === 0) {
    return { ...common, minMs: undefined, avgMs: undefined, maxMs: undefined, variance: undefined };
  }
  const avgMs = answered.reduce((sum, ms) => sum + ms, 0) / count;
  const squares = answered.reduce((sum, ms) => sum + ((ms - avgMs) / MS_PER_SECOND) ** 2, 0);
  return {
    ...common,
    minMs: Math.min(...answered),
    avgMs,
    maxMs: Math.max(...answered),
    variance: count === 1 ? undefined : squares / (count - 1),
  };
}

/**
 * Which region to be at home in: the nearest by measured latency and the map's scores (coder/tailscale `netcheck.go`), the
 * deployment's own before anything is measured, the next best when one turns out not to be reachable.
 */
import { type DerpMap, type DerpRegion, relayRegions } from "./derp_map.ts";

export class HomeChoice {
  #latencies: ReadonlyMap<number, number> = new Map();
  readonly #unreachable = new Set<number>();

  /** Milliseconds to each region that answered. */
  setLatencies(latencies: ReadonlyMap<number, number>): void {
    this.#latencies = latencies;
  }

  /** The region's relay let nobody in. */
  markUnreachable(region: number): void {
    this.#unreachable.add(region);
  }

  /** Every region gets its chance again. */
  forgetFailures(): void {
    this.#unreachable.clear();
  }

  /** The best region of `map`; `undefined` when none is left. */
  bestOf(map: DerpMap): number | undefined {
    const candidates = relayRegions(map).filter((region) => !this.#unreachable.has(region.id));
    let best: DerpRegion | undefined;
    let bestScore = Infinity;
    for (const region of candidates) {
      const latencyMs = this.#latencies.get(region.id);
      if (latencyMs === undefined) continue;
      const score = latencyMs * (map.regionScore.get(region.id) ?? 1);
      if (score < bestScore) [best, bestScore] = [region, score];
    }
    return (best ?? candidates.find((region) => region.embeddedRelay) ?? candidates[0])?.id;
  }
}

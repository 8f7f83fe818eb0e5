/** The silence of an agent as somebody else told it, who counts the time: it goes on, or lies further back, with each moment. */
import type { Instant } from "../base/core.ts";
import type { TunnelSilence } from "../base/tunnel.ts";

export class ToldSilence {
  #told: { readonly silence: TunnelSilence; readonly at: Instant } | undefined;
  readonly #handlers = new Set<() => void>();

  handle(silence: TunnelSilence, now: Instant): void {
    this.#told = { silence, at: now };
    for (const handler of [...this.#handlers]) handler();
  }

  now(now: Instant): TunnelSilence | undefined {
    if (this.#told === undefined) return undefined;
    const { silence: { lastedMs, endedAgoMs, status }, at } = this.#told;
    const sinceMs = now - at;
    return endedAgoMs === undefined
      ? { lastedMs: lastedMs + sinceMs, endedAgoMs, status }
      : { lastedMs, endedAgoMs: endedAgoMs + sinceMs, status };
  }

  onChange(handler: () => void): () => void {
    this.#handlers.add(handler);
    return () => this.#handlers.delete(handler);
  }
}

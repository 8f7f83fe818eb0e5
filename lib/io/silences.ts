/** The agent's silences as commands ask for them: the one that goes on, or the last, and who wants to hear of it. */
import type { Instant } from "../base/core.ts";
import type { TunnelSilence, TunnelStatus } from "../base/tunnel.ts";

export class Silences {
  #last: { readonly since: Instant; readonly until: Instant | undefined } | undefined;
  readonly #handlers = new Set<() => void>();

  begin(since: Instant): void {
    this.#last = { since, until: undefined };
    this.#tell();
  }

  end(since: Instant, now: Instant): void {
    this.#last = { since, until: now };
    this.#tell();
  }

  /** Takes a silence as somebody else told it, who counted until `now`. */
  handleTold({ lastedMs, endedAgoMs }: TunnelSilence, now: Instant): void {
    const until = endedAgoMs === undefined ? undefined : now - endedAgoMs;
    this.#last = { since: (until ?? now) - lastedMs, until };
    this.#tell();
  }

  /** As `AgentTunnel.silence`. */
  at(now: Instant, status: TunnelStatus): TunnelSilence | undefined {
    if (this.#last === undefined) return undefined;
    const { since, until } = this.#last;
    return {
      lastedMs: (until ?? now) - since,
      endedAgoMs: until === undefined ? undefined : now - until,
      status,
    };
  }

  /** As `AgentTunnel.onSilence`. */
  onChange(handler: () => void): () => void {
    this.#handlers.add(handler);
    return () => this.#handlers.delete(handler);
  }

  #tell(): void {
    for (const handler of [...this.#handlers]) handler();
  }
}

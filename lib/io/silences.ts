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

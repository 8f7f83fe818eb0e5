/** A tunnel of which no more is asked than whether the workspace answers. */
import type { AgentTunnel, TunnelSilence } from "../../lib/base/tunnel.ts";

export class SilentTunnel implements Pick<AgentTunnel, "silence" | "onSilence"> {
  last: TunnelSilence | undefined;
  readonly handlers = new Set<() => void>();

  silence(): TunnelSilence | undefined {
    return this.last;
  }

  onSilence(handler: () => void): () => void {
    this.handlers.add(handler);
    return () => this.handlers.delete(handler);
  }

  /** A silence begins or ends. */
  tell(silence: TunnelSilence): void {
    this.last = silence;
    for (const handler of [...this.handlers]) handler();
  }
}

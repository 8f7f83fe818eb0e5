/** A tunnel of our own, which, once it stands, leaves another one to those who come next. */
import type { DatagramFlow } from "../base/datagrams.ts";
import { ExpectedError } from "../base/errors.ts";
import type { HostClock } from "../base/host.ts";
import type { Log } from "../base/log.ts";
import type { ByteStream } from "../base/stream.ts";
import {
  type AgentTrace,
  type AgentTunnel,
  type PingResult,
  type TunnelDiagnostics,
  TunnelError,
  type TunnelSilence,
  type TunnelStatus,
  type TunnelTraffic,
} from "../base/tunnel.ts";
import { Alarm } from "./alarm.ts";
import type { StartSignals } from "./holder_process.ts";

export interface LeavingOptions {
  readonly clock: HostClock;
  readonly log: Log;
  /** Rejects with `ExpectedError`, or the reason of a signal. */
  readonly leave: (signals: StartSignals) => Promise<void>;
}

/** Somebody who comes and goes leaves one as well: so long it may take to tell the other process what to hold. */
const TELL_MS = 500;

/** Why leaving is given up; thrown to itself. */
class Closing extends ExpectedError {
  override name = "Closing";
}

export class LeavingTunnel implements AgentTunnel {
  readonly #tunnel: AgentTunnel;
  readonly #clock: HostClock;
  readonly #unheard = new AbortController();
  readonly #untold = new AbortController();
  readonly #leaving: Promise<void>;

  constructor(tunnel: AgentTunnel, options: LeavingOptions) {
    this.#tunnel = tunnel;
    this.#clock = options.clock;
    this.#leaving = this.#leave(options);
    this.#leaving.catch(() => {}); // told by `close`
  }

  get refused(): Promise<TunnelError> {
    return this.#tunnel.refused;
  }

  get traffic(): TunnelTraffic {
    return this.#tunnel.traffic;
  }

  reachable(signal?: AbortSignal): Promise<void> {
    return this.#tunnel.reachable(signal);
  }

  openTcp(port: number, signal?: AbortSignal): Promise<ByteStream> {
    return this.#tunnel.openTcp(port, signal);
  }

  openUdp(port: number, signal?: AbortSignal): Promise<DatagramFlow> {
    return this.#tunnel.openUdp(port, signal);
  }

  ping(timeoutMs?: number): Promise<PingResult | undefined> {
    return this.#tunnel.ping(timeoutMs);
  }

  status(): TunnelStatus {
    return this.#tunnel.status();
  }

  silence(): TunnelSilence | undefined {
    return this.#tunnel.silence();
  }

  onSilence(handler: () => void): () => void {
    return this.#tunnel.onSilence(handler);
  }

  diagnostics(): Promise<TunnelDiagnostics> {
    return this.#tunnel.diagnostics();
  }

  trace(): AgentTrace | undefined {
    return this.#tunnel.trace?.();
  }

  relayLatencies(): Readonly<Record<string, number>> {
    return this.#tunnel.relayLatencies();
  }

  async close(): Promise<void> {
    this.#unheard.abort(new Closing());
    const limit = new Alarm(this.#clock, TELL_MS, () => this.#untold.abort(new Closing()));
    try {
      await Promise.all([this.#tunnel.close(), this.#leaving]);
    } finally {
      await limit.stop();
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #leave({ log, leave }: LeavingOptions): Promise<void> {
    try {
      await this.#tunnel.reachable(this.#unheard.signal);
      await leave({ untold: this.#untold.signal, unheard: this.#unheard.signal });
      log.info("a tunnel is left to those who come next");
    } catch (error) {
      if (error instanceof Closing) return;
      if (!(error instanceof ExpectedError)) throw error;
      // Why there is no tunnel at all is told by whoever waits for it.
      if (!(error instanceof TunnelError)) {
        log.info("no tunnel is left", { problem: error.message });
      }
    }
  }
}

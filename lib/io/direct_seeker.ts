/**
 * When a tunnel begins to look for a way without a relay: once it carries data, so that neither the first byte nor the
 * modules on the way to it wait for what only makes it faster.
 */
import type { Clock } from "../base/core.ts";
import type { Log } from "../base/log.ts";
import type { AgentSession } from "../tailnet/agent_session.ts";
import type { AgentSessionEvent } from "../tailnet/agent_session_events.ts";
import type { DirectDriver } from "./direct_driver.ts";
import type { NodeDriver } from "./node_driver.ts";

export interface DirectSeekerOptions {
  readonly session: AgentSession;
  readonly driver: NodeDriver<AgentSessionEvent>;
  readonly clock: Clock;
  readonly log: Log;
}

/** After the first bytes from the agent: whoever waited for them gets its turn. */
const AFTER_DATA_MS = 150;
/** After somebody began to use the tunnel, when no bytes come. One that nobody uses seeks nothing. */
const AFTER_USE_MS = 1_000;

export class DirectSeeker {
  readonly #options: DirectSeekerOptions;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #beginning: Promise<void> | undefined;
  #hasData = false;
  #isClosed = false;
  #direct: DirectDriver | undefined;

  constructor(options: DirectSeekerOptions) {
    this.#options = options;
  }

  /** Somebody uses the tunnel, which stands. */
  handleUsed(): void {
    if (this.#timer === undefined) this.#beginAfter(AFTER_USE_MS);
  }

  /** Bytes came from the agent, or its answer to a ping. */
  handleData(): void {
    if (this.#hasData) return;
    this.#hasData = true;
    this.#beginAfter(AFTER_DATA_MS);
  }

  /** Looks a STUN server's name up. */
  resolve(host: string): void {
    this.#direct?.resolve(host);
  }

  /** Begins no more; resolves when nothing runs that is not the driver's to end. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#beginning;
  }

  #beginAfter(ms: number): void {
    if (this.#beginning !== undefined || this.#isClosed) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#beginning = this.#begin().catch((error: unknown) => this.#options.driver.fail(error));
    }, ms);
  }

  async #begin(): Promise<void> {
    const { session, driver, clock, log } = this.#options;
    const { DirectDriver } = await import("./direct_driver.ts");
    if (this.#isClosed) return;
    this.#direct = new DirectDriver({
      node: session.node,
      use: (make, now) => session.useDirect(make, now),
      clock,
      log,
      onTurn: () => driver.turn(),
      onFault: (error) => driver.fail(error),
    });
    driver.attach(this.#direct);
  }
}

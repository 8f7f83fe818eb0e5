/**
 * What is begun over a tunnel while the deployment is still being asked. It is held back until the deployment has confirmed that very
 * tunnel, and given up at any other answer: what is remembered begins things and decides nothing.
 */
import { untilAborted } from "../../base/abort.ts";
import { ExpectedError } from "../../base/errors.ts";
import type { HostClock } from "../../base/host.ts";
import type { Log } from "../../base/log.ts";
import type { AgentTunnel } from "../../base/tunnel.ts";
import { sayGoodbye } from "./goodbye.ts";

/** Begun longer ago than this it is given up: a deployment that takes so long has something else to say. */
const HOLD_MS = 5_000;

/** Something that can be over before anybody takes it. */
export interface Endable {
  readonly closed: Promise<unknown>;
}

export interface EarlyOptions<Value extends Endable> {
  /** Rejects with `ExpectedError`, or the signal's reason. */
  readonly begin: (tunnel: AgentTunnel, signal: AbortSignal) => Promise<Value>;
  /** Gives up what nobody takes. */
  readonly discard: (value: Value) => void;
  readonly clock: HostClock;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** As whoever connects sees it. */
export interface EarlyStart {
  /** The tunnel has begun; one that was told before is not it any more. */
  begin(tunnel: AgentTunnel): void;
  /** Nothing is remembered: the tunnel begins when the deployment has answered, and no other run has left one. */
  beginLater(): void;
  /** The deployment says something else than that the workspace runs: nothing is begun any more. Idempotent. */
  giveUp(): void;
  /** Gives up, and waits until the agent has heard of it, or might have. */
  close(): Promise<void>;
}

interface Held<Value> {
  readonly tunnel: AgentTunnel;
  readonly value: Promise<Value>;
  readonly scope: AbortController;
  /** Aborted when the time to hold it does not matter any more. */
  readonly settled: AbortController;
  isOver: boolean;
}

/** Why it is not waited for any more; thrown to itself. */
class GivenUp extends ExpectedError {
  override name = "GivenUp";
}

const HAS_NOT_COME = false;
const NOTHING = Promise.resolve(HAS_NOT_COME);

export class Early<Value extends Endable> implements Omit<EarlyStart, "beginLater">, Disposable {
  readonly #options: EarlyOptions<Value>;
  #held: Held<Value> | undefined;
  #came: Promise<boolean> = NOTHING;
  #isGivenUp = false;

  constructor(options: EarlyOptions<Value>) {
    this.#options = options;
  }

  /** Whether something came of what was begun last; never rejects. */
  get came(): Promise<boolean> {
    return this.#came;
  }

  begin(tunnel: AgentTunnel): void {
    if (this.#isGivenUp) return;
    this.#drop();
    const scope = new AbortController();
    const { signal } = this.#options;
    const value = this.#options.begin(tunnel, AbortSignal.any([signal, scope.signal]));
    const settled = new AbortController();
    const held: Held<Value> = { tunnel, value, scope, settled, isOver: false };
    const end = () => held.isOver = true;
    value.then((it) => it.closed.then(end), end);
    this.#came = value.then(() => true, () => false);
    this.#held = held;
    this.#limit(held).catch(() => {}); // settled before
  }

  /**
   * What was begun over the tunnel that was confirmed; `undefined` when there is nothing of use: then it is done as if nothing had been
   * begun. Rejects with the signal's reason.
   */
  async take(tunnel: AgentTunnel, signal: AbortSignal): Promise<Value | undefined> {
    const held = this.#held;
    if (held?.tunnel !== tunnel || held.isOver) return undefined;
    this.#held = undefined;
    held.settled.abort();
    try {
      const value = await untilAborted(held.value, signal);
      if (!held.isOver) return value;
    } catch (error) {
      if (signal.aborted || !(error instanceof ExpectedError)) {
        this.#discard(held);
        throw error;
      }
      this.#options.log.debug("nothing came of an early start", { error: error.message });
    }
    this.#discard(held);
    return undefined;
  }

  giveUp(): void {
    this.#isGivenUp = true;
    this.#drop();
  }

  async close(): Promise<void> {
    const held = this.#held;
    this.giveUp();
    if (held?.tunnel.status().step === "reachable") await sayGoodbye(this.#options, held.tunnel);
  }

  [Symbol.dispose](): void {
    this.giveUp();
  }

  async #limit(held: Held<Value>): Promise<void> {
    await this.#options.clock.sleep(HOLD_MS, held.settled.signal);
    if (this.#held === held) this.giveUp();
  }

  #drop(): void {
    const held = this.#held;
    this.#held = undefined;
    if (held !== undefined) this.#discard(held);
  }

  #discard({ value, scope, settled }: Held<Value>): void {
    settled.abort();
    scope.abort(new GivenUp("Nobody waits for it any more"));
    value.then((it) => this.#options.discard(it), () => {});
  }
}

/** Something that happens after a while, unless it is called off; and work that must be done before then. */
import { ExpectedError } from "../base/errors.ts";
import type { HostClock } from "../base/host.ts";

type Sleeper = Pick<HostClock, "sleep">;

/** What was waited for did not come in time. */
export class TooLate extends ExpectedError {
  override name = "TooLate";
}

export class Alarm {
  readonly #off = new AbortController();
  readonly #over: Promise<void>;

  constructor(clock: Sleeper, ms: number, ring: () => void) {
    this.#over = this.#wait(clock, ms, ring);
  }

  /** It will not ring any more. Idempotent. */
  async stop(): Promise<void> {
    this.#off.abort();
    await this.#over;
  }

  async #wait(clock: Sleeper, ms: number, ring: () => void): Promise<void> {
    try {
      await clock.sleep(ms, this.#off.signal);
    } catch (error) {
      if (this.#off.signal.aborted) return;
      throw error;
    }
    ring();
  }
}

export interface WithinOptions {
  readonly clock: Sleeper;
  readonly ms: number;
  /** Of whom nothing comes in time: the beginning of a sentence. */
  readonly who: string;
  /** Called once when it takes more than a part of the time. */
  readonly onSlow?: (() => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The time passes in so many parts. */
const PARTS = 4;

/**
 * What `work` gives, whose signal is raised, with `TooLate` or the other signal's reason, for it to reject with. Time in which
 * this process could not run counts little, for it could not have heard an answer either: a part of it at most each time.
 */
export async function within<Value>(
  { clock, ms, who, onSlow, signal }: WithinOptions,
  work: (signal: AbortSignal) => Promise<Value>,
): Promise<Value> {
  const late = new AbortController();
  const startPart = (left: number): Alarm =>
    new Alarm(clock, ms / PARTS, () => {
      if (left === PARTS) onSlow?.();
      if (left > 1) alarm = startPart(left - 1);
      else late.abort(new TooLate(`${who} does not answer within ${ms} ms`));
    });
  let alarm = startPart(PARTS);
  const either = signal === undefined ? late.signal : AbortSignal.any([late.signal, signal]);
  try {
    return await work(either);
  } finally {
    await alarm.stop();
  }
}

/** How long somebody has not answered. */
import type { Instant } from "../../base/core.ts";
import type { HostClock } from "../../base/host.ts";

/** Time in which nothing came back, as far as we were awake: a sleep of the machine ends no session. */
export class Silence {
  readonly #maxStepMs: number;
  #silentMs = 0;
  #lastFailureAt: Instant | undefined;

  /** `maxStepMs`: more than there may be between two observations; time beyond it passed without us, asleep or stopped. */
  constructor(maxStepMs: number) {
    this.#maxStepMs = maxStepMs;
  }

  /** Takes in what came of a ping that ended at `now`; milliseconds since the first that failed. */
  observe(isAnswered: boolean, now: Instant): number {
    const stepMs = now - (this.#lastFailureAt ?? now);
    this.#silentMs = isAnswered ? 0 : this.#silentMs + Math.min(stepMs, this.#maxStepMs);
    this.#lastFailureAt = isAnswered ? undefined : now;
    return this.#silentMs;
  }
}

/** What a question comes to within `limitMs`; `undefined` when nothing did. Rejects with the signal's reason. */
export async function answerWithin<Answer>(
  limitMs: number,
  question: Promise<Answer | undefined>,
  options: { readonly clock: HostClock; readonly signal: AbortSignal },
): Promise<Answer | undefined> {
  const answered = new AbortController();
  const stop = AbortSignal.any([answered.signal, options.signal]);
  const limit = options.clock.sleep(limitMs, stop).then(() => undefined);
  try {
    return await Promise.race([question, limit]);
  } finally {
    answered.abort();
  }
}

/** What every step of getting a workspace ready is given, and how one is tried again in the open (docs/protocol/ssh.md#retries). */
import type { Log } from "../../base/log.ts";
import type { CoderClient } from "../../coder/client.ts";
import { describe, StepError } from "../../coder/errors.ts";
import { withRetries } from "../../coder/retry.ts";
import type { Host } from "../../base/host.ts";
import type { Progress } from "../terminal/progress.ts";
import { StageWriter } from "../terminal/stages.ts";

export interface Steps {
  readonly host: Host;
  readonly client: CoderClient;
  readonly progress: Progress;
  readonly stages: StageWriter;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** Puts the steps' surroundings together. */
export function createSteps(parts: Omit<Steps, "stages">): Steps {
  const { host, progress, client } = parts;
  return { ...parts, stages: new StageWriter(host, progress, () => client.serverVersion) };
}

/** What `work` gives. What fails is told as failed in the step `what`, unless it was called off. */
export async function inStep<T>(
  signal: AbortSignal,
  what: string,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (signal.aborted) throw error;
    throw new StepError(what, error);
  }
}

/** Tries `attempt` as often as the policy allows; each pause is shown, and logged. */
export async function retrying<T>(steps: Steps, attempt: () => Promise<T>): Promise<T> {
  const { host, client, progress, log, signal } = steps;
  return await withRetries(attempt, {
    now: () => host.clock.now(),
    sleep: (ms, stop) => host.clock.sleep(ms, stop),
    hasAnswered: () => client.hasAnswered,
    onRetry: (error, delayMs) => {
      const reason = describe(error).split("\n", 1)[0] ?? "";
      log.warn("transient error, retrying", { error: reason });
      progress.line(`${reason}; trying again in ${Math.round(delayMs / 1_000)}s`);
    },
    signal,
  });
}

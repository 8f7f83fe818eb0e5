/** What is said of a workspace that does not answer where no screen of a program is in the way: as of any other wait, and taken back. */
import { untilAborted } from "../../base/abort.ts";
import { formatElapsed } from "../../base/duration.ts";
import type { AgentTunnel, TunnelSilence } from "../../base/tunnel.ts";
import type { Steps } from "../ready/steps.ts";
import { silenceHead, withStatus } from "./silence_line.ts";

export interface SilenceWaitOptions {
  readonly tunnel: Pick<AgentTunnel, "silence" | "onSilence">;
  /** Its name. */
  readonly workspace: string;
}

const RENEW_MS = 1_000;

/** Begins to say it; disposing the result ends that. */
export function sayingSilences(
  steps: Pick<Steps, "host" | "progress">,
  options: SilenceWaitOptions,
): AsyncDisposable {
  const scope = new AbortController();
  const saying = saySilences(steps, options, scope.signal).catch((error: unknown) => {
    if (!scope.signal.aborted) throw error;
  });
  saying.catch(() => {}); // told by whoever disposes of it
  return {
    async [Symbol.asyncDispose]() {
      scope.abort();
      await saying;
    },
  };
}

async function saySilences(
  { host: { clock }, progress }: Pick<Steps, "host" | "progress">,
  { tunnel, workspace }: SilenceWaitOptions,
  signal: AbortSignal,
): Promise<never> {
  for (;;) {
    const silence = goingOn(tunnel);
    if (silence === undefined) {
      await untilChanged(tunnel, signal);
      continue;
    }
    // Once: the difference of two clocks is not the same each second.
    const head = silenceHead(silence, { clock, workspace });
    await progress.during(withStatus(head, silence.status), async (wait) => {
      for (let now = goingOn(tunnel); now !== undefined; now = goingOn(tunnel)) {
        wait.now(withStatus(head, now.status));
        const renewed = new AbortController();
        const stop = AbortSignal.any([signal, renewed.signal]);
        const changed = untilChanged(tunnel, stop);
        await Promise.race([changed, clock.sleep(RENEW_MS, stop)]).finally(() => {
          renewed.abort();
          return changed.catch(() => {}); // told by the race
        });
      }
    }, { ageMs: silence.lastedMs });
    const { lastedMs = 0 } = tunnel.silence() ?? {};
    // On a terminal the line is gone, and that says it.
    if (!progress.isTerminal) {
      progress.line(`"${workspace}" answers again, after ${formatElapsed(lastedMs)}`);
    }
  }
}

function goingOn(tunnel: SilenceWaitOptions["tunnel"]): TunnelSilence | undefined {
  const silence = tunnel.silence();
  return silence?.endedAgoMs === undefined ? silence : undefined;
}

/** Resolves when a silence begins or ends. Rejects with the signal's reason. */
async function untilChanged(
  tunnel: SilenceWaitOptions["tunnel"],
  signal: AbortSignal,
): Promise<void> {
  const changed = Promise.withResolvers<void>();
  const stop = tunnel.onSilence(() => changed.resolve());
  try {
    await untilAborted(changed.promise, signal);
  } finally {
    stop();
  }
}

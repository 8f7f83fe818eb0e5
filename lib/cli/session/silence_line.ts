/** What an interactive session shows while the workspace does not answer: since when, what is waited for, and how to leave. */
import type { AgentTunnel, TunnelSilence, TunnelStatus } from "../../base/tunnel.ts";
import { formatElapsed } from "../../base/duration.ts";
import type { HostClock } from "../../base/host.ts";
import { stripToLine } from "../../coder/text.ts";
import { formatEscapeChar } from "../../ssh/escape.ts";
import type { TerminalSessionOptions } from "../../ssh/terminal_session.ts";
import { waitWords } from "../ready/tunnel_words.ts";
import { localTime } from "../terminal/local_time.ts";
import type { Progress } from "../terminal/progress.ts";

export interface SilenceLineOptions {
  readonly tunnel: Pick<AgentTunnel, "silence" | "onSilence">;
  readonly clock: HostClock;
  readonly progress: Progress;
  readonly workspace: string;
  readonly escapeChar: number | "none";
}

const RENEW_MS = 1_000;

/** The line of a session over `tunnel`, there as long as a silence lasts. */
export function silenceLine(
  options: SilenceLineOptions,
): NonNullable<TerminalSessionOptions["statusLine"]> {
  const { tunnel, clock, progress } = options;
  return (show) => {
    const scope = new AbortController();
    const { signal } = scope;
    let isTicking = false;
    /** Whether there is anything to show. */
    const renew = (): boolean => {
      const silence = tunnel.silence();
      const isOver = silence === undefined || silence.endedAgoMs !== undefined;
      show(isOver ? undefined : silenceWords(silence, options));
      return !isOver;
    };
    const tick = async () => {
      if (isTicking) return;
      isTicking = true;
      try {
        while (renew()) await clock.sleep(RENEW_MS, signal);
      } catch (error) {
        if (!signal.aborted) throw error;
      } finally {
        isTicking = false;
      }
    };
    const stops = [
      // Whatever is printed among the session's output, the line makes way for it, and is back with its next second.
      progress.onPrint(() => show(undefined)),
      tunnel.onSilence(() => isTicking ? void renew() : void tick()),
    ];
    void tick();
    return () => {
      scope.abort();
      for (const stop of stops) stop();
    };
  };
}

/** One line, the most important first: a narrow terminal shows no more than that. */
export function silenceWords(
  silence: TunnelSilence,
  { clock, workspace, escapeChar }: Pick<SilenceLineOptions, "clock" | "workspace" | "escapeChar">,
): string {
  const { lastedMs, status } = silence;
  const leave = escapeChar === "none" ? "" : `, Enter ${formatEscapeChar(escapeChar)}. leaves`;
  const head = silenceHead(silence, { clock, workspace });
  return withStatus(`${head} (${formatElapsed(lastedMs)})${leave}`, status);
}

/** Who does not answer, and since when. */
export function silenceHead(
  { lastedMs }: TunnelSilence,
  { clock, workspace }: Pick<SilenceLineOptions, "clock" | "workspace">,
): string {
  const since = localTime(clock, clock.wallMs() - lastedMs).slice(11, 19);
  return `No answer from "${workspace}" since ${since}`;
}

/** The same with what is waited for. */
export function withStatus(head: string, status: TunnelStatus): string {
  return stripToLine(`${head}; waiting for ${waitWords(status)}`);
}

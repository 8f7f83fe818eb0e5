/** Shows a notice on the desktop, or on the terminal where there is none. Never fails: the session matters more. */
import { messageOf } from "../../../base/errors.ts";
import type { Log } from "../../../base/log.ts";
import { type Host, HostError } from "../../../base/host.ts";
import { type NotifierCall, notifierCalls } from "./notifiers.ts";
import type { Notice } from "./notices.ts";

/** A notification service that hangs must not keep the next notice. */
const PROGRAM_LIMIT_MS = 10_000;
const MAX_OUTPUT_BYTES = 4_096;

export interface ShowOptions {
  readonly log: Log;
  /** Prints a line among the session's output, with a bell. */
  readonly print: (text: string) => void;
  readonly signal: AbortSignal;
}

/** Where the notice went. */
export type NoticePlace = "desktop" | "terminal" | "nowhere";

/** Tries the desktop, then the terminal behind stderr. Rejects only with the signal's reason. */
export async function showNotice(
  host: Host,
  notice: Notice,
  options: ShowOptions,
): Promise<NoticePlace> {
  for (const call of notifierCalls(host, notice)) {
    if (await runNotifier(host, call, options)) return "desktop";
  }
  if (!host.stderr.isTerminal) return "nowhere";
  options.print(notice.body);
  return "terminal";
}

async function runNotifier(
  host: Host,
  call: NotifierCall,
  options: ShowOptions,
): Promise<boolean> {
  const { log, signal } = options;
  const { program, args, env = {} } = call;
  const limit = new AbortController();
  const done = new AbortController();
  const watchdog = host.clock.sleep(PROGRAM_LIMIT_MS, done.signal).then(
    () => limit.abort(new DOMException("no answer in time", "TimeoutError")),
    () => {}, // it ended first
  );
  try {
    const { code } = await host.run(program, args, {
      env,
      maxOutputBytes: MAX_OUTPUT_BYTES,
      signal: AbortSignal.any([signal, limit.signal]),
    });
    if (code !== 0) log.debug("notifier failed", { program, code });
    return code === 0;
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof HostError) && !limit.signal.aborted) throw error;
    log.debug("notifier failed", { program, error: messageOf(error) });
    return false;
  } finally {
    done.abort();
    await watchdog;
  }
}

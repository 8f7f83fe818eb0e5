/**
 * When people are told that their workspace is about to stop (docs/protocol/ssh.md#autostop-notice, docs/protocol/api.md#autostop-fields), as a core over wall-clock
 * time: half an hour ahead, and again in the last minute. The deadline alone counts, also without a `ttl_ms`: a template
 * can stop workspaces by itself, which the official command is silent about.
 */
import { Deadlines, earlier } from "../../../base/deadlines.ts";
import { stripToLine } from "../../../coder/text.ts";

export interface Notice {
  readonly title: string;
  readonly body: string;
}

/** Milliseconds since 1970. */
type WallMs = number;

type Timer =
  /** When to say that the workspace stops soon. */
  | "soon"
  /** When to say that it stops any time now. */
  | "now";

const MINUTE_MS = 60_000;
/** A deadline that a server moves to and fro all the time is told no more often than this. */
const MIN_GAP_MS = MINUTE_MS / 2;
const LEAD_MS: Readonly<Record<Timer, number>> = { soon: 30 * MINUTE_MS, now: MINUTE_MS };

export class AutostopNotices {
  readonly #timers = new Deadlines<Timer>();
  readonly #due = new Set<Timer>();
  #name = "";
  #deadlineMs: WallMs | undefined;
  #shownAt: WallMs | undefined;

  /**
   * Should be called with each state of the workspace that was seen; `undefined` for no deadline. A deadline that moved
   * arms anew what it made untrue: both notices when it comes earlier, or when it takes a last-minute notice back; else
   * those that lie ahead again. A deadline that activity keeps pushing must not be announced at each push.
   */
  handleDeadline(workspaceName: string, deadlineMs: WallMs | undefined, nowMs: WallMs): void {
    this.#name = stripToLine(workspaceName);
    const before = this.#deadlineMs;
    this.#deadlineMs = deadlineMs === undefined
      ? undefined
      : Math.floor(deadlineMs / MINUTE_MS) * MINUTE_MS;
    if (this.#deadlineMs === before) return;
    if (this.#deadlineMs === undefined) {
      this.#timers.clearAll();
      this.#due.clear();
      return;
    }
    const wasLastMinute = before !== undefined && !this.#timers.has("now");
    const isNews = before === undefined || this.#deadlineMs < before || wasLastMinute;
    for (const timer of ["soon", "now"] as const) {
      const at = this.#deadlineMs - LEAD_MS[timer];
      if (!isNews && at <= nowMs && !this.#timers.has(timer)) continue;
      this.#timers.set(timer, at);
      this.#due.delete(timer);
    }
  }

  handleTimeout(nowMs: WallMs): void {
    for (let due = this.#timers.pop(nowMs); due !== undefined; due = this.#timers.pop(nowMs)) {
      // One notice is enough for whoever connects in the last minute.
      if (due === "now") this.#due.clear();
      this.#due.add(due);
    }
  }

  /** What must be shown now. Its number of minutes is that of `nowMs`. */
  pollNotice(nowMs: WallMs): Notice | undefined {
    const [due] = this.#due;
    if (due === undefined || this.#deadlineMs === undefined) return undefined;
    // A clock that was set back must not silence the next one.
    if (
      this.#shownAt !== undefined && nowMs >= this.#shownAt && nowMs < this.#shownAt + MIN_GAP_MS
    ) {
      return undefined;
    }
    this.#due.delete(due);
    this.#shownAt = nowMs;
    return noticeOf(this.#name, this.#deadlineMs - nowMs);
  }

  /** The wall-clock instant of the next notice. */
  pollTimeout(): WallMs | undefined {
    const next = this.#timers.next();
    return this.#due.size === 0 || this.#shownAt === undefined
      ? next
      : earlier(next, this.#shownAt + MIN_GAP_MS);
  }
}

/** The official command's texts. `name` is one line. */
export function noticeOf(name: string, remainingMs: number): Notice {
  if (remainingMs <= LEAD_MS.now) {
    return {
      title: `Workspace ${name} stopping!`,
      body: `Your Coder workspace ${name} is stopping any time now!`,
    };
  }
  const minutes = Math.round(remainingMs / MINUTE_MS);
  return {
    title: `Workspace ${name} stopping soon`,
    body: `Your Coder workspace ${name} is scheduled to stop in ${minutes} mins`,
  };
}

/**
 * What people see while they wait, on stderr: lines that stay, and no silent wait. On a terminal a spinner with the time
 * passed; elsewhere a plain line once a wait is older than two seconds, and again ever more seldom.
 */
import { formatElapsed } from "../../base/duration.ts";
import type { Instant } from "../../base/core.ts";
import { stripToLine } from "../../coder/text.ts";
import type { Host } from "../../base/host.ts";
import { type Color, COLORS, printNotice, printText } from "./print.ts";
import { FRAME_MS, renderSpinner } from "./spinner.ts";

/** A wait that ends sooner is not worth a flicker. */
const SPINNER_DELAY_MS = 300;
/** When a plain line says that the wait goes on; afterwards every minute. */
const NOTICES_MS = [2_000, 10_000, 30_000];
const NOTICE_EVERY_MS = 60_000;
const DEFAULT_COLUMNS = 80;
const CLEAR_LINE = "\r\x1b[K";

/** A wait under way. */
export interface Wait {
  /** Says what is being waited for now. The time shown goes on: people want to know how long they have waited. */
  now(what: string): void;
}

interface RunningWait {
  what: string;
  readonly since: Instant;
  /** When `what` came. */
  newAt: Instant;
  /** How often it was said, off a terminal. */
  notices: number;
}

export interface WaitOptions {
  /** How long it is waited already. @default 0 */
  readonly ageMs?: number;
}

export interface ProgressOptions {
  /** Treat stderr as a terminal. @default whether it is one */
  readonly isTerminal?: boolean;
}

export class Progress {
  readonly isTerminal: boolean;
  /** Whether lines may be coloured (https://no-color.org). */
  readonly useColor: boolean;
  readonly #host: Host;
  readonly #waits: RunningWait[] = [];
  #isDrawn = false;
  #makeWay: (() => void) | undefined;

  constructor(host: Host, options: ProgressOptions = {}) {
    this.#host = host;
    this.isTerminal = options.isTerminal ?? host.stderr.isTerminal;
    this.useColor = this.isTerminal && !host.env("NO_COLOR") && host.env("TERM") !== "dumb";
  }

  /** Calls `clear` before anything is printed, until the returned function is called: somebody else draws on this terminal. */
  onPrint(clear: () => void): () => void {
    this.#makeWay = clear;
    return () => {
      if (this.#makeWay === clear) this.#makeWay = undefined;
    };
  }

  /** Prints one line that stays, whatever is in the text: nothing of it is obeyed, nothing of it begins another line. */
  line(text: string): void {
    this.#clear();
    printText(this.#host.stderr, `${stripToLine(text)}\n`);
  }

  /** A line in the middle of what a program of the workspace may be drawing, with a bell. */
  notice(text: string): void {
    this.#clear();
    printNotice(this.#host.stderr, text);
  }

  /** A warning about how we were called, more lines of it, and upstream's empty line behind. */
  warning(text: string, more: readonly string[] = []): void {
    this.line(`WARN: ${text}`);
    for (const line of more) this.line(`  | ${line}`);
    this.#host.stderr.print("\r\n");
  }

  /** As `line`, in a colour where colours are wanted. */
  coloredLine(text: string, color: Color): void {
    if (!this.useColor) return this.line(text);
    this.#clear();
    this.#host.stderr.print(`\x1b[${COLORS[color]}m${stripToLine(text)}\x1b[0m\n`);
  }

  /**
   * Runs `body`, saying what is waited for as long as it takes, and for how long already. Waits may nest: the innermost is shown, with
   * the time of the outermost.
   */
  async during<T>(
    what: string,
    body: (wait: Wait) => Promise<T>,
    { ageMs = 0 }: WaitOptions = {},
  ): Promise<T> {
    const { clock } = this.#host;
    const newAt = clock.now();
    const since = this.#waits[0]?.since ?? newAt - ageMs;
    const running: RunningWait = { what: stripToLine(what), since, newAt, notices: 0 };
    this.#waits.push(running);
    const scope = new AbortController();
    const ticking = this.#tick(running, scope.signal);
    try {
      return await body({
        now: (text) => {
          const next = stripToLine(text);
          if (next === running.what) return;
          running.what = next;
          running.newAt = clock.now();
          running.notices = 0;
        },
      });
    } finally {
      scope.abort();
      this.#waits.splice(this.#waits.indexOf(running), 1);
      this.#clear();
      await ticking;
    }
  }

  async #tick(running: RunningWait, signal: AbortSignal): Promise<void> {
    const { clock } = this.#host;
    while (!signal.aborted) {
      try {
        const dueAt = running.newAt + noticeDue(running.notices);
        // Not longer than a second: meanwhile there may be another text.
        const untilDueMs = Math.min(Math.max(dueAt - clock.now(), FRAME_MS), 1_000);
        const pauseMs = this.isTerminal ? FRAME_MS : untilDueMs;
        await clock.sleep(pauseMs, signal);
      } catch (error) {
        if (signal.aborted) return;
        throw error;
      }
      if (running === this.#waits.at(-1)) this.#show(running, clock.now());
    }
  }

  #show(running: RunningWait, now: Instant): void {
    const { stderr } = this.#host;
    const elapsedMs = now - running.since;
    const ageMs = now - running.newAt;
    this.#makeWay?.();
    if (this.isTerminal) {
      if (elapsedMs < SPINNER_DELAY_MS) return;
      const columns = (stderr.size()?.columns ?? DEFAULT_COLUMNS) - 1;
      stderr.print(CLEAR_LINE + renderSpinner({ what: running.what, elapsedMs }, columns));
      this.#isDrawn = true;
    } else if (ageMs >= noticeDue(running.notices)) {
      while (ageMs >= noticeDue(running.notices)) running.notices++;
      printText(stderr, `... ${running.what} (${formatElapsed(elapsedMs)})\n`);
    }
  }

  #clear(): void {
    this.#makeWay?.();
    if (!this.#isDrawn) return;
    this.#host.stderr.print(CLEAR_LINE);
    this.#isDrawn = false;
  }
}

/** How long a wait must have had the same text for its `count`-th notice. */
function noticeDue(count: number): number {
  const last = NOTICES_MS.at(-1) ?? 0;
  return NOTICES_MS[count] ?? last + (count - NOTICES_MS.length + 1) * NOTICE_EVERY_MS;
}

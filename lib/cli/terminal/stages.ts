/**
 * Stages as the official command shows them, one renderer for builds and agents (docs/protocol/ssh.md#build-output, #waiting-for-the-agent): plain lines,
 * never redrawn.
 */
import type { Host } from "../../base/host.ts";
import { localTimeWithZone } from "./local_time.ts";
import type { Color } from "./print.ts";
import type { Progress } from "./progress.ts";

/** Levels of log lines, in the server's words. */
const HIDDEN_LEVELS: ReadonlySet<string> = new Set(["trace", "debug"]);
const COLOR_OF: ReadonlyMap<string, Color> = new Map([["warn", "yellow"], ["error", "red"]]);

export type StageEnd = "done" | "failed";

export class StageWriter {
  readonly #progress: Progress;
  readonly #host: Host;

  constructor(host: Host, progress: Progress) {
    this.#host = host;
    this.#progress = progress;
  }

  start(stage: string): void {
    this.#progress.line(`==> ⧗ ${stage}`);
  }

  end(stage: string, how: { readonly end: StageEnd; readonly durationMs: number }): void {
    const duration = `[${Math.max(0, Math.trunc(how.durationMs))}ms]`;
    this.#progress.line(`=== ${how.end === "done" ? "✔" : "✘"} ${stage} ${duration}`);
  }

  info(text: string): void {
    this.#progress.line(`==> ℹ︎ ${text}`);
  }

  /** Lines of a log or one of ours, each with the local time before it; without one when it is unknown. */
  log(text: string, options: { readonly atMs: number | undefined; readonly level: string }): void {
    const { atMs, level } = options;
    if (HIDDEN_LEVELS.has(level)) return;
    const before = atMs === undefined ? "" : `${localTimeWithZone(this.#host.clock, atMs)} `;
    const color = COLOR_OF.get(level);
    for (const line of text.split("\n")) {
      if (color === undefined) this.#progress.line(before + line);
      else this.#progress.coloredLine(before + line, color);
    }
  }

  /** A line of ours, stamped with the present. */
  notice(text: string, level = "info"): void {
    this.log(text, { atMs: this.#host.clock.wallMs(), level });
  }
}

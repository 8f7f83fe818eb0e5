/**
 * Stages as the official command shows them, one renderer for builds and agents (behaviour §1.3, §1.5): plain lines,
 * never redrawn.
 */
import type { Host } from "../../base/host.ts";
import { localTimeWithZone } from "./local_time.ts";
import type { Progress } from "./progress.ts";

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

  /** A line of a log or of ours, with the local time before it; the time is left out when unknown. */
  log(text: string, options: { readonly atMs: number | undefined; readonly level: string }): void {
    const { atMs, level } = options;
    const { clock } = this.#host;
    const colored = this.#color(text, level);
    this.#progress.line(
      atMs === undefined ? colored : `${localTimeWithZone(clock, atMs)} ${colored}`,
    );
  }

  /** A line of ours, stamped with the present. */
  notice(text: string, level = "info"): void {
    this.log(text, { atMs: this.#host.clock.wallMs(), level });
  }

  #color(text: string, level: string): string {
    if (!this.#progress.useColor) return text;
    if (level === "warn") return `\x1b[33m${text}\x1b[0m`;
    if (level === "error") return `\x1b[31m${text}\x1b[0m`;
    return text;
  }
}

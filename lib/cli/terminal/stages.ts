/**
 * Stages as the official command shows them, one renderer for builds and agents (docs/protocol/ssh.md#build-output, #waiting-for-the-agent): plain lines,
 * never redrawn. Builds of servers before v0.25 are told in the form of the command of that time.
 */
import type { Host } from "../../base/host.ts";
import { isEarly } from "../../base/version.ts";
import { localTimeWithZone } from "./local_time.ts";
import type { Color } from "./print.ts";
import type { Progress } from "./progress.ts";

/** Levels of log lines, in the server's words. */
const HIDDEN_LEVELS: ReadonlySet<string> = new Set(["trace", "debug"]);
const COLOR_OF: ReadonlyMap<string, Color> = new Map([["warn", "yellow"], ["error", "red"]]);

export type StageEnd = "done" | "failed";

/** A line in front of a stage, behind it, and before each line of its log. */
interface Form {
  readonly start: (stage: string) => string;
  readonly end: (words: string) => string;
  readonly margin: string | undefined;
}

const FORM: Form = {
  start: (stage) => `==> ⧗ ${stage}`,
  end: (words) => `=== ${words}`,
  margin: undefined,
};
/** coder/coder `cli/cliui/provisionerjob.go` at v0.24.0; logs had no time. */
const EARLY_FORM: Form = {
  start: (stage) => `> ⧗  ${stage} `,
  end: (words) => words,
  margin: "  ",
};

export class StageWriter {
  readonly #progress: Progress;
  readonly #host: Host;
  readonly #serverVersion: () => string | undefined;

  /** `serverVersion`: asked for each line, since nobody knows it before the server has answered. */
  constructor(host: Host, progress: Progress, serverVersion: () => string | undefined) {
    this.#host = host;
    this.#progress = progress;
    this.#serverVersion = serverVersion;
  }

  start(stage: string): void {
    this.#progress.line(this.#form.start(stage));
  }

  end(stage: string, how: { readonly end: StageEnd; readonly durationMs: number }): void {
    const duration = `[${Math.max(0, Math.trunc(how.durationMs))}ms]`;
    const mark = how.end === "done" ? "✔" : "✘";
    this.#progress.line(this.#form.end(`${mark} ${stage} ${duration}`));
  }

  info(text: string): void {
    this.#progress.line(`==> ℹ︎ ${text}`);
  }

  /** Lines of a log or one of ours, each with the local time before it; without one when it is unknown. */
  log(text: string, options: { readonly atMs: number | undefined; readonly level: string }): void {
    const { atMs, level } = options;
    if (HIDDEN_LEVELS.has(level)) return;
    const time = atMs === undefined ? "" : `${localTimeWithZone(this.#host.clock, atMs)} `;
    const before = this.#form.margin ?? time;
    const color = COLOR_OF.get(level);
    for (const line of text.split("\n")) {
      if (color === undefined) this.#progress.line(before + line);
      else this.#progress.coloredLine(before + line, color);
    }
  }

  get #form(): Form {
    return isEarly(this.#serverVersion()) ? EARLY_FORM : FORM;
  }

  /** A line of ours, stamped with the present. */
  notice(text: string, level = "info"): void {
    this.log(text, { atMs: this.#host.clock.wallMs(), level });
  }
}

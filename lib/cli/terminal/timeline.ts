/** The timeline of `-v` on stderr: each log record with the milliseconds since the process began. And two logs in one. */
import type { Instant } from "../../base/core.ts";
import type { Log, LogFields } from "../../base/log.ts";
import { stripToLine } from "../../coder/text.ts";
import type { HostClock } from "../../base/host.ts";
import { renderFields } from "./log_file.ts";
import type { Progress } from "./progress.ts";

export interface TimelineOptions {
  readonly clock: HostClock;
  readonly progress: Progress;
  /** When the process began. */
  readonly startedAt: Instant;
  /** @default none */
  readonly category?: string;
}

/** A log that prints `+   12ms net: message  key=value`. */
export function timelineLog(options: TimelineOptions): Log {
  const { clock, progress, startedAt, category = "" } = options;
  const write = (message: string, fields: LogFields = {}) => {
    const ms = String(Math.round(clock.now() - startedAt)).padStart(6);
    const name = category === "" ? "" : `${category}: `;
    progress.line(`+${ms}ms ${name}${stripToLine(message)}${renderFields(fields)}`);
  };
  return {
    debug: write,
    info: write,
    warn: write,
    error: write,
    child: (name) =>
      timelineLog({ ...options, category: category === "" ? name : `${category}.${name}` }),
  };
}

/** Hands every record to all of `logs`. */
export function teeLog(logs: readonly Log[]): Log {
  return {
    debug: (message, fields) => logs.forEach((log) => log.debug(message, fields)),
    info: (message, fields) => logs.forEach((log) => log.info(message, fields)),
    warn: (message, fields) => logs.forEach((log) => log.warn(message, fields)),
    error: (message, fields) => logs.forEach((log) => log.error(message, fields)),
    child: (name) => teeLog(logs.map((log) => log.child(name))),
  };
}

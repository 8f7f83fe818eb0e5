/**
 * How a command's failure is told, and its exit code (behaviour §1.14 [N]): what failed, what to do, no stack unless asked.
 * Everything printed was stripped of terminal escapes: half of it comes from servers.
 */
import { UserError } from "../../base/errors.ts";
import { ApiError, CanceledError, describe, StepError } from "../../coder/errors.ts";
import { goQuote, stripControls, stripToLine } from "../../coder/text.ts";
import { ExitError } from "./errors.ts";
import { type Host, HostError } from "../../base/host.ts";

export interface ReportOptions {
  /** The full name, e.g. `hawser ssh`. */
  readonly command: string;
  /** Adds request, causes and stack. */
  readonly verbose: boolean;
}

/** Prints what there is to say on stderr; the exit code. */
export function reportError(
  host: Pick<Host, "stderr">,
  thrown: unknown,
  options: ReportOptions,
): number {
  const text = renderError(thrown, options);
  if (text !== "") host.stderr.print(`${text}\n`);
  return exitCodeOf(thrown);
}

/** As a shell reports a program that SIGPIPE ended. */
const UNREAD_CODE = 141;

export function exitCodeOf(thrown: unknown): number {
  if (isUnread(thrown)) return UNREAD_CODE;
  return thrown instanceof ExitError || thrown instanceof UserError ? thrown.exitCode : 1;
}

/** The text of a failure without line end; empty when there is nothing to say. */
export function renderError(thrown: unknown, options: ReportOptions): string {
  const { command, verbose } = options;
  if (isSilent(thrown)) return "";
  if (thrown instanceof ExitError) return stripControls(thrown.message);
  const lines = [
    `Encountered an error running ${goQuote(command)}, see ${
      goQuote(`${command} --help`)
    } for more information`,
    `error: ${whatFailed(thrown, verbose)}`,
  ];
  const hint = hintOf(thrown);
  if (hint !== undefined) lines.push(stripToLine(hint));
  if (verbose) lines.push(...causes(thrown));
  return lines.join("\n");
}

/** Whoever read our output has gone, as `head` does when it has enough: no news for anybody. */
function isUnread(thrown: unknown): boolean {
  return thrown instanceof HostError && thrown.code === "broken-pipe";
}

/** Nobody reads us, or the wait was called off by the user or the system (behaviour §1.14: silent). */
function isSilent(thrown: unknown): boolean {
  return isUnread(thrown) || thrown instanceof CanceledError ||
    (thrown instanceof ExitError && thrown.message === "") ||
    (thrown instanceof DOMException && thrown.name === "AbortError");
}

function whatFailed(thrown: unknown, verbose: boolean): string {
  const { trace, last } = unwrap(thrown);
  if (!(last instanceof ApiError)) return describe(thrown);
  const lines: string[] = [];
  if (verbose) {
    lines.push(`${last.method} ${last.url}: unexpected status code ${last.status}`);
  }
  if (trace !== "") lines.push(`Trace=[${trace}]`);
  lines.push(last.apiMessage);
  if (last.validations.length > 0) {
    lines.push(`${last.validations.length} validation error(s) found`);
    for (const { field, detail } of last.validations) lines.push(`\t${field}: ${detail}`);
  }
  if (last.helper !== undefined) lines.push(`Suggestion: ${last.helper}`);
  if (last.detail !== "" && (verbose || last.helper === undefined)) lines.push(last.detail);
  return stripControls(lines.join("\n"));
}

/** The steps that failed, and what they failed of. */
function unwrap(thrown: unknown): { readonly trace: string; readonly last: unknown } {
  const steps: string[] = [];
  let last = thrown;
  while (last instanceof StepError && steps.length < 16) {
    if (last.message !== "") steps.push(last.message);
    last = last.cause;
  }
  return { trace: stripToLine(steps.join(": ")), last };
}

/** What to do, from the first in the chain that knows. */
function hintOf(thrown: unknown): string | undefined {
  let at = thrown;
  let isKnown = false;
  for (let depth = 0; depth < 16 && at instanceof Error; depth++) {
    if ((at instanceof UserError || at instanceof StepError) && at.hint !== undefined) {
      return at.hint;
    }
    isKnown ||= at instanceof UserError || at instanceof StepError || at instanceof ApiError;
    at = at.cause;
  }
  return isKnown ? undefined : "This is not supposed to happen: run it again with -v and report it";
}

function causes(thrown: unknown): string[] {
  const lines: string[] = [];
  let at = thrown;
  for (let depth = 0; depth < 16 && at instanceof Error; depth++) {
    const stack = at.stack ?? `${at.name}: ${at.message}`;
    lines.push(depth === 0 ? stack : `caused by ${stack}`);
    at = at.cause;
  }
  return lines.map(stripControls);
}

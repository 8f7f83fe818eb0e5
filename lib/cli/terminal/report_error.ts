/**
 * How a command's failure is told, and its exit code (docs/protocol/ssh.md#exit-codes-and-errors): what failed, what to do, no stack unless asked.
 * Half of the words come from servers: none of them is obeyed by the terminal, and what they say does not look like a line of ours.
 */
import { ExpectedError, isDefect, UserError } from "../../base/errors.ts";
import { ApiError, CanceledError, describe, StepError } from "../../coder/errors.ts";
import { goQuote, stripControls, stripToLine } from "../../coder/text.ts";
import { ExitError } from "./errors.ts";
import { type Host, HostError } from "../../base/host.ts";
import { printText } from "./print.ts";

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
  if (text !== "") printText(host.stderr, `${text}\n`);
  return exitCodeOf(thrown);
}

const MAX_CHAIN = 16;

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
  if (thrown instanceof ExitError) {
    return [block(thrown.message), ...thrown.details.map(stripToLine)].join("\n");
  }
  const lines = [
    `Encountered an error running ${goQuote(command)}, see ${
      goQuote(`${command} --help`)
    } for more information`,
    `error: ${whatFailed(thrown, verbose)}`,
    ...detailsOf(thrown).map(stripToLine),
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

/** Nobody reads us, or the wait was called off by the user or the system (docs/protocol/ssh.md#exit-codes-and-errors: silent). */
function isSilent(thrown: unknown): boolean {
  return isUnread(thrown) || thrown instanceof CanceledError || isAbort(thrown) ||
    (thrown instanceof ExitError && thrown.message === "");
}

/** A wait was called off by a signal. */
export function isAbort(thrown: unknown): boolean {
  return thrown instanceof DOMException && thrown.name === "AbortError";
}

function whatFailed(thrown: unknown, verbose: boolean): string {
  const { trace, last } = unwrap(thrown);
  if (!(last instanceof ApiError)) return block(describe(thrown));
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
  return lines.map(block).join("\n");
}

/** A text whose lines behind the first are indented, unless they are already: no other line of ours begins with a space. */
function block(text: string): string {
  const [first = "", ...rest] = stripControls(text).split("\n");
  return [first, ...rest.map((line) => /^(?:\s|$)/.test(line) ? line : `  ${line}`)].join("\n");
}

/** The steps that failed, and what they failed of. */
function unwrap(thrown: unknown): { readonly trace: string; readonly last: unknown } {
  const steps: string[] = [];
  let last = thrown;
  while (last instanceof StepError && steps.length < MAX_CHAIN) {
    if (last.message !== "") steps.push(last.message);
    last = last.cause;
  }
  return { trace: stripToLine(steps.join(": ")), last };
}

/** Errors from the outermost to the first cause. */
function chain(thrown: unknown): Error[] {
  const errors: Error[] = [];
  let at = thrown;
  // A chain that refers to itself must not hang the report.
  while (at instanceof Error && errors.length < MAX_CHAIN) {
    errors.push(at);
    at = at.cause;
  }
  return errors;
}

/** Lines of ours behind the message of the first that is no step. */
function detailsOf(thrown: unknown): readonly string[] {
  const { last } = unwrap(thrown);
  return last instanceof UserError ? last.details : [];
}

/** What to do, from the first in the chain that knows. */
function hintOf(thrown: unknown): string | undefined {
  for (const error of chain(thrown)) {
    if ((error instanceof UserError || error instanceof StepError) && error.hint !== undefined) {
      return error.hint;
    }
  }
  return isSituation(thrown)
    ? undefined
    : "This is not supposed to happen: run it again with -v and report it";
}

/** Whether the user's world is the reason, and not a mistake of this program's. */
function isSituation(thrown: unknown): boolean {
  const { last } = unwrap(thrown);
  if (last instanceof ExpectedError || last instanceof DOMException) return true;
  // A step may fail of whatever the system says, in an `Error` without a kind of its own.
  return last !== thrown && !isDefect(last);
}

/**
 * What lay behind the failure. A mistake of ours comes with its stacks; those of a situation would only tell where in a bundle the
 * network failed, and are no news to anybody: a line for each cause that the message does not name.
 */
function causes(thrown: unknown): string[] {
  if (isSituation(thrown)) {
    const { last } = unwrap(thrown);
    const behind = last instanceof Error ? chain(last.cause) : [];
    return behind.map((error) => block(`caused by ${error.name}: ${error.message}`));
  }
  return chain(thrown).map((error, depth) => {
    const text = block(error.stack ?? `${error.name}: ${error.message}`);
    return depth === 0 ? text : `caused by ${text}`;
  });
}

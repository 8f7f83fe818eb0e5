/**
 * What can go wrong between us and a deployment (docs/protocol/api.md#errors): an answer with an error status, an answer that is no
 * Coder answer, and a step that failed because of something else.
 */
import { ExpectedError, UserError } from "../base/errors.ts";
import { stripControls } from "./text.ts";

export interface ApiValidation {
  readonly field: string;
  readonly detail: string;
}

export interface ApiErrorOptions {
  readonly status: number;
  readonly method: string;
  readonly url: string;
  /** The server's words. */
  readonly apiMessage: string;
  readonly detail?: string;
  readonly validations?: readonly ApiValidation[];
  /** What the client adds: what to do. */
  readonly helper?: string;
  /** How long the server asks to wait (RFC 9110 §10.2.3). */
  readonly retryAfterMs?: number;
}

/** The server answered with an error status. The message is the full text form of docs/protocol/api.md#errors. */
export class ApiError extends ExpectedError {
  override name = "ApiError";
  readonly status: number;
  readonly method: string;
  readonly url: string;
  readonly apiMessage: string;
  readonly detail: string;
  readonly validations: readonly ApiValidation[];
  readonly helper: string | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(options: ApiErrorOptions) {
    super(textForm(options));
    this.status = options.status;
    this.method = options.method;
    this.url = options.url;
    this.apiMessage = options.apiMessage;
    this.detail = options.detail ?? "";
    this.validations = options.validations ?? [];
    this.helper = options.helper;
    this.retryAfterMs = options.retryAfterMs;
  }
}

function textForm(options: ApiErrorOptions): string {
  const { method, url, status, apiMessage, detail = "", validations = [], helper } = options;
  let text = `${method} ${url}: unexpected status code ${status}: ${apiMessage}`;
  if (helper !== undefined) text += `: ${helper}`;
  if (detail !== "") text += `\n\tError: ${detail}`;
  for (const validation of validations) text += `\n\t${validation.field}: ${validation.detail}`;
  return text;
}

/** A step failed because of `cause`; printed as `<step>: <cause>`, with the first hint of the chain. */
export class StepError extends ExpectedError {
  override name = "StepError";
  readonly hint: string | undefined;

  constructor(step: string, cause: unknown, hint?: string) {
    super(step, { cause });
    this.hint = hint;
  }
}

/** The wait or the build was called off. Ends the command with status 1 and no words (docs/protocol/ssh.md#exit-codes-and-errors). */
export class CanceledError extends ExpectedError {
  override name = "CanceledError";

  constructor(message = "canceled") {
    super(message);
  }
}

/** The first error of a kind in the chain of causes; as Go's `errors.As`. */
export function findCause<T extends Error>(
  thrown: unknown,
  kind: abstract new (...args: never[]) => T,
): T | undefined {
  let at: unknown = thrown;
  // A chain that refers to itself must not hang the report.
  for (let depth = 0; depth < 16 && at instanceof Error; depth++) {
    if (at instanceof kind) return at;
    at = at.cause;
  }
  return undefined;
}

/** The texts of `thrown` and what caused it, joined as the official command joins them. */
export function describe(thrown: unknown): string {
  const parts: string[] = [];
  let at: unknown = thrown;
  while (at instanceof StepError && parts.length < 16) {
    parts.push(at.message);
    at = at.cause;
  }
  parts.push(at instanceof Error ? at.message : String(at));
  return stripControls(parts.filter((part) => part !== "").join(": "));
}

/** Whatever answers at `origin` is not a Coder deployment, or something stands in front of it. */
export function notCoderError(origin: string, reason: string, cause?: unknown): UserError {
  return new UserError(`${origin} does not answer as a Coder deployment: ${reason}`, {
    hint: "Check the URL (--url, CODER_URL or the saved one); a proxy or login page in front of " +
      "the deployment needs --header or --header-command",
    ...(cause === undefined ? {} : { cause }),
  });
}

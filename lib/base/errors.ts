/**
 * The bases of all errors, one for each audience but the caller, who gets `TypeError` or `RangeError`.
 * `ProtocolError`: a peer broke its protocol. `UserError`: the user's situation, with what to do about it.
 */

/**
 * The base of every failure that is not a mistake of this program, but of the network, the machine, a peer, the deployment or
 * the user. Whoever goes on after a failure goes on after one of these; anything else is a bug, and is not caught.
 */
export class ExpectedError extends Error {
  override name = "ExpectedError";
}

/** What the language throws at a program that is wrong. */
const DEFECTS = [TypeError, RangeError, ReferenceError, SyntaxError, EvalError, URIError];

/**
 * Whether this is a bug rather than a failure, for the doors to the platform, whose own failures come in all kinds of `Error`.
 * Behind those doors they are `ExpectedError`s.
 */
export function isDefect(thrown: unknown): boolean {
  return !(thrown instanceof Error) || DEFECTS.some((kind) => thrown instanceof kind);
}

export interface ProtocolErrorOptions {
  /** Stable identifier of the violation, kebab-case, e.g. `"frame-too-large"`. */
  readonly code: string;
  /** The clause that was violated, in the shortest form that can be found, e.g. `"RFC 6455 §5.1"`. */
  readonly spec?: string;
  readonly cause?: unknown;
}

/** A peer's violation of a byte-stream protocol. Fatal for that one connection, never for the program. */
export class ProtocolError extends ExpectedError {
  override name = "ProtocolError";
  readonly code: string;
  readonly spec: string | undefined;

  constructor(message: string, options: ProtocolErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = options.code;
    this.spec = options.spec;
  }
}

export interface UserErrorOptions {
  /** More lines of our own behind the message, printed as they are; the message's own line ends are not trusted. */
  readonly details?: readonly string[];
  /** One line that says what to do; omitted when there is nothing to add. */
  readonly hint?: string;
  /** @default 1 */
  readonly exitCode?: number;
  readonly cause?: unknown;
}

/** A situation that the user must know of: one line of what failed, one of what to do. */
export class UserError extends ExpectedError {
  override name = "UserError";
  readonly details: readonly string[];
  readonly hint: string | undefined;
  readonly exitCode: number;

  constructor(message: string, options: UserErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.details = options.details ?? [];
    this.hint = options.hint;
    this.exitCode = options.exitCode ?? 1;
  }
}

/** The message of anything thrown, for pasting into a log field; never for control flow. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

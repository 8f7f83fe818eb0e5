/** How connections and sessions end, and the exit code and the words that follow from it. */
import { UserError } from "../base/errors.ts";
import type { SessionEnd } from "../base/session.ts";
import { signalNumber } from "./signals.ts";

/** The text that scripts know from `coder ssh`. */
export const CONNECTION_LOST_TEXT = "SSH connection ended unexpectedly";
export const CONNECTION_LOST_CODE = 255;
/** What the user closed. */
export const CLOSED_TEXT = "Connection closed.";
const MAX_EXIT_CODE = 255;

/** The way to the workspace was lost, or could not be made: another attempt may do better. */
export class SshLostError extends UserError {
  override name = "SshLostError";

  constructor(message: string, options: { readonly cause: unknown; readonly hint?: string }) {
    super(message, { ...options, exitCode: CONNECTION_LOST_CODE });
  }
}

/** How a connection ended. */
export type ConnectionEnd =
  /** We closed it. */
  | { readonly kind: "closed" }
  /** The server or the network ended it. */
  | { readonly kind: "lost"; readonly message: string }
  /** The keepalive limit was reached. */
  | { readonly kind: "dead"; readonly message: string };

export interface SessionOutcome {
  readonly exitCode: number;
  /** One line for stderr; omitted when the exit code says it all. */
  readonly message?: string;
  /** Why, for a second line. */
  readonly detail?: string;
}

/** The exit code of the command and what to say. */
export function outcomeOf(end: SessionEnd): SessionOutcome {
  switch (end.kind) {
    case "exit":
      // Agents before v2.5 tell a killed program as -1, which is 4294967295 on the wire.
      return { exitCode: Math.min(end.code, MAX_EXIT_CODE) };
    case "signal": {
      const number = signalNumber(end.name);
      return number === undefined
        ? { exitCode: MAX_EXIT_CODE, message: `Program was ended by signal ${end.name}` }
        : { exitCode: 128 + number };
    }
    case "lost":
      return {
        exitCode: CONNECTION_LOST_CODE,
        message: CONNECTION_LOST_TEXT,
        detail: end.message,
      };
    case "aborted":
      return { exitCode: CONNECTION_LOST_CODE };
  }
}

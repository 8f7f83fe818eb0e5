/** Ends of a command that are no failure of a step, and what the exit code is (docs/protocol/ssh.md#exit-codes-and-errors). */
import { ExpectedError } from "../../base/errors.ts";

/**
 * Ends the command with this status; `message` is printed alone, without the frame of an error, or not at all. `details` are more
 * lines of our own behind it.
 */
export class ExitError extends ExpectedError {
  override name = "ExitError";
  readonly exitCode: number;
  readonly details: readonly string[];

  constructor(exitCode: number, message = "", details: readonly string[] = []) {
    super(message);
    this.exitCode = exitCode;
    this.details = details;
  }
}

/** Ends of a command that are no failure of a step, and what the exit code is (behaviour §1.14). */

/** Ends the command with this status; `message` is printed alone, without the frame of an error, or not at all. */
export class ExitError extends Error {
  override name = "ExitError";
  readonly exitCode: number;

  constructor(exitCode: number, message = "") {
    super(message);
    this.exitCode = exitCode;
  }
}

/** The transport was lost before the remote side reported a status. */
export function connectionLost(): ExitError {
  return new ExitError(255, "SSH connection ended unexpectedly");
}

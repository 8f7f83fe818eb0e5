/** A flag's text is no value of its kind. The message completes `invalid argument "x" for "--y" flag: …`. */
import { ExpectedError } from "../../base/errors.ts";

export class FlagValueError extends ExpectedError {
  override name = "FlagValueError";
  /** What may have been meant, as a sentence. */
  readonly hint: string | undefined;

  constructor(message: string, hint?: string) {
    super(message);
    this.hint = hint;
  }
}

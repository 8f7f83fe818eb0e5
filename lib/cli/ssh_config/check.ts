/** What the user wants in the file, looked at before anything is asked or written. */
import { UserError } from "../../base/errors.ts";
import type { SectionOptions } from "./options.ts";
import { checkHostnamePrefix, checkHostnameSuffix } from "./settings.ts";

// deno-lint-ignore no-control-regex -- a tab is a blank
const UNWRITABLE = /[\x00-\x08\x0a-\x1f\x7f]/;

/**
 * Throws `UserError` for what cannot stand in the file: each thing has one line there. No value is shown that may be a secret. The
 * options of SSH are looked at where they are put together (`hostLines`).
 */
export function checkOptions(options: SectionOptions): void {
  checkHostnamePrefix(options.hostPrefix ?? "");
  checkHostnameSuffix(options.hostnameSuffix ?? "");
  if (options.headers.some((header) => UNWRITABLE.test(header))) {
    throw new UserError("a value of --header holds a line end or another control character");
  }
  if (UNWRITABLE.test(options.headerCommand)) {
    throw new UserError(
      "the header command holds a line end or another control character, which no line of an " +
        "SSH configuration can",
      { hint: "Put the command into a script, and give that to --header-command" },
    );
  }
}

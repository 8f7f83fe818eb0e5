/** A session token as people paste and save it. */
import { UserError } from "../../base/errors.ts";

/**
 * The token without the blanks, line ends and byte order mark around it. Throws `UserError` when the rest could not stand
 * in a header; `source` says where it came from, e.g. `--token`.
 */
export function checkToken(text: string, source: string): string {
  const token = text.trim();
  if (/^[\x21-\x7e]*$/.test(token)) return token;
  throw new UserError(`The session token of ${source} holds characters that no token has`, {
    hint: "Copy it again: a space, line end or invisible character came along",
  });
}

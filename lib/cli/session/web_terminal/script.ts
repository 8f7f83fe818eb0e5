/** What the deployment's web terminal is to run: a login shell, between marks that tell its end from that of the way to it. */
import { quote } from "../persist/scripts.ts";

/** Arguments: NONCE TERM. It is read at once: short. Without single quotes and backslashes in a row, as those of `persist`. */
const SHELL = `TERM=$2; export TERM
printf "\\033_hawser;begin;%s\\033\\134" "$1"
"\${SHELL:-/bin/sh}" -l
s=$?
printf "\\033_hawser;end;exit;%s\\033\\134" $s
exit $s`;

/** For any shell of the user's. */
export function shellCommand(nonce: string, term: string): string {
  return ["exec sh -c", quote(SHELL), "hawser-web-terminal", quote(nonce), quote(term)].join(" ");
}

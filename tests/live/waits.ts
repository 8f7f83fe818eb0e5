/** What the program says of its waiting, on stderr. */

/** A wait is told after two seconds, and what takes two seconds on a busy machine is chance. */
export function withoutWaits(stderr: string): string {
  return stderr.replace(/^\.\.\. .*\n/gm, "");
}

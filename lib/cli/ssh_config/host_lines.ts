/**
 * The options of each host of the section: the user's, then the deployment's, then ours. OpenSSH takes the first of a kind, so
 * whoever comes first wins; an option with an empty value takes the later ones of its kind away.
 */
import { UserError } from "../../base/errors.ts";
import { goQuote } from "../../coder/text.ts";

const DEFAULTS = [
  "ConnectTimeout=0",
  // The tunnel ends in the agent whose key the deployment vouches for; under OpenSSH's eyes its key changes with every build.
  "StrictHostKeyChecking=no",
  "UserKnownHostsFile=/dev/null",
  // OpenSSH would warn, on every run, that the key was added to a list which nobody keeps.
  "LogLevel ERROR",
];

export interface HostLinesOptions {
  /** As typed: `Key=value` or `Key value`. */
  readonly user: readonly string[];
  /** Checked by `checkSshSettings`. */
  readonly deployment: ReadonlyMap<string, string>;
}

/** The lines, without indentation. Throws `UserError` for an option without a value's place. */
export function hostLines({ user, deployment }: HostLinesOptions): string[] {
  const removed = new Set<string>();
  const lines: string[] = [];
  const add = (option: string) => {
    const { key, value } = splitOption(option);
    if (removed.has(key.toLowerCase())) return;
    if (value === "") removed.add(key.toLowerCase());
    else lines.push(option);
  };
  for (const option of user) {
    try {
      add(option);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      throw new UserError(`add flag config option ${goQuote(option)}: ${error.message}`);
    }
  }
  const sorted = [...deployment].toSorted(([a], [b]) => a < b ? -1 : 1);
  for (const [key, value] of sorted) add(`${key} ${value}`);
  for (const option of DEFAULTS) add(option);
  return lines;
}

/** Throws `UserError`, in the official command's words. */
export function splitOption(option: string): { readonly key: string; readonly value: string } {
  if (/[\r\n\0]/.test(option)) {
    throw new UserError(
      `config-ssh option ${
        goQuote(option)
      } must not contain carriage return, newline, or NUL characters`,
    );
  }
  const at = option.search(/[ =]/);
  if (at === -1) {
    throw new UserError(
      `config-ssh option ${goQuote(option)} is missing a key/value separator ('=' or ' ')`,
    );
  }
  return { key: option.slice(0, at), value: option.slice(at + 1) };
}

/** What `--persist` and `--list-persistent` go together with. Nothing is asked of anybody. */
import { UserError } from "../../../base/errors.ts";
import type { SshOptions } from "../../grammar/flags_ssh.ts";

export interface PersistSituation {
  /** Empty for none. */
  readonly command: string;
  readonly isTerminal: boolean;
}

const STDIO = "OpenSSH's own sessions are kept by a tmux in them";
const SHELL = "Leave it out, or --persist";

/** The options as they hold here. Throws `UserError` for what makes no sense together. */
export function settlePersist(options: SshOptions, situation: PersistSituation): SshOptions {
  const { persist, listPersistent } = options;
  if (persist === "" && !listPersistent) return options;
  const flag = listPersistent ? "--list-persistent" : "--persist";
  const problem = problemOf(options, situation);
  if (problem === undefined) return options;
  // A variable is meant for shells alone.
  if (!listPersistent && !options.isPersistExplicit) return { ...options, persist: "" };
  throw new UserError(`${flag} ${problem.what}`, { hint: problem.hint });
}

function problemOf(
  options: SshOptions,
  { command, isTerminal }: PersistSituation,
): { readonly what: string; readonly hint: string } | undefined {
  if (options.stdio) return { what: "cannot go with --stdio", hint: STDIO };
  if (options.noCommand) return { what: "cannot go with --no-command (-N)", hint: SHELL };
  if (options.stdioForward !== "") {
    return { what: "cannot go with --stdio-forward (-W)", hint: SHELL };
  }
  if (command !== "") {
    const hint = options.listPersistent ? "Leave the command out" : "Start it in the shell";
    return { what: "takes no command", hint };
  }
  if (!isTerminal && !options.listPersistent) {
    return { what: "needs a terminal", hint: "Standard input is none; leave --persist out" };
  }
  return undefined;
}

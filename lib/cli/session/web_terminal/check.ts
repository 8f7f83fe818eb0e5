/** What a session that goes through the deployment's web terminal cannot have. Nothing is asked of anybody. */
import { UserError } from "../../../base/errors.ts";
import type { SshOptions } from "../../grammar/flags_ssh.ts";

export interface WebTerminalSituation {
  /** Empty for none. */
  readonly command: string;
  /** Both standard input and output. */
  readonly isTerminal: boolean;
}

/** The options as they hold here. Throws `UserError` where `--web-terminal` makes no sense. */
export function settleWebTerminal(
  options: SshOptions,
  situation: WebTerminalSituation,
): SshOptions {
  if (options.webTerminal !== "yes") return options;
  const problem = problemOf(options, situation);
  if (problem === undefined) return options;
  // A variable is meant for the shells that can go that way alone.
  if (!options.isWebTerminalExplicit) return { ...options, webTerminal: "auto" };
  throw new UserError(`--web-terminal ${problem.what}`, { hint: problem.hint });
}

/** What was asked for that it cannot do, as flags; `undefined` for a shell that it can carry. */
export function unmetNeeds(options: SshOptions): string | undefined {
  const needs: readonly (readonly [boolean, string])[] = [
    [options.forwardAgent && options.isAgentExplicit, "--forward-agent (-A)"],
    [options.forwardGpg, "--forward-gpg (-G)"],
    [options.localForwards.length > 0, "--local-forward (-L)"],
    [options.dynamicForwards.length > 0, "--dynamic-forward (-D)"],
    [options.remoteForwards.length > 0, "--remote-forward (-R)"],
    // It would stand in a URL, which proxies and servers write into logs.
    [options.env.length > 0, "--env (-e)"],
    // There is no host key to look at.
    [options.hostKeyCheck === "yes", "--host-key-check=yes"],
    [options.persist !== "", "--persist"],
  ];
  return needs.find(([isNeeded]) => isNeeded)?.[1];
}

/** Whether it carries this session where nothing else does. */
export function mayGoInstead(options: SshOptions, situation: WebTerminalSituation): boolean {
  return options.webTerminal !== "no" && isShell(options, situation) &&
    unmetNeeds(options) === undefined;
}

/** Whether it is a shell at a terminal at all: nothing else ever goes that way. */
export function isShell(
  options: SshOptions,
  { command, isTerminal }: WebTerminalSituation,
): boolean {
  return isTerminal && command === "" && !options.stdio && !options.noCommand &&
    !options.listPersistent && options.stdioForward === "";
}

function problemOf(
  options: SshOptions,
  situation: WebTerminalSituation,
): { readonly what: string; readonly hint: string } | undefined {
  const { command, isTerminal } = situation;
  const hint = "It carries a shell and nothing else: leave it out, or --web-terminal";
  if (options.stdio) return { what: "cannot go with --stdio", hint };
  if (options.noCommand) return { what: "cannot go with --no-command (-N)", hint };
  if (options.listPersistent) return { what: "cannot go with --list-persistent", hint };
  if (options.stdioForward !== "") return { what: "cannot go with --stdio-forward (-W)", hint };
  if (command !== "") return { what: "takes no command", hint: "Start it in the shell" };
  if (!isTerminal) {
    return {
      what: "needs a terminal",
      hint: "Standard input or output is none; leave --web-terminal out",
    };
  }
  const need = unmetNeeds(options);
  return need === undefined ? undefined : { what: `cannot go with ${need}`, hint };
}

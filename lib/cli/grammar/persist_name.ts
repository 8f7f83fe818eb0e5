/** `--persist[=NAME]`: a switch whose text may be a name. A name reaches command lines of the workspace, so it is of few characters. */
import { type Flag, type FlagNames, switchFlag } from "./flag.ts";
import { FlagValueError } from "./flag_error.ts";

/** The shell that is meant when none is named. */
export const DEFAULT_SHELL_NAME = "main";
const MAX_NAME_CHARS = 32;
/** tmux takes dots and colons for its own; a hyphen in front would be an option. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9_-]*$/;

/** Empty: nothing is kept. */
export function persistFlag(names: FlagNames): Flag<string> {
  const asSwitch = switchFlag(names);
  return {
    ...asSwitch,
    kind: "[=NAME]",
    initial: "",
    initialText: "",
    parse(text) {
      try {
        return asSwitch.parse(text, asSwitch.initial) ? DEFAULT_SHELL_NAME : "";
      } catch (error) {
        if (!(error instanceof FlagValueError)) throw error;
      }
      if (text.length <= MAX_NAME_CHARS && isShellName(text)) return text;
      throw new FlagValueError(
        `a name has at most ${MAX_NAME_CHARS} letters, digits, - and _, and begins with one of the first two`,
        "Name it like --persist=work",
      );
    },
  };
}

export function isShellName(text: string): boolean {
  return NAME.test(text);
}

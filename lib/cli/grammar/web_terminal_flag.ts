/** `--web-terminal[=yes|no|auto]`: a switch that may be left to us. */
import { type Flag, type FlagNames, switchFlag } from "./flag.ts";
import { FlagValueError } from "./flag_error.ts";

/** `auto`: a shell goes by it where the workspace network cannot be reached. */
export type WebTerminal = "yes" | "no" | "auto";
const WORDS: readonly WebTerminal[] = ["yes", "no", "auto"];

export function webTerminalFlag(names: FlagNames): Flag<WebTerminal> {
  const asSwitch = switchFlag(names);
  return {
    ...asSwitch,
    kind: "[=yes|no|auto]",
    initial: "auto",
    initialText: "auto",
    parse(text) {
      const word = WORDS.find((known) => known === text);
      if (word !== undefined) return word;
      try {
        return asSwitch.parse(text, asSwitch.initial) ? "yes" : "no";
      } catch (error) {
        if (!(error instanceof FlagValueError)) throw error;
        throw new FlagValueError(
          `invalid choice: ${text}, should be one of [yes, no, auto]`,
          "Write it as --web-terminal, --web-terminal=no or --web-terminal=auto",
        );
      }
    },
  };
}

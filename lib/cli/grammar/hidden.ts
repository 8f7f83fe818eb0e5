/** What errors show of arguments: such lines end up in bug reports, in logs of editors and of continuous integration. */
import { HIDDEN } from "../../coder/text.ts";
import type { Flag } from "./flag.ts";

/** A session token of Coder, wherever it was typed: behind a flag that was misspelt, say. */
const TOKEN = /\b[0-9A-Za-z]{10}-[0-9A-Za-z]{22}\b/g;

/** The text of one flag. */
export function shownText(flag: Flag<unknown>, text: string): string {
  return (flag.shown?.(text) ?? text).replace(TOKEN, HIDDEN);
}

/** Arguments as they were typed, without what only their owner should read. */
export function shownArgs(args: readonly string[], flags: readonly Flag<unknown>[]): string[] {
  return args.map((arg, i) => {
    const before = flags.find((flag) => !flag.isSwitch && args[i - 1] === `--${flag.name}`);
    if (before !== undefined) return shownText(before, arg);
    for (const flag of flags) {
      const start = `--${flag.name}=`;
      if (arg.startsWith(start)) return start + shownText(flag, arg.slice(start.length));
    }
    return arg.replace(TOKEN, HIDDEN);
  });
}

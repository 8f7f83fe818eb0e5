/** `--debug-options`: where the value of each flag of a command comes from, as the official command prints it. No values: some are secrets. */
import { trimEnd } from "../../base/trim.ts";
import type { AnyFlag, ParsedArgs } from "../grammar/args.ts";

/** The table, sorted by name. */
export function renderOptionSources(parsed: ParsedArgs, flags: readonly AnyFlag[]): string {
  const rows = flags
    .map((flag) => [`"${flag.name}"`, sourceOf(parsed, flag)] as const)
    .sort(([a], [b]) => a < b ? -1 : 1);
  const width = Math.max(...rows.map(([name]) => name.length)) + 4;
  return [["Option", "Value Source"] as const, ...rows]
    .map(([name, source]) => trimEnd(`${name.padEnd(width)}${source}`, " ") + "\n")
    .join("");
}

function sourceOf(parsed: ParsedArgs, flag: AnyFlag): string {
  const source = parsed.source(flag);
  return source === "default" && flag.initialText === "" ? "" : source;
}

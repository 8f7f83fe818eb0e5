/** A command's options: one object whose type follows from the table of flags, so that a flag is written down once. */
import type { AnyFlag, ParsedArgs } from "./args.ts";
import type { Flag } from "./flag.ts";

/** Flags by the name under which the program knows their value. */
export type FlagTable = Readonly<Record<string, AnyFlag>>;

/** The values of a table's flags, under the same names. */
export type OptionsOf<Table extends FlagTable> = {
  readonly [Name in keyof Table]: Table[Name] extends Flag<infer Value> ? Value : never;
};

/** What the command line and the environment say of the flags of `table`, all of which must have been parsed for. */
export function optionsOf<Table extends FlagTable>(
  table: Table,
  parsed: ParsedArgs,
): OptionsOf<Table> {
  return collect(table, (flag) => parsed.value(flag));
}

/** The options where nothing was said at all. */
export function defaultsOf<Table extends FlagTable>(table: Table): OptionsOf<Table> {
  return collect(table, (flag) => flag.initial);
}

function collect<Table extends FlagTable>(
  table: Table,
  valueOf: (flag: AnyFlag) => unknown,
): OptionsOf<Table> {
  const options: Partial<Record<keyof Table, unknown>> = {};
  for (const name in table) {
    const flag: AnyFlag | undefined = table[name];
    if (flag !== undefined) options[name] = valueOf(flag);
  }
  return options as OptionsOf<Table>;
}

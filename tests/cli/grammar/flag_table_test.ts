/** The tables of flags in docs/compatibility.md beside the grammar and the official command's flags: whoever changes one finds here what else must change. */
import { deepStrictEqual, match, ok } from "node:assert/strict";
import { loadCommands } from "../../../lib/cli/commands.ts";
import type { AnyFlag } from "../../../lib/cli/grammar/args.ts";
import { GLOBAL_FLAGS } from "../../../lib/cli/grammar/flags_global.ts";
/** Flags of coder v2.36.0 as its help tells them, and those that it hides, by command; "" is every command. */
import official from "./coder_flags.json" with { type: "json" };

const ROOT = new URL("../../../", import.meta.url);
const CHAPTER = "## Flags and variables";
const EVERY = "Flags of every command";
/** Answered before flags are read. */
const BY_ITSELF = "version";

/** What can be compared of a flag. */
interface Facts {
  readonly flag: string;
  readonly letter: string;
  readonly variable: string;
}

/** A flag of the official command. */
interface Official {
  readonly flag: string;
  readonly letter?: string;
  readonly variable?: string;
  readonly kind: string;
  readonly default?: string;
  /** Its help does not show it. */
  readonly isHidden?: boolean;
}

interface Row extends Facts {
  readonly state: string;
}

function readTables(text: string): ReadonlyMap<string, readonly Row[]> {
  const [, chapter = ""] = text.split(`\n${CHAPTER}\n`);
  const sections = chapter.split("\n### ").slice(1).map((section) => {
    const [title = "", ...lines] = section.split("\n");
    const rows = lines.filter((line) => line.startsWith("| `")).map((line) => {
      const cells = /^\| (?:`-(.)`, )?`--([\w.-]+)` +\| (?:`(\w+)`)? *\| (.*?) *\|$/.exec(line);
      ok(cells !== null || !title.startsWith("Flags of"), line);
      const [, letter = "", flag = "", variable = "", state = ""] = cells ?? [];
      return { flag, letter, variable, state };
    });
    return [title, rows] as const;
  });
  return new Map(sections.filter(([title]) => title.startsWith("Flags of")));
}

function factsOf({ name, shorthand = "", env = "" }: AnyFlag): Facts {
  return { flag: name, letter: shorthand, variable: env };
}

const document = await Deno.readTextFile(new URL("docs/compatibility.md", ROOT));
const tables = readTables(document);
const commands: ReadonlyMap<string, readonly AnyFlag[]> = new Map([
  [EVERY, GLOBAL_FLAGS],
  ...(await loadCommands()).map(({ name, flags }) => [`Flags of ${name}`, flags] as const),
]);
const theirs: ReadonlyMap<string, readonly Official[]> = new Map(
  Object.entries<readonly Official[]>(official)
    .map(([name, flags]) => [name === "" ? EVERY : `Flags of ${name}`, flags]),
);

/** `false` and 0 are what a flag is by itself, and columns go by any case. */
function plain(text = ""): string {
  return text === "false" || text === "0" ? "" : text.toLowerCase();
}

/** The words of a kind like `[a|b]`, sorted. */
function words(kind: string): readonly string[] {
  return kind.includes("|")
    ? kind.replaceAll(/[[\]]/g, "").toLowerCase().split("|").filter(Boolean).toSorted()
    : [];
}

Deno.test("every flag has its row in docs/compatibility.md, with its letter and its variable, and every row its flag", () => {
  ok(tables.size > 20, "the tables are not found");
  for (const [title, flags] of commands) {
    const rows = (tables.get(title) ?? []).filter(({ flag, state }) =>
      flag !== BY_ITSELF &&
      (!state.startsWith("left out") || flags.some(({ name }) => name === flag))
    );
    deepStrictEqual([title, rows.map(({ state: _, ...facts }) => facts)], [
      title,
      flags.map(factsOf),
    ]);
  }
  deepStrictEqual([...tables.keys()].filter((title) => !commands.has(title)), []);
});

Deno.test("every flag of the official commands has its row, and the word there is true", async (t) => {
  for (const [title, rows] of tables) {
    await t.step(title, () => {
      const known = theirs.get(title) ?? [];
      const missing = known.filter(({ flag }) => !rows.some((row) => row.flag === flag));
      deepStrictEqual(missing.map(({ flag }) => flag), []);
      for (const row of rows) {
        match(row.state, /^(?:same|better|deviation|accepted|left out|ours)\b/, row.flag);
        const flag = commands.get(title)?.find(({ name }) => name === row.flag);
        const other = known.find((one) => one.flag === row.flag);
        deepStrictEqual([row.flag, row.state.startsWith("ours")], [row.flag, other === undefined]);
        if (other === undefined) continue;
        const { letter = "", variable = "" } = other;
        deepStrictEqual([row.flag, row.letter, row.variable], [row.flag, letter, variable]);
        if (flag === undefined) {
          ok(row.state.startsWith("left out") || row.flag === BY_ITSELF, row.flag);
        } else {
          deepStrictEqual([row.flag, plain(flag.initialText)], [row.flag, plain(other.default)]);
          deepStrictEqual([row.flag, words(flag.kind)], [row.flag, words(other.kind)]);
        }
      }
    });
  }
});

Deno.test("every variable that lib/ reads is a flag's or has its row, and every row is read", async () => {
  const [, table = ""] = document.split("\n### Variables that are no flags\n");
  const named = new Set(
    table.split("\n").filter((line) => line.startsWith("| `"))
      .flatMap((line) =>
        [...(line.split("|")[1] ?? "").matchAll(/`(\w+)`/g)].map(([, name = ""]) => name)
      ),
  );
  const ofFlags = new Set([...commands.values()].flat().flatMap(({ env }) => env ?? []));
  const texts: string[] = [];
  for await (const path of sources(new URL("lib/", ROOT))) {
    texts.push(await Deno.readTextFile(path));
  }
  const all = texts.join("\n");
  const read = [...all.matchAll(/\benv\(\s*"(\w+)"\s*\)/g)].map(([, name = ""]) => name);
  ok(read.length > 20, "the reads are not found");
  deepStrictEqual(read.filter((name) => !named.has(name) && !ofFlags.has(name)), []);
  deepStrictEqual([...named].filter((name) => !all.includes(`"${name}"`)), []);
});

async function* sources(dir: URL): AsyncGenerator<URL> {
  for await (const entry of Deno.readDir(dir)) {
    // The sandbox's agent reads what its shells are given.
    if (entry.name === "sandbox") continue;
    const url = new URL(entry.name + (entry.isDirectory ? "/" : ""), dir);
    if (entry.isDirectory) yield* sources(url);
    else if (entry.name.endsWith(".ts")) yield url;
  }
}

/** The lines that the documents tell people to type are lines that hawser takes, and what they link to is there. */
import { deepStrictEqual, ok } from "node:assert/strict";
import { checkPositionals } from "../lib/cli/command/command.ts";
import { loadCommands } from "../lib/cli/commands.ts";
import { parseArgs } from "../lib/cli/grammar/args.ts";
import { GLOBAL_FLAGS } from "../lib/cli/grammar/flags_global.ts";

const ROOT = new URL("../", import.meta.url);
const LINE = /^(?: {4}|\$ )hawser (.+)$/gm;
const WORD = /'([^']*)'|[^\s']+/g;
const LINK = /\]\(([^)#:\s]+)(?:#[\w-]+)?\)/g;
const MIN_LINES = 30;

const COMMANDS = await loadCommands();

function documents(): URL[] {
  const pages = [...Deno.readDirSync(new URL("docs/", ROOT))]
    .filter(({ name }) => name.endsWith(".md")).map(({ name }) => new URL(`docs/${name}`, ROOT));
  return [new URL("README.md", ROOT), new URL("CONTRIBUTING.md", ROOT), ...pages];
}

/** What stands before a comment or a redirection. */
function wordsOf(line: string): string[] {
  const [said = ""] = line.split(/\s+(?:#|>|<|\|)/);
  return [...said.matchAll(WORD)].map(([word, quoted]) => quoted ?? word);
}

/** Throws for what hawser would refuse before it asks anybody. */
function check(words: readonly string[]): void {
  if (["--version", "--help", undefined].includes(words[0])) return;
  const command = COMMANDS.filter(({ name }) => `${words.join(" ")} `.startsWith(`${name} `))
    .toSorted((a, b) => b.name.length - a.name.length)[0];
  if (command === undefined) throw new Error("no such command");
  const args = words.slice(command.name.split(" ").length);
  const { flags, positionals, name } = command;
  const parsed = parseArgs(args, {
    flags: [...flags, ...GLOBAL_FLAGS],
    env: (variable) => variable === "HOME" ? "/home/me" : undefined,
    command: `hawser ${name}`,
    shown: words,
  });
  checkPositionals(parsed.positionals, positionals, { usage: name });
}

Deno.test("every line of hawser in README and docs is one that hawser takes", async () => {
  const wrong: string[] = [];
  let count = 0;
  for (const url of documents()) {
    for (const [, line = ""] of (await Deno.readTextFile(url)).matchAll(LINE)) {
      count++;
      try {
        check(wordsOf(line));
      } catch (error) {
        wrong.push(`${url.pathname}: hawser ${line}: ${error}`);
      }
    }
  }
  deepStrictEqual(wrong, []);
  ok(count >= MIN_LINES, `only ${count} found: does the search still work?`);
  for (const line of ["nonsense dev", "list --colour", "show", "context use"]) {
    let isTaken = true;
    try {
      check(wordsOf(line));
    } catch {
      isTaken = false;
    }
    ok(!isTaken, line);
  }
});

Deno.test("every file that README and docs link to is there", async () => {
  const gone: string[] = [];
  for (const url of documents()) {
    for (const [, path = ""] of (await Deno.readTextFile(url)).matchAll(LINK)) {
      try {
        await Deno.stat(new URL(path, url));
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
        gone.push(`${url.pathname}: ${path}`);
      }
    }
  }
  deepStrictEqual(gone, []);
});

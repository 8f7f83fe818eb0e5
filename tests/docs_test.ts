/** What the documents say of the tests is true: whoever renames one finds here who speaks of it. */
import { deepStrictEqual, match, ok } from "node:assert/strict";

const DOCUMENT = new URL("../docs/security.md", import.meta.url);
/** A test as the document names it: file, then name. */
const NAMED = /`([\w/]+_test\.ts)`:\s`([^`]+)`/g;
const ATTACKS = [...rows("H", 9), ...rows("M", 8), ...rows("L", 11)];
const MIN_NAMED = 60;

function rows(letter: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${letter}${i + 1}`);
}

interface NamedTest {
  readonly file: string;
  readonly name: string;
}

function testsNamedIn(text: string): NamedTest[] {
  return [...text.matchAll(NAMED)].map(([, file = "", name = ""]) => ({ file, name }));
}

/** Those that are no test's whole name in their file. */
function missing(named: readonly NamedTest[]): string[] {
  return named.filter(({ file, name }) => {
    const path = new URL(file, import.meta.url);
    try {
      return !Deno.readTextFileSync(path).includes(`"${name}"`);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return true;
      throw error;
    }
  }).map(({ file, name }) => `${file}: ${name}`);
}

Deno.test("every test that docs/security.md names exists under that name", async () => {
  const text = await Deno.readTextFile(DOCUMENT);
  const named = testsNamedIn(text);
  ok(named.length > MIN_NAMED, `only ${named.length} found: does the search still work?`);
  // A file that is named otherwise would not be looked for.
  deepStrictEqual(named.length, text.split("_test.ts`").length - 1);
  deepStrictEqual(missing(named), []);
  const wrong = [
    { file: "pattern_cost_test.ts", name: "every pattern in lib takes linear time" },
    { file: "no_test.ts", name: "x" },
  ];
  deepStrictEqual(missing(wrong).length, wrong.length);
});

Deno.test("every attack of docs/security.md has its row, with a test or the word that it is open", async () => {
  const text = await Deno.readTextFile(DOCUMENT);
  const table = text.split("\n").filter((line) => /^\| [HML]\d/.test(line))
    .map((line) => line.split("|").map((cell) => cell.trim()));
  deepStrictEqual(table.map((cells) => cells[1]), ATTACKS);
  for (const cells of table) {
    deepStrictEqual(cells.length, 6, `row ${cells[1]} has four cells`);
    const [, , attack = "", answer = "", shown = ""] = cells;
    ok(attack !== "" && answer !== "");
    if (testsNamedIn(shown).length === 0) match(shown, /^open: ./);
  }
});

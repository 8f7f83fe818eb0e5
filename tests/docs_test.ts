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

const ROOT = new URL("../", import.meta.url);
const CHAPTERS = new URL("docs/protocol/", ROOT);
/** `docs/protocol/api.md#errors`, and behind it more of the same chapter: `, #websockets`, `and #values`, `to #job`. */
const CITED = /docs\/protocol\/(\w+\.md)((?:(?:,|\s*\*|\s|and|to)*#[\w-]+)+)/g;
/** `[there](api.md#errors)` and `[here](#errors)`, in the chapters themselves. */
const LINKED = /\]\((\w+\.md|)#([\w-]+)\)/g;
const MIN_CITED = 150;

async function* filesIn(dir: URL, ending: string): AsyncGenerator<URL> {
  for await (const entry of Deno.readDir(dir)) {
    const url = new URL(entry.name + (entry.isDirectory ? "/" : ""), dir);
    if (entry.isDirectory) yield* filesIn(url, ending);
    else if (entry.name.endsWith(ending)) yield url;
  }
}

/** What a heading is cited by: as GitHub makes it. */
function anchorOf(heading: string): string {
  return heading.trim().toLowerCase().replace(/[^\w\s-]/g, "").replaceAll(/\s/g, "-");
}

/** Every `chapter#heading` there is. */
async function headings(): Promise<Set<string>> {
  const found = new Set<string>();
  for await (const url of filesIn(CHAPTERS, ".md")) {
    const chapter = url.href.slice(CHAPTERS.href.length);
    for (const [, heading = ""] of (await Deno.readTextFile(url)).matchAll(/^#+ (.+)$/gm)) {
      const anchor = `${chapter}#${anchorOf(heading)}`;
      ok(!found.has(anchor), `${anchor} stands for two headings`);
      found.add(anchor);
    }
  }
  return found;
}

function citedIn(text: string): string[] {
  return [...text.matchAll(CITED)].flatMap(([, chapter = "", anchors = ""]) =>
    [...anchors.matchAll(/#[\w-]+/g)].map(([anchor]) => chapter + anchor)
  );
}

Deno.test("every citation of docs/protocol names a heading that exists", async () => {
  const known = await headings();
  const wrong: string[] = [];
  let count = 0;
  for (const folder of ["lib/", "tests/", "docs/"]) {
    for (const ending of [".ts", ".md"]) {
      for await (const url of filesIn(new URL(folder, ROOT), ending)) {
        const text = await Deno.readTextFile(url);
        const cited = citedIn(text);
        // None is overlooked: a chapter that is named has its heading behind it.
        const named = text.match(/docs\/protocol\/\w+\.md/g)?.length ?? 0;
        const isThis = url.href === import.meta.url;
        if (!isThis && named > cited.length) wrong.push(`${url.pathname}: a chapter, no heading`);
        count += cited.length;
        if (isThis) continue;
        for (const at of cited) if (!known.has(at)) wrong.push(`${url.pathname}: ${at}`);
      }
    }
  }
  deepStrictEqual(wrong, []);
  ok(count > MIN_CITED, `only ${count} found: does the search still work?`);
  deepStrictEqual(citedIn("(docs/protocol/ssh.md#names, #wait and\n * #gone; api.md#x)"), [
    "ssh.md#names",
    "ssh.md#wait",
    "ssh.md#gone",
  ]);
});

Deno.test("the chapters of docs/protocol lead to each other's headings", async () => {
  const known = await headings();
  const wrong: string[] = [];
  for await (const url of filesIn(CHAPTERS, ".md")) {
    const own = url.href.slice(CHAPTERS.href.length);
    const text = await Deno.readTextFile(url);
    for (const [, chapter = "", anchor = ""] of text.matchAll(LINKED)) {
      const at = `${chapter === "" ? own : chapter}#${anchor}`;
      if (!known.has(at)) wrong.push(`${own}: ${at}`);
    }
  }
  deepStrictEqual(wrong, []);
});

Deno.test("nothing cites a document that is not in the repository", async () => {
  const wrong: string[] = [];
  for (const folder of ["lib/", "tests/"]) {
    for await (const url of filesIn(new URL(folder, ROOT), ".ts")) {
      if (url.href === import.meta.url) continue;
      const text = await Deno.readTextFile(url);
      const found = /\bdossier\b|\b(?:behaviour|http-api|control.plane|data.plane) §/.exec(text);
      if (found !== null) wrong.push(`${url.pathname}: ${found[0]}`);
    }
  }
  deepStrictEqual(wrong, []);
});

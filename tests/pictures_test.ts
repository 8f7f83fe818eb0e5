/** The README's pictures: whole, small, and what the program still prints, but for times, numbers and names of chance. */
import { deepStrictEqual, ok } from "node:assert/strict";
import { PICTURES, record } from "../.ci/pictures/record.ts";
import { drawScreen } from "../.ci/pictures/svg.ts";

const ROOT = new URL("../", import.meta.url);
const MAX_BYTES = 40_000;
/** What came of a run differs a little from run to run: whether a packet went directly, say. */
const MIN_SHARE = 0.8;
const TAG = /<(\/?)([a-z]+)((?:\s[a-zA-Z:-]+="[^"<]*")*)\s?(\/?)>|[^<]+|</g;

/** Throws for what is no XML of the kind that we draw: elements in order, attributes once, marks escaped. */
function checkWhole(svg: string): void {
  const open: string[] = [];
  for (const [part, slash, name, attributes = "", end] of svg.matchAll(TAG)) {
    if (name === undefined) {
      ok(!part.includes("<"), `a mark that is not escaped, near ${svg.slice(0, 80)}`);
      ok(!/&(?!(?:amp|lt|gt|quot);)/.test(part), part);
      continue;
    }
    const names = [...attributes.matchAll(/([a-zA-Z:-]+)=/g)].map(([, attribute]) => attribute);
    deepStrictEqual(new Set(names).size, names.length, part);
    if (slash === "/") deepStrictEqual(open.pop(), name);
    else if (end !== "/") open.push(name);
  }
  deepStrictEqual(open, []);
}

/** Its lines of text, without what chance decides. */
function linesOf(svg: string): Set<string> {
  const rows = new Map<string, string[]>();
  for (const [, y = "", text = ""] of svg.matchAll(/<text [^>]*y="(\d+)"[^>]*>([^<]*)</g)) {
    rows.set(y, [...rows.get(y) ?? [], text]);
  }
  return new Set(
    [...rows.values()].map((texts) =>
      texts.join(" ").replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, "id")
        .replaceAll(/\d[\d.]*\s?(?:ns|µs|ms|s|h|m)?(?![a-z])/g, "0").replaceAll(/[ -]+/g, " ")
        .trim()
    ),
  );
}

Deno.test("pictures: checkWhole() refuses what no reader of XML takes", () => {
  for (const wrong of ["<svg>", "<svg></text>", "<svg>a & b</svg>", "<svg>a < b</svg>"]) {
    let isRefused = false;
    try {
      checkWhole(wrong);
    } catch {
      isRefused = true;
    }
    ok(isRefused, wrong);
  }
});

for (const picture of PICTURES) {
  Deno.test({
    name: `docs/pictures/${picture.name}.svg shows what is printed today`,
    ignore: Deno.build.os !== "linux", // where they were drawn
    async fn() {
      const svg = await Deno.readTextFile(new URL(`docs/pictures/${picture.name}.svg`, ROOT));
      ok(svg.length < MAX_BYTES);
      checkWhole(svg);
      const shown = [...linesOf(svg)];
      const today = linesOf(drawScreen(await record(picture), picture.title));
      const gone = shown.filter((line) => !today.has(line));
      ok(
        gone.length <= shown.length * (1 - MIN_SHARE),
        `run 'deno task pictures': not printed any more:\n${gone.join("\n")}\nbut\n${
          [...today].join("\n")
        }`,
      );
    },
  });
}

Deno.test("the README shows every picture, with words for those who do not see it", async () => {
  const readme = await Deno.readTextFile(new URL("README.md", ROOT));
  const shown = [...readme.matchAll(/!\[([^\]]+)\]\(docs\/pictures\/([\w-]+)\.svg\)/g)];
  deepStrictEqual(
    shown.map(([, , name]) => name).toSorted(),
    PICTURES.map(({ name }) => name).toSorted(),
  );
});

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { didYouMean } from "../../../lib/cli/grammar/similar.ts";

const quoted = (word: string) => `"${word}"`;

/** The words that are offered for `typed`. */
function similar(typed: string, known: readonly string[]): string[] {
  return [...(didYouMean(typed, known, quoted) ?? "").matchAll(/"([^"]*)"/g)].map(([, word]) =>
    word ?? ""
  );
}

const KNOWN = [
  "stdio",
  "stdio-forward",
  "forward-agent",
  "forward-gpg",
  "tty",
  "wait",
  "env",
  "url",
];

Deno.test("didYouMean() knows what was mistyped or only begun", () => {
  const rows: [typed: string, offered: string[]][] = [
    ["stido", ["stdio"]],
    ["stdoi", ["stdio"]],
    ["STDIO", ["stdio", "stdio-forward"]],
    ["wiat", ["wait"]],
    ["tt", ["tty"]],
    ["ur", ["url"]],
    ["forward", ["forward-agent", "forward-gpg"]],
    ["forward-agnet", ["forward-agent"]],
    ["quite-another", []],
    ["x", []],
    ["", []],
    ["constructor", []],
  ];
  for (const [typed, offered] of rows) deepStrictEqual(similar(typed, KNOWN), offered, typed);
  strictEqual(didYouMean("stido", KNOWN, quoted), 'Did you mean "stdio"?');
  strictEqual(
    didYouMean("forward", KNOWN, quoted),
    'Did you mean "forward-agent" or "forward-gpg"?',
  );
  strictEqual(
    didYouMean("aa", ["aab", "aac", "aad", "aae"], (word) => word),
    "Did you mean aab, aac or aad?",
  );
  strictEqual(didYouMean("quite-another", KNOWN, quoted), undefined);
});

Deno.test("didYouMean() finds every word with one letter wrong, and bears any text", () => {
  fc.assert(fc.property(fc.constantFrom(...KNOWN), fc.nat(), fc.nat(), (word, at, kind) => {
    if (word.length < 4) return;
    const i = at % word.length;
    const [a, b] = [word.slice(0, i), word.slice(i)];
    const typed = [`${a}q${b}`, a + b.slice(1), `${a}q${b.slice(1)}`][kind % 3] ?? "";
    ok(similar(typed, KNOWN).includes(word), typed);
  }));
  fc.assert(fc.property(fc.string({ maxLength: 1_000 }), (typed) => {
    ok(similar(typed, KNOWN).length <= 3);
  }));
});

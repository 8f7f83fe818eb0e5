import { strictEqual } from "node:assert/strict";
import { cutBefore, trimBlanks, trimEnd, unbracket } from "../../lib/base/trim.ts";

Deno.test("trimEnd() takes off what the text ends with, and nothing else", () => {
  strictEqual(trimEnd("a//b//", "/"), "a//b");
  strictEqual(trimEnd("a\\/\\", "\\/"), "a");
  strictEqual(trimEnd("///", "/"), "");
  strictEqual(trimEnd("", "/"), "");
  strictEqual(trimEnd("abc", ""), "abc");
});

Deno.test("trimBlanks() takes spaces and tabs only (RFC 9110 §5.6.3)", () => {
  strictEqual(trimBlanks(" \t a \t b\t "), "a \t b");
  strictEqual(trimBlanks("\u00a0a\u00a0"), "\u00a0a\u00a0");
  strictEqual(trimBlanks(" \t "), "");
  strictEqual(trimBlanks("\na\n"), "\na\n");
});

Deno.test("cutBefore() keeps what stands before the first mark", () => {
  strictEqual(cutBefore("a, b, c", ", "), "a");
  strictEqual(cutBefore("abc", ", "), "abc");
});

Deno.test("unbracket() takes a URL's brackets off an IPv6 literal", () => {
  strictEqual(unbracket("[fd00::1]"), "fd00::1");
  strictEqual(unbracket("coder.example.com"), "coder.example.com");
  strictEqual(unbracket("["), "[");
});

Deno.test("a run of a million characters with something behind it costs one pass", () => {
  for (let i = 0; i < 20; i++) {
    const run = " ".repeat(1_000_000);
    strictEqual(trimEnd(`a${run}b`, " ").length, 1_000_002);
    strictEqual(trimBlanks(`a${run}b`).length, 1_000_002);
    strictEqual(trimEnd(`a${run}`, " "), "a");
  }
});

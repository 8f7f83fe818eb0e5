import assert from "node:assert/strict";
import fc from "fast-check";
import { goList, goQuote, stripControls, stripToLine } from "../../lib/coder/text.ts";

Deno.test("stripControls() takes terminal escapes out (issue 4, Bad input)", async (t) => {
  const rows = [
    { name: "plain text and tabs stay", in: "a\tb\nc ✓ é", out: "a\tb\nc ✓ é" },
    { name: "colours", in: "\x1b[33mwarning\x1b[0m: x", out: "warning: x" },
    { name: "cursor and erase", in: "a\x1b[2K\x1b[1Ab", out: "ab" },
    { name: "window title, BEL", in: "\x1b]0;evil\x07ok", out: "ok" },
    { name: "hyperlink, ST", in: "\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", out: "link" },
    { name: "device control string", in: "\x1bP1$r0m\x1b\\ok", out: "ok" },
    { name: "unfinished title ends with its line", in: "\x1b]0;evil\nok", out: "\nok" },
    { name: "8-bit CSI", in: "a\x9b31mb", out: "ab" },
    { name: "8-bit OSC", in: "a\x9d0;t\x9cb", out: "ab" },
    { name: "a lone escape", in: "a\x1b", out: "a" },
    { name: "charset and reset", in: "\x1b(B\x1bcok", out: "ok" },
    { name: "carriage return over a line", in: "good\rbad", out: "good\nbad" },
    { name: "DOS line ends", in: "a\r\nb", out: "a\nb" },
    { name: "bell, backspace, delete", in: "a\x07b\x08c\x7f", out: "abc" },
    { name: "bidirectional override", in: "a\u202eb\u2066c", out: "abc" },
    { name: "bidirectional marks", in: "a\u200eb\u200fc\u061cd", out: "abcd" },
    { name: "zero-width", in: "a\u200bb\u200cc\u200dd\u2060e\ufefff\u00adg", out: "abcdefg" },
    { name: "invisible letters", in: "a\u3164b\u115fc\uffa0d\u180ee", out: "abcde" },
    { name: "line and paragraph separators", in: "a\u2028b\u2029c", out: "abc" },
    { name: "interlinear annotations", in: "a\ufff9b\ufffac\ufffb", out: "abc" },
    { name: "tags", in: "a\u{e0041}\u{e007f}b", out: "ab" },
    { name: "shapes of our own texts", in: "ℹ︎ ⧗ ✔ 👋 ❤️", out: "ℹ︎ ⧗ ✔ 👋 ❤️" },
    { name: "carriage returns behind one another", in: "a\r\r\nb", out: "a\n\nb" },
    { name: "clipboard", in: "a\x1b]52;c;cm0gLXJmIH4K\x07b", out: "ab" },
    { name: "halves that would become a tag", in: "\udb40\u200b\udc41", out: "\ufffd\ufffd" },
    { name: "an escape that an escape leaves", in: "\x1b\x1b[0m[31mred", out: "[31mred" },
  ];
  for (const row of rows) {
    await t.step(row.name, () => assert.equal(stripControls(row.in), row.out));
  }
});

Deno.test("stripControls() leaves no control character, whatever comes", () => {
  const hostile = fc.array(
    fc.constantFrom(
      "\x1b",
      "[",
      "]",
      "P",
      "\x07",
      "\x9b",
      "\x9d",
      "\\",
      "0",
      ";",
      "m",
      "a",
      "\r",
      "\n",
      "\x00",
      "\u200b",
      "\u202e",
      "\u{e0041}",
      "\udb40",
      "\udc41",
    ),
  ).map((parts) => parts.join(""));
  fc.assert(fc.property(hostile, (text) => {
    // deno-lint-ignore no-control-regex
    assert.doesNotMatch(stripControls(text), /[\x00-\x08\x0b-\x1f\x7f-\x9f]/);
    assert.doesNotMatch(stripControls(text), /[\u200b\u202e\u{e0041}]/u);
    assert.equal(stripControls(stripControls(text)), stripControls(text));
    assert.doesNotMatch(stripToLine(text), /\n/);
  }));
});

Deno.test("goQuote() quotes as Go's %q", () => {
  assert.equal(goQuote("dev"), '"dev"');
  assert.equal(goQuote('a"b\\c'), '"a\\"b\\\\c"');
  assert.equal(goQuote("a\nb\x1b\x00é\u202e"), '"a\\nb\\x1b\\x00é\\u202e"');
  assert.equal(
    goQuote("\u200b\u00ad\u{e0041}\u0085\x7f"),
    '"\\u200b\\u00ad\\U000e0041\\u0085\\x7f"',
  );
  assert.equal(goQuote("\u00a0\u2028\ufeff\ud800."), '"\\u00a0\\u2028\\ufeff\ufffd."');
  assert.equal(goQuote("日本 👋 ✔"), '"日本 👋 ✔"');
  assert.equal(goList(["a", "b"]), "[a b]");
});

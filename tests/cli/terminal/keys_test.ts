import { deepStrictEqual, ok } from "node:assert/strict";
import fc from "fast-check";
import { type Key, KeyDecoder } from "../../../lib/cli/terminal/keys.ts";

function decode(...pieces: readonly string[]): Key[] {
  const keys = new KeyDecoder();
  return [...pieces.flatMap((piece) => keys.decode(piece)), ...keys.settle()];
}

const PIECES = fc.array(
  fc.constantFrom(
    "\x1b",
    "[",
    "O",
    "B",
    "1",
    ";",
    "~",
    "a",
    "é",
    "\x7f",
    "\x03",
    "\r",
    "[[",
    "👋",
    "\x00",
  ),
).map((parts) => parts.join(""));

Deno.test("KeyDecoder takes anything a terminal sends", () => {
  deepStrictEqual(decode("aé\x1b[200~\x1b[1;5C\x00"), [
    { kind: "text", text: "a" },
    { kind: "text", text: "é" },
  ]);
  deepStrictEqual(decode("\x1b"), [{ kind: "escape" }]);
  deepStrictEqual(decode("\x1b", "[", "A"), [{ kind: "up" }]);
  deepStrictEqual(decode("\x1b[", "\x03"), [{ kind: "interrupt" }]);
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    ok(decode(text).length <= [...text].length);
  }));
});

Deno.test("KeyDecoder gives the same keys however a text is split, and keeps nothing of what never ends", () => {
  fc.assert(fc.property(PIECES, fc.nat(), (text, at) => {
    const characters = [...text];
    const cut = at % (characters.length + 1);
    const parts = [characters.slice(0, cut).join(""), characters.slice(cut).join("")];
    deepStrictEqual(decode(...parts), decode(text));
  }));
  const keys = new KeyDecoder();
  keys.decode(`\x1b[${"1".repeat(1_000_000)}`);
  ok(!keys.isUndecided);
  deepStrictEqual(keys.decode("\r"), [{ kind: "enter" }]);
});

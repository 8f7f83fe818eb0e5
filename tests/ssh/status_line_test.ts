/** A line under somebody else's cursor: there, and gone without a trace. */
import assert from "node:assert/strict";
import { StatusLine } from "../../lib/ssh/status_line.ts";
import { TinyScreen } from "../support/tiny_screen.ts";

const SIZE = { rows: 5, columns: 20 };

/** A screen with `count` lines written and the cursor behind the last, which has no end. */
function screenOf(count: number): TinyScreen {
  const screen = new TinyScreen(SIZE);
  screen.print(Array.from({ length: count }, (_, at) => `line ${at}`).join("\r\n"));
  return screen;
}

Deno.test("status line stands under the cursor wherever that is, and leaves the text and the cursor as they were", () => {
  for (let count = 1; count <= 7; count++) {
    const screen = screenOf(count);
    const before = [...screen.gone, ...screen.text].filter((text) => text !== "");
    const cursorLine = screen.text[screen.row];
    const line = new StatusLine();
    screen.print(line.show("no answer"));
    assert.equal(screen.text[screen.row], cursorLine, `${count} lines`);
    assert.equal(screen.text[screen.row + 1], "no answer");
    assert(!screen.isInverse);
    screen.print(line.show("still none"));
    assert.equal(screen.text[screen.row + 1], "still none");
    screen.print(line.hide());
    assert(!line.isShown);
    assert.deepEqual([...screen.gone, ...screen.text].filter((text) => text !== ""), before);
    assert.equal(screen.text[screen.row], cursorLine);
    assert.equal(screen.column, cursorLine?.length);
    screen.print("!");
    assert.equal(screen.text[screen.row], `${cursorLine}!`);
  }
});

Deno.test("status line pushes down what stands below the cursor, and brings it up again", () => {
  const screen = screenOf(3);
  screen.print("\x1b[A\x1b[A");
  const before = screen.text;
  const line = new StatusLine();
  screen.print(line.show("no answer"));
  assert.deepEqual(screen.text, ["line 0", "no answer", "line 1", "line 2", ""]);
  screen.print(line.hide());
  assert.deepEqual(screen.text, before);
  assert.deepEqual([screen.row, screen.column], [0, 6]);
});

Deno.test("status line goes on in the writer's own style", () => {
  const screen = screenOf(1);
  screen.print("\x1b[7m");
  const line = new StatusLine();
  for (const text of [line.show("a"), line.show("b"), line.hide()]) {
    screen.print(text);
    assert(screen.isInverse);
  }
});

Deno.test("status line that is the same is not drawn again, and one that is not there not taken away", () => {
  const line = new StatusLine();
  assert.equal(line.hide(), "");
  assert.notEqual(line.show("a"), "");
  assert.equal(line.show("a"), "");
});

import { strictEqual } from "node:assert/strict";
import { readPast } from "../../lib/ssh/remote_command.ts";

/** Reads that give these pieces, then the end; and what is left of them. */
function reader(pieces: readonly string[]) {
  const left = pieces.map((piece) => new TextEncoder().encode(piece));
  const read = (into: Uint8Array): Promise<number | null> => {
    const piece = left.shift();
    if (piece === undefined) return Promise.resolve(null);
    into.set(piece);
    return Promise.resolve(piece.length);
  };
  return { read, left };
}

Deno.test("readPast finds a mark at any split, and reads no further", async () => {
  const text = "motd: ready; read";
  for (let cut = 0; cut <= text.length + 6; cut++) {
    const whole = `${text}ready;y\n`;
    const { read, left } = reader([whole.slice(0, cut), whole.slice(cut), "later"]);
    await readPast(read, "readready;");
    strictEqual(left.length, cut < whole.indexOf("readready;") + 10 ? 1 : 2, `cut at ${cut}`);
  }
});

Deno.test("readPast ends with the output where the mark does not come", async () => {
  const { read, left } = reader(["rea", "dy", "!"]);
  await readPast(read, "ready;");
  strictEqual(left.length, 0);
});

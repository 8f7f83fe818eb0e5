/** A keyboard that outlives sessions: no key is lost with one, none typed between two reaches the next. */
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { LastingInput } from "../../../../lib/cli/session/persist/lasting_input.ts";
import type { HostInput } from "../../../../lib/base/host.ts";
import { FakeTerminal } from "../../../support/fake_terminal.ts";

async function readText(input: HostInput, bytes = 64): Promise<string | null> {
  const into = new Uint8Array(bytes);
  const count = await input.read(into);
  return count === null ? null : new TextDecoder().decode(into.subarray(0, count));
}

Deno.test("LastingInput.lend() hands the read that the last session left pending to the next", async () => {
  const terminal = new FakeTerminal();
  const input = new LastingInput(terminal.stdin);
  const first = input.lend();
  const pending = readText(first);
  const second = input.lend();
  strictEqual(await pending, null);
  const next = readText(second);
  await terminal.type("a");
  strictEqual(await next, "a");
});

Deno.test("LastingInput.watch() takes what is typed between two sessions, for nobody", async () => {
  const terminal = new FakeTerminal();
  const input = new LastingInput(terminal.stdin);
  input.lend();
  const typed: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const watching = input.watch(() => {
    typed.push("key");
    resolve();
  });
  await terminal.type("rm -rf\r");
  await promise;
  const next = input.lend();
  await watching;
  const read = readText(next);
  await terminal.type("b");
  strictEqual(await read, "b");
  deepStrictEqual(typed, ["key"]);
});

Deno.test("LastingInput gives what is larger than its reader in parts, and the end as an end", async () => {
  const terminal = new FakeTerminal();
  const input = new LastingInput(terminal.stdin).lend();
  const first = readText(input, 3);
  await terminal.type("abcdefg");
  deepStrictEqual(
    [await first, await readText(input, 3), await readText(input, 3)],
    ["abc", "def", "g"],
  );
  const last = readText(input);
  await terminal.typeEnd();
  strictEqual(await last, null);
});

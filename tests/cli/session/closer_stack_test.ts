/** Counterparts of upstream's `TestCloserStack_*` (behaviour §4.2), and what ours does besides. */
import { deepStrictEqual, ok, throws } from "node:assert/strict";
import type { Log, LogFields } from "../../../lib/base/log.ts";
import { CloserStack, type CloserStackOptions } from "../../../lib/cli/session/closer_stack.ts";
import { describe } from "../../../lib/coder/errors.ts";
import { JumpingClock } from "../../support/jumping_clock.ts";

/** A stack on a jumping clock, and what was closed at which millisecond. */
class Bench implements Disposable {
  readonly clock = new JumpingClock();
  readonly events: string[] = [];
  readonly stack: CloserStack;

  constructor(options: Partial<CloserStackOptions> = {}) {
    this.stack = new CloserStack({ clock: this.clock, ...options });
  }

  /** An item that takes `ms` to close. */
  push(name: string, ms = 0): void {
    this.stack.push(name, async () => {
      this.events.push(`${this.clock.now()} ${name}`);
      if (ms > 0) await this.clock.sleep(ms);
    });
  }

  [Symbol.dispose](): void {
    this.clock.stop();
  }
}

const FOREVER_MS = 1e9;

Deno.test("TestCloserStack_Mainline: items are closed in reverse order", async () => {
  using bench = new Bench();
  bench.push("a");
  bench.push("b", 100);
  bench.push("c");
  await bench.stack.close();
  deepStrictEqual(bench.events, ["0 c", "0 b", "100 a"]);
});

Deno.test("TestCloserStack_Empty: an empty stack closes, as often as one likes", async () => {
  using bench = new Bench();
  await bench.stack.close();
  await bench.stack.close();
  ok(bench.stack.isClosed);
});

Deno.test("TestCloserStack_Context: closes when its signal is raised", async () => {
  const abort = new AbortController();
  using bench = new Bench({ signal: abort.signal });
  bench.push("a");
  bench.push("b");
  abort.abort(new Error("canceled"));
  deepStrictEqual(bench.events[0], "0 b");
  await bench.stack.close();
  deepStrictEqual(bench.events, ["0 b", "0 a"]);
});

Deno.test("TestCloserStack_Context: a signal that was raised before closes what is pushed", async () => {
  using bench = new Bench({ signal: AbortSignal.abort(new Error("canceled")) });
  throws(() => bench.push("a"));
  await bench.stack[Symbol.asyncDispose]();
  deepStrictEqual(bench.events, ["0 a"]);
});

Deno.test("TestCloserStack_PushAfterClose: a late item is closed, and the cause comes back", async () => {
  using bench = new Bench();
  bench.push("a");
  await bench.stack.close(new Error("workspace stopped"));
  throws(() => bench.push("late", 50), (error) => {
    deepStrictEqual(describe(error), "already closed: workspace stopped");
    return true;
  });
  deepStrictEqual(bench.events, ["0 a", "0 late"]);
  await bench.stack.close();
  deepStrictEqual(bench.clock.now(), 50);
});

Deno.test("TestCloserStack_PushAfterClose_ConnClosed: the cause of the signal comes back", async () => {
  const abort = new AbortController();
  using bench = new Bench({ signal: abort.signal });
  const cause = new Error("connection closed");
  abort.abort(cause);
  throws(() => bench.push("late"), (error) => error instanceof Error && error.cause === cause);
  await bench.stack[Symbol.asyncDispose]();
});

Deno.test("TestCloserStack_CloseAfterContext: close() waits for what the signal began", async () => {
  const abort = new AbortController();
  using bench = new Bench({ signal: abort.signal });
  bench.push("slow", 1_500);
  abort.abort();
  await bench.stack.close();
  deepStrictEqual(bench.clock.now(), 1_500);
});

Deno.test("TestCloserStack_Timeout: each is given two seconds, and the bottom one no more", async () => {
  using bench = new Bench();
  bench.push("a", FOREVER_MS);
  bench.push("b", FOREVER_MS);
  bench.push("c", FOREVER_MS);
  await bench.stack.close();
  deepStrictEqual(bench.events, ["0 c", "2000 b", "4000 a"]);
  deepStrictEqual(bench.clock.now(), 6_000);
});

Deno.test("CloserStack closes the others when one fails, and says which", async () => {
  const lines: [string, LogFields | undefined][] = [];
  const note = (message: string, fields?: LogFields) => lines.push([message, fields]);
  const log: Log = { debug() {}, info() {}, warn: note, error: note, child: () => log };
  using bench = new Bench({ log });
  bench.push("a");
  bench.stack.push("broken", () => {
    throw new Error("no such thing");
  });
  await bench.stack.close();
  deepStrictEqual(bench.events, ["0 a"]);
  deepStrictEqual(lines, [["closed item from stack", { name: "broken", error: "no such thing" }]]);
});

Deno.test("CloserStack lets an item close the stack and push while it is being closed", async () => {
  using bench = new Bench();
  bench.push("a");
  bench.stack.push("b", async () => {
    throws(() => bench.push("late"));
    void bench.stack.close();
    await bench.clock.sleep(10);
  });
  await bench.stack[Symbol.asyncDispose]();
  deepStrictEqual(bench.events, ["0 late", "10 a"]);
});

Deno.test("CloserStack stops listening to its signal once closed", async () => {
  const abort = new AbortController();
  using bench = new Bench({ signal: abort.signal });
  bench.push("a");
  await bench.stack.close();
  abort.abort();
  deepStrictEqual(bench.events, ["0 a"]);
});

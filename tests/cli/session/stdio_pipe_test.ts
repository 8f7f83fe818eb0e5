/** Raw bytes between standard input, a stream and standard output: order, ends, back-pressure and broken pipes. */
import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { HostError, type HostInput, type HostOutput } from "../../../lib/base/host.ts";
import { EarlyInput, pipeStdio } from "../../../lib/cli/session/stdio_pipe.ts";
import { createBytePipe, type PipeEnd } from "../../support/byte_pipe.ts";

const bytesOf = (words: string) => new TextEncoder().encode(words);

/** A standard input that the test feeds. */
class Keyboard implements HostInput {
  readonly isTerminal = false;
  /** Reads so far. */
  reads = 0;
  readonly #queue: (Uint8Array | null | Error)[] = [];
  #wake: (() => void) | undefined;

  feed(what: string | Uint8Array | null | Error): void {
    this.#queue.push(typeof what === "string" ? bytesOf(what) : what);
    this.#wake?.();
  }

  async read(into: Uint8Array): Promise<number | null> {
    this.reads++;
    while (this.#queue.length === 0) await new Promise<void>((resolve) => this.#wake = resolve);
    const next = this.#queue.shift();
    if (next instanceof Error) throw next;
    if (next === undefined || next === null) return null;
    into.set(next);
    return next.length;
  }

  size(): undefined {
    return undefined;
  }

  enterRawMode(): () => void {
    return () => {};
  }
}

class Screen implements HostOutput {
  readonly isTerminal = false;
  readonly written: string[] = [];
  /** Thrown by the next write. */
  failure: Error | undefined;
  /** While set, writes wait. */
  gate: Promise<void> | undefined;

  size(): undefined {}

  async write(bytes: Uint8Array): Promise<void> {
    const words = new TextDecoder().decode(bytes);
    await this.gate;
    if (this.failure !== undefined) throw this.failure;
    this.written.push(words);
  }

  print(): void {}
}

function pipe(near: PipeEnd, input: EarlyInput, output: HostOutput, signal?: AbortSignal) {
  return pipeStdio(near, { input, output, signal: signal ?? new AbortController().signal });
}

async function settle(): Promise<void> {
  for (let i = 0; i < 50; i++) await Promise.resolve();
}

async function readAll(end: PipeEnd): Promise<string> {
  let words = "";
  const chunk = new Uint8Array(65_536);
  for (let n = await end.read(chunk); n !== null; n = await end.read(chunk)) {
    words += new TextDecoder().decode(chunk.subarray(0, n));
  }
  return words;
}

Deno.test("EarlyInput reads before anybody asks, and gives it in order", async () => {
  const keyboard = new Keyboard();
  const input = new EarlyInput(keyboard);
  strictEqual(keyboard.reads, 1);
  keyboard.feed("SSH-2.0-x");
  keyboard.feed("more");
  keyboard.feed(null);
  await input.ended;
  const got: string[] = [];
  for (let chunk = await input.pull(); chunk; chunk = await input.pull()) {
    got.push(new TextDecoder().decode(chunk));
  }
  deepStrictEqual(got, ["SSH-2.0-x", "more"]);
  strictEqual(await input.pull(), null);
});

Deno.test("EarlyInput tells the end at once, whatever is still unread", async () => {
  const keyboard = new Keyboard();
  const input = new EarlyInput(keyboard);
  keyboard.feed("unread");
  keyboard.feed(null);
  await input.ended;
});

Deno.test("EarlyInput tells a failure to read, behind what was read: it is no end", async () => {
  const keyboard = new Keyboard();
  const input = new EarlyInput(keyboard);
  keyboard.feed("before");
  keyboard.feed(new HostError("other", "read standard input: input/output error"));
  await input.ended;
  strictEqual((await input.pull())?.length, 6);
  await rejects(input.pull(), /read standard input: input\/output error/);
  await rejects(input.pull(), HostError);
});

Deno.test("EarlyInput takes a connection that was reset for its end: whoever wrote has gone", async () => {
  const keyboard = new Keyboard();
  const input = new EarlyInput(keyboard);
  keyboard.feed(new HostError("broken-pipe", "read standard input: connection reset by peer"));
  await input.ended;
  strictEqual(await input.pull(), null);
});

Deno.test("EarlyInput reads ahead so far and no further", async () => {
  const keyboard = new Keyboard();
  const input = new EarlyInput(keyboard);
  for (let i = 0; i < 10; i++) keyboard.feed(new Uint8Array(65_536));
  await settle();
  strictEqual(keyboard.reads, 4); // 256 KB are queued
  await input.pull();
  await settle();
  strictEqual(keyboard.reads, 5);
});

Deno.test("pipeStdio() carries both ways, and the input's end is a half-close", async () => {
  const [near, far] = createBytePipe();
  const keyboard = new Keyboard();
  const screen = new Screen();
  keyboard.feed("question ");
  const piping = pipe(near, new EarlyInput(keyboard), screen);
  keyboard.feed("two");
  keyboard.feed(null);
  strictEqual(await readAll(far), "question two");
  // Our direction is over; theirs is not.
  await far.write(bytesOf("answer"));
  await far.closeWrite();
  deepStrictEqual(await piping, { kind: "ended" });
  strictEqual(screen.written.join(""), "answer");
});

Deno.test("pipeStdio() ends with the workspace's end, though standard input goes on", async () => {
  const [near, far] = createBytePipe();
  const screen = new Screen();
  const piping = pipe(near, new EarlyInput(new Keyboard()), screen);
  await far.write(bytesOf("bye"));
  await far.closeWrite();
  deepStrictEqual(await piping, { kind: "ended" });
  strictEqual(screen.written.join(""), "bye");
});

Deno.test("pipeStdio() tells a stream that is lost, with its reason", async () => {
  const [near, far] = createBytePipe();
  const piping = pipe(near, new EarlyInput(new Keyboard()), new Screen());
  await settle();
  far.lose("the agent was restarted");
  deepStrictEqual(await piping, { kind: "lost", message: "the agent was restarted" });
});

Deno.test("pipeStdio(): a stream lost while its input waits is told once, and nothing is unhandled", async () => {
  const [near, far] = createBytePipe({ bufferBytes: 4 });
  const keyboard = new Keyboard();
  keyboard.feed("more than four bytes");
  const piping = pipe(near, new EarlyInput(keyboard), new Screen());
  await settle();
  far.lose("gone");
  deepStrictEqual(await piping, { kind: "lost", message: "gone" });
});

Deno.test("pipeStdio(): when nobody reads our output any more the stream is reset", async () => {
  const [near, far] = createBytePipe();
  const screen = new Screen();
  screen.failure = new HostError("broken-pipe", "write to standard output: broken pipe");
  const piping = pipe(near, new EarlyInput(new Keyboard()), screen);
  await far.write(bytesOf("x"));
  deepStrictEqual(await piping, { kind: "unread" });
  strictEqual((await near.closed).kind, "aborted");
});

Deno.test("pipeStdio(): a failure of a standard stream that is no broken pipe is told, and resets the stream", async (t) => {
  const full = new HostError("no-space", "write to standard output: no space left on device");
  const broken = new HostError("other", "read standard input: input/output error");
  await t.step("output", async () => {
    const [near, far] = createBytePipe();
    const screen = new Screen();
    screen.failure = full;
    const piping = pipe(near, new EarlyInput(new Keyboard()), screen);
    await far.write(bytesOf("x"));
    deepStrictEqual(await piping, { kind: "failed", error: full });
    strictEqual((await far.closed).kind, "reset");
  });
  await t.step("input", async () => {
    const [near, far] = createBytePipe();
    const keyboard = new Keyboard();
    keyboard.feed("half a que");
    keyboard.feed(broken);
    deepStrictEqual(await pipe(near, new EarlyInput(keyboard), new Screen()), {
      kind: "failed",
      error: broken,
    });
    strictEqual((await far.closed).kind, "reset");
  });
});

Deno.test("pipeStdio() stops at its signal, though nobody reads the output", async () => {
  const [near, far] = createBytePipe();
  const screen = new Screen();
  screen.gate = new Promise(() => {});
  const stop = new AbortController();
  const piping = pipe(near, new EarlyInput(new Keyboard()), screen, stop.signal);
  await far.write(bytesOf("x"));
  await settle();
  stop.abort();
  deepStrictEqual(await piping, { kind: "stopped" });
});

Deno.test("pipeStdio() lets other failures through", async () => {
  const [near, far] = createBytePipe();
  const screen = new Screen();
  screen.failure = new RangeError("a mistake of ours");
  const piping = pipe(near, new EarlyInput(new Keyboard()), screen);
  await far.write(bytesOf("x"));
  await rejects(piping, RangeError);
});

Deno.test("pipeStdio(): output that is taken slowly holds the stream up", async () => {
  const [near, far] = createBytePipe({ bufferBytes: 1_000 });
  const screen = new Screen();
  const gate = Promise.withResolvers<void>();
  screen.gate = gate.promise;
  const piping = pipe(near, new EarlyInput(new Keyboard()), screen);
  let isWritten = false;
  const writing = far.write(new Uint8Array(10_000).fill(65)).then(() => isWritten = true);
  await settle();
  ok(!isWritten);
  gate.resolve();
  await writing;
  await far.closeWrite();
  deepStrictEqual(await piping, { kind: "ended" });
  strictEqual(screen.written.join("").length, 10_000);
});

/** What leaves through the standard streams: all of it, in order, or a failure; and nobody is held up who should not be. */
import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { HostError } from "../../lib/base/host.ts";
import {
  type OutputStream,
  standardInput,
  StandardOutput,
  type StandardOutputOptions,
} from "../../lib/io/std_streams.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A stream that takes what it is told to take, then what its script says. */
class ScriptedStream implements OutputStream {
  text = "";
  /** Each write takes so many bytes, or fails. Then all is taken. */
  readonly script: (number | Error)[];
  readonly calls: string[] = [];
  readonly #isTerminal: boolean;
  /** While set, asynchronous writes wait. */
  gate: Promise<void> | undefined;

  constructor(script: readonly (number | Error)[] = [], options: { isTerminal?: boolean } = {}) {
    this.script = [...script];
    this.#isTerminal = options.isTerminal ?? false;
  }

  isTerminal(): boolean {
    return this.#isTerminal;
  }

  async write(bytes: Uint8Array): Promise<number> {
    this.calls.push("write");
    await this.gate;
    return this.#take(bytes);
  }

  writeSync(bytes: Uint8Array): number {
    this.calls.push("writeSync");
    return this.#take(bytes);
  }

  #take(bytes: Uint8Array): number {
    const next = this.script.shift() ?? bytes.length;
    if (next instanceof Error) throw next;
    const taken = bytes.subarray(0, next);
    this.text += decoder.decode(taken);
    return taken.length;
  }
}

function output(
  stream: ScriptedStream,
  options: Partial<StandardOutputOptions> = {},
): StandardOutput {
  const name = "standard output";
  const terminal = { isRaw: false };
  const blocking = {
    ready() {
      stream.calls.push("ready");
      return Promise.resolve(() => void stream.calls.push("again"));
    },
  };
  return new StandardOutput(stream, { name, terminal, blocking, ...options });
}

const WOULD_BLOCK = new Deno.errors.WouldBlock("Resource temporarily unavailable (os error 11)");

Deno.test("StandardOutput.write() goes on behind what was taken", async () => {
  const stream = new ScriptedStream([1, 3, 2]);
  await output(stream).write(encoder.encode("abcdefgh"));
  strictEqual(stream.text, "abcdefgh");
});

Deno.test("StandardOutput.write() tries again what would block, until it is taken", async () => {
  const stream = new ScriptedStream([WOULD_BLOCK, 2, WOULD_BLOCK, WOULD_BLOCK, 1]);
  await output(stream).write(encoder.encode("abcdef"));
  strictEqual(stream.text, "abcdef");
  ok(stream.calls.includes("ready"));
});

Deno.test("StandardOutput.write() of a stream with a buffer makes it block first, and again before each write", async () => {
  const stream = new ScriptedStream();
  const stdout = output(stream, { isBuffered: true });
  await stdout.write(encoder.encode("a"));
  await stdout.write(encoder.encode("b"));
  deepStrictEqual(stream.calls, ["ready", "again", "write", "again", "write"]);
});

Deno.test("StandardOutput.write() of a stream with a buffer fails aloud when it would block all the same", async () => {
  const stdout = output(new ScriptedStream([WOULD_BLOCK]), { isBuffered: true });
  await rejects(stdout.write(encoder.encode("a")), {
    name: "HostError",
    code: "other",
    message: "write to standard output: resource temporarily unavailable",
  });
});

for (
  const { name, error, code, message } of [
    {
      name: "a full disk",
      error: new Error("No space left on device (os error 28)"),
      code: "no-space",
      message: "write to standard output: no space left on device",
    },
    {
      name: "a reader that has gone",
      error: new Deno.errors.BrokenPipe("Broken pipe (os error 32)"),
      code: "broken-pipe",
      message: "write to standard output: broken pipe",
    },
    {
      name: "a socket whose reader has gone",
      error: new Deno.errors.ConnectionReset("Connection reset by peer (os error 104)"),
      code: "broken-pipe",
      message: "write to standard output: connection reset by peer",
    },
    {
      name: "a disk that is broken",
      error: new Error("Input/output error (os error 5)"),
      code: "other",
      message: "write to standard output: input/output error",
    },
    {
      name: "a quota",
      error: new Error("Disk quota exceeded (os error 122)"),
      code: "other",
      message: "write to standard output: disk quota exceeded",
    },
  ] as const
) {
  Deno.test(`StandardOutput.write() tells ${name}`, async () => {
    const stdout = output(new ScriptedStream([1, error]));
    await rejects(stdout.write(encoder.encode("abc")), { name: "HostError", code, message });
  });
}

Deno.test("StandardOutput.print() writes on a terminal at once, elsewhere without holding up the program", async () => {
  const screen = new ScriptedStream([], { isTerminal: true });
  output(screen).print("now");
  strictEqual(screen.text, "now");
  const pipe = new ScriptedStream();
  const stderr = output(pipe);
  stderr.print("later");
  await stderr.flush();
  deepStrictEqual([pipe.text, pipe.calls], ["later", ["write"]]);
});

Deno.test("StandardOutput.print() on a terminal that would block comes in order, and before what is written then", async () => {
  const stream = new ScriptedStream([1, WOULD_BLOCK, WOULD_BLOCK], { isTerminal: true });
  const stderr = output(stream);
  stderr.print("abc");
  stderr.print("def");
  await stderr.write(encoder.encode("ghi"));
  strictEqual(stream.text, "abcdefghi");
});

Deno.test("StandardOutput.print() comes behind a write that is under way", async () => {
  const stream = new ScriptedStream([], { isTerminal: true });
  const gate = Promise.withResolvers<void>();
  stream.gate = gate.promise;
  const stdout = output(stream);
  const writing = stdout.write(encoder.encode("drawn"));
  stdout.print("restored");
  gate.resolve();
  await writing;
  await stdout.flush();
  strictEqual(stream.text, "drawnrestored");
});

Deno.test("StandardOutput.print() of a stream with a buffer makes it block first", async () => {
  const stream = new ScriptedStream([], { isTerminal: true });
  const stdout = output(stream, { isBuffered: true });
  stdout.print("a");
  await stdout.flush();
  stdout.print("b");
  deepStrictEqual(stream.calls, ["ready", "again", "write", "again", "writeSync"]);
});

Deno.test("StandardOutput.print() returns the carriage in raw mode, on a terminal only", async () => {
  const terminal = { isRaw: true };
  const screen = new ScriptedStream([], { isTerminal: true });
  output(screen, { terminal }).print("a\nb\r\n");
  strictEqual(screen.text, "a\r\nb\r\n");
  const log = new ScriptedStream();
  const stderr = output(log, { terminal });
  stderr.print("a\nb\n");
  await stderr.flush();
  strictEqual(log.text, "a\nb\n");
});

Deno.test("StandardOutput.print() keeps a mebibyte for a reader who stands still, and says what it left out", async () => {
  const stream = new ScriptedStream();
  const gate = Promise.withResolvers<void>();
  stream.gate = gate.promise;
  const stderr = output(stream);
  const line = `${"x".repeat(1_023)}\n`;
  for (let i = 0; i < 1_030; i++) stderr.print(line);
  gate.resolve();
  await stderr.flush();
  const told = stream.text.slice(stream.text.lastIndexOf("...") - 1);
  strictEqual(told, "\n... 5 messages were left out here: nobody read them\n");
  strictEqual(stream.text.length, 1_025 * 1_024 + told.length - 1);
});

Deno.test("StandardOutput.print() drops what nobody reads, and goes on", async () => {
  const gone = new Deno.errors.BrokenPipe("Broken pipe (os error 32)");
  const stderr = output(new ScriptedStream([gone]));
  stderr.print("a");
  stderr.print("b");
  await stderr.flush();
  const screen = new ScriptedStream([gone], { isTerminal: true });
  output(screen).print("a");
  strictEqual(screen.text, "");
});

Deno.test("standardInput().read() tells a failure in words", async () => {
  for (
    const [error, code, message] of [
      [
        new Error("Input/output error (os error 5)"),
        "other",
        "read standard input: input/output error",
      ],
      [new Error("Is a directory (os error 21)"), "other", "read standard input: is a directory"],
      [
        new Deno.errors.ConnectionReset("Connection reset by peer (os error 104)"),
        "broken-pipe",
        "read standard input: connection reset by peer",
      ],
    ] as const
  ) {
    const blocked = Promise.withResolvers<void>();
    const stdin = standardInput({
      isTerminal: () => false,
      read: () => Promise.reject(error),
    }, {
      terminal: { isRaw: false },
      blocking: {
        ready() {
          blocked.resolve();
          return Promise.resolve(() => {});
        },
      },
    });
    await rejects(stdin.read(new Uint8Array(1)), { name: "HostError", code, message });
    await rejects(stdin.read(new Uint8Array(1)), HostError);
    await blocked.promise; // made to block beside the first read
  }
});

const LAUNCHER = new URL("../support/nonblocking.ts", import.meta.url).pathname;
const WRITER = new URL("./stream_writer.ts", import.meta.url).pathname;

/** Runs the writer behind the launcher with the permissions that the README names. */
async function writeNonblocking(
  { kind, stream, total, step }: {
    readonly kind: "pipe" | "socket";
    readonly stream: string;
    readonly total: number;
    readonly step: number;
  },
): Promise<{ readonly code: number; readonly text: string }> {
  const deno = [Deno.execPath(), "run", "--no-check", "--no-prompt"];
  const [program = "", ...args] = [
    ...[...deno, "--allow-ffi", "--allow-run", LAUNCHER, kind, stream === "stdout" ? "1" : "2"],
    ...[...deno, "--allow-net", "--allow-env", "--allow-read", "--allow-write", "--allow-run"],
    ...["--allow-sys", WRITER, stream, String(total), String(step)],
  ];
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args,
    env: { NO_COLOR: "1" },
    stdin: "null",
  }).output();
  return { code, text: decoder.decode(stream === "stdout" ? stdout : stderr) };
}

for (
  const { name, kind, stream, total, step } of [
    // Text of lines is what Deno's own buffer divides; each size meets it in another place.
    { name: "small pieces", kind: "pipe", stream: "stdout", total: 300_000, step: 100 },
    {
      name: "pieces like its buffer",
      kind: "pipe",
      stream: "stdout",
      total: 1_000_000,
      step: 1_500,
    },
    { name: "pieces like a pipe", kind: "pipe", stream: "stdout", total: 9_000_000, step: 70_000 },
    { name: "a socket", kind: "socket", stream: "stdout", total: 9_000_000, step: 70_000 },
    { name: "errors", kind: "pipe", stream: "stderr", total: 3_000_000, step: 70_000 },
    { name: "messages", kind: "pipe", stream: "print", total: 900_000, step: 1_000 },
  ] as const
) {
  Deno.test({
    name: `A non-blocking ${kind} gets every byte once and in order: ${name}`,
    ignore: Deno.build.os !== "linux",
    async fn() {
      const { code, text } = await writeNonblocking({ kind, stream, total, step });
      strictEqual(code, 7, text.slice(0, 1_000));
      ok(text.length >= total, `${text.length} bytes`);
      let at = 0;
      for (let line = 0; at < text.length; line++) {
        const wanted = `${line}\n`;
        if (!text.startsWith(wanted, at)) {
          strictEqual(text.slice(at, at + 40), wanted, `line ${line}`);
        }
        at += wanted.length;
      }
    },
  });
}

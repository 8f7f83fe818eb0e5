/**
 * Programs under test: started with their own environment, read as they write, ended by their own pid. Whoever waits for
 * output waits for the event, with a limit; when the limit strikes, the message holds what the program said so far.
 */
import { createHash } from "node:crypto";
import { concatBytes } from "../../lib/base/bytes.ts";

/** Of what a program prints at most this much is kept; bulk is digested, not kept. */
const MAX_KEPT_BYTES = 4 * 1024 * 1024;
const DEFAULT_LIMIT_MS = 60_000;
/** How long streams may stay open after the program was killed: a child of it may hold them. */
const DRAIN_MS = 5_000;

export interface StartOptions {
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** What is on standard input: a pipe that the test writes, or nothing. @default "pipe" */
  readonly stdin?: "pipe" | "null";
  /** Digest standard output instead of keeping it. @default false */
  readonly isBulk?: boolean;
  /** After this time the program is killed and whoever waits for it gets an error. @default 60 s */
  readonly limitMs?: number;
}

export interface Exit {
  /** Exit status; 128 + n when signal n ended it. */
  readonly code: number;
  readonly signal: string | null;
  /** Standard output as text; empty in bulk mode. */
  readonly stdout: string;
  readonly stderr: string;
  /** Standard output, whatever the mode. */
  readonly bytes: number;
  readonly sha256: string;
}

/** One output stream, read as it comes. */
export class Output {
  readonly ended: Promise<void>;
  readonly #keeps: boolean;
  readonly #hash = createHash("sha256");
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #chunks: Uint8Array[] = [];
  #kept = 0;
  #bytes = 0;
  #searched = 0;
  #isEnded = false;
  #digest: string | undefined;
  readonly #waiting = new Set<() => void>();

  constructor(stream: ReadableStream<Uint8Array>, options: { readonly keeps: boolean }) {
    this.#keeps = options.keeps;
    this.#reader = stream.getReader();
    this.ended = this.#read();
  }

  get bytes(): number {
    return this.#bytes;
  }

  get sha256(): string {
    this.#digest ??= this.#hash.digest("hex");
    return this.#digest;
  }

  raw(): Uint8Array {
    const all = concatBytes(...this.#chunks);
    this.#chunks = [all];
    return all;
  }

  text(): string {
    return new TextDecoder().decode(this.raw());
  }

  /** Resolves with the match when what came since the last match holds `pattern`; rejects at the end of the stream. */
  async until(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const text = this.text();
      const match = pattern.exec(text.slice(this.#searched));
      if (match !== null) {
        this.#searched += match.index + match[0].length;
        return match;
      }
      await this.#more(`${pattern}`);
    }
  }

  /** Resolves when at least `count` bytes came in all. */
  async untilBytes(count: number): Promise<void> {
    while (this.#bytes < count) await this.#more(`${count} bytes`);
  }

  cancel(): Promise<void> {
    return this.#reader.cancel();
  }

  async #more(what: string): Promise<void> {
    if (this.#isEnded) {
      throw new Error(`The output ended before ${what}: ${excerpt(this.text())}`);
    }
    await new Promise<void>((resolve) => this.#waiting.add(resolve));
  }

  async #read(): Promise<void> {
    for (;;) {
      const { done, value } = await this.#reader.read();
      if (done) break;
      this.#bytes += value.length;
      this.#hash.update(value);
      if (this.#keeps && this.#kept < MAX_KEPT_BYTES) {
        this.#chunks.push(value);
        this.#kept += value.length;
      }
      this.#wake();
    }
    this.#isEnded = true;
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }
}

/** A running program. Disposing it kills what still runs. */
export class Process implements AsyncDisposable {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly argv: readonly string[];
  readonly #child: Deno.ChildProcess;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array> | undefined;
  readonly #limit: ReturnType<typeof setTimeout>;
  #drain: ReturnType<typeof setTimeout> | undefined;
  #isTimedOut = false;
  #isInputClosed = false;
  #isOver = false;
  #exit: Promise<Exit> | undefined;

  constructor(argv: readonly string[], options: StartOptions) {
    const { env, cwd, stdin = "pipe", isBulk = false, limitMs = DEFAULT_LIMIT_MS } = options;
    this.argv = argv;
    // The shell only finds the program and becomes it: one more program need not be named in the permissions.
    this.#child = new Deno.Command("sh", {
      args: ["-c", 'exec "$0" "$@"', ...argv],
      env,
      clearEnv: true,
      stdin: stdin === "pipe" ? "piped" : "null",
      stdout: "piped",
      stderr: "piped",
      ...(cwd === undefined ? {} : { cwd }),
    }).spawn();
    this.#stdin = stdin === "pipe" ? this.#child.stdin.getWriter() : undefined;
    this.stdout = new Output(this.#child.stdout, { keeps: !isBulk });
    this.stderr = new Output(this.#child.stderr, { keeps: true });
    this.#limit = setTimeout(() => {
      this.#isTimedOut = true;
      this.#killAndDrain();
    }, limitMs);
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Writes to standard input; resolves when the pipe has taken it. */
  async write(data: string | Uint8Array): Promise<void> {
    if (this.#stdin === undefined) throw new TypeError("Standard input is not a pipe");
    try {
      await this.#stdin.write(typeof data === "string" ? new TextEncoder().encode(data) : data);
    } catch (error) {
      if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
      const { code, stderr } = await this.exit();
      throw new Error(`It ended with status ${code}, not waiting for input: ${excerpt(stderr)}`);
    }
  }

  async closeInput(): Promise<void> {
    if (this.#isInputClosed) return;
    this.#isInputClosed = true;
    try {
      await this.#stdin?.close();
    } catch (error) {
      // The program closed its end first: closed is closed.
      if (!(error instanceof Deno.errors.BrokenPipe) && !(error instanceof TypeError)) throw error;
    }
  }

  /** Writes all of `input`, closes the pipe, and waits for the end. */
  async feed(input: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<Exit> {
    for await (const chunk of input) await this.write(chunk);
    await this.closeInput();
    return await this.exit();
  }

  kill(signal: Deno.Signal): void {
    try {
      this.#child.kill(signal);
    } catch (error) {
      // It has ended by itself meanwhile.
      if (!(error instanceof TypeError) && !(error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  /** Waits for the end of the program and of both streams: all who inherited them have ended, too. */
  exit(): Promise<Exit> {
    this.#exit ??= this.#wait();
    return this.#exit;
  }

  async #wait(): Promise<Exit> {
    const status = await this.#child.status;
    await Promise.all([this.stdout.ended, this.stderr.ended]);
    this.#isOver = true;
    clearTimeout(this.#limit);
    clearTimeout(this.#drain);
    await this.closeInput();
    const exit = {
      code: status.code,
      signal: status.signal,
      stdout: this.stdout.text(),
      stderr: this.stderr.text(),
      bytes: this.stdout.bytes,
      sha256: this.stdout.sha256,
    };
    if (this.#isTimedOut) {
      throw new Error(
        `Out of time: ${this.argv.join(" ")}: ${exit.bytes} bytes on stdout, ${
          excerpt(exit.stdout)
        }; stderr ${excerpt(exit.stderr)}`,
      );
    }
    return exit;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#killAndDrain();
    try {
      await this.exit();
    } catch {
      // Told to whoever waited for it.
    } finally {
      clearTimeout(this.#drain); // it may have been over before it was killed
    }
  }

  #killAndDrain(): void {
    if (this.#isOver) return;
    this.kill("SIGKILL");
    this.#drain ??= setTimeout(() => {
      this.stdout.cancel();
      this.stderr.cancel();
    }, DRAIN_MS);
  }
}

/** The last lines of a text, for messages. */
export function excerpt(text: string): string {
  return JSON.stringify(text.length > 600 ? `…${text.slice(-600)}` : text);
}

/**
 * The standard streams of this process behind `HostInput` and `HostOutput`: the one place that reads and writes them. All that is
 * written arrives or fails aloud, also where a stream was made non-blocking; a reader that does not read holds up
 * its own stream, and not the rest of the program.
 */
import { isDefect } from "../base/errors.ts";
import { HostError, type HostInput, type HostOutput, type TerminalSize } from "../base/host.ts";
import { makeBlocking } from "./blocking.ts";
import { toHostError } from "./host_errors.ts";
import { enterRawMode, leaveRawMode, type TerminalMode, terminalSize } from "./raw_mode.ts";

const STANDARD_FDS = [0, 1, 2];
/** Text for people that nobody has read yet; what comes on top of it is left out, and that is said. */
const MAX_PRINTED_BYTES = 1_024 * 1_024;
/** How soon a stream is tried again that would block although it was made to. */
const RETRY_MS = 5;
/** By then the first requests are under way: nothing waits for what the streams need loaded. */
const PREPARE_MS = 50;

/** Sees to it that the standard streams block. */
export interface Blocking {
  /** Resolves when they do; the result makes sure of it once more. */
  ready(): Promise<() => void>;
}

/** A stream of the platform; `Deno.stdout` fits. */
export interface OutputStream {
  isTerminal(): boolean;
  write(bytes: Uint8Array): Promise<number>;
  writeSync(bytes: Uint8Array): number;
}

/** `Deno.stdin` fits. */
export interface InputStream {
  isTerminal(): boolean;
  read(into: Uint8Array): Promise<number | null>;
}

export interface StandardStreams {
  readonly stdin: HostInput;
  readonly stdout: StandardOutput;
  readonly stderr: StandardOutput;
}

/** The streams of this process. Nothing is read, written or loaded before the first call of one of them. */
export function standardStreams(terminal: TerminalMode): StandardStreams {
  let made: Promise<() => void> | undefined;
  const blocking = { ready: () => made ??= makeBlocking(STANDARD_FDS) };
  return {
    stdin: standardInput(Deno.stdin, { terminal, blocking }),
    // Deno writes to standard output through a buffer of its own.
    stdout: new StandardOutput(Deno.stdout, {
      name: "standard output",
      terminal,
      blocking,
      isBuffered: true,
    }),
    stderr: new StandardOutput(Deno.stderr, { name: "standard error", terminal, blocking }),
  };
}

export function standardInput(
  stream: InputStream,
  { terminal, blocking }: { readonly terminal: TerminalMode; readonly blocking: Blocking },
): HostInput {
  let isPrepared = false;
  return {
    get isTerminal() {
      return stream.isTerminal();
    },
    async read(into) {
      if (!isPrepared) {
        isPrepared = true;
        // A read that spins for want of input comes to rest. A failure is told by the first write.
        setTimeout(() => blocking.ready().catch(() => {}), PREPARE_MS);
      }
      try {
        return await stream.read(into);
      } catch (error) {
        throw toHostError("read standard input", error);
      }
    },
    size: () => terminalSize(stream),
    enterRawMode() {
      enterRawMode(terminal);
      return () => leaveRawMode(terminal);
    },
  };
}

export interface StandardOutputOptions {
  /** As errors call it. */
  readonly name: string;
  readonly terminal: TerminalMode;
  readonly blocking: Blocking;
  /** Whether a write that would block may have kept some of the bytes: it must not come to that. @default false */
  readonly isBuffered?: boolean;
}

export class StandardOutput implements HostOutput {
  readonly #stream: OutputStream;
  readonly #options: StandardOutputOptions;
  readonly #encoder = new TextEncoder();
  /** Printed, and not yet taken. */
  #printed: Uint8Array[] = [];
  #printedBytes = 0;
  #leftOut = 0;
  #printing: Promise<void> | undefined;
  /** A write under way; it never rejects. */
  #writing: Promise<void> | undefined;
  #makeSureItBlocks: (() => void) | undefined;

  constructor(stream: OutputStream, options: StandardOutputOptions) {
    this.#stream = stream;
    this.#options = options;
  }

  get isTerminal(): boolean {
    return this.#stream.isTerminal();
  }

  size(): TerminalSize | undefined {
    return terminalSize(this.#stream);
  }

  async write(bytes: Uint8Array): Promise<void> {
    // What was printed before comes before.
    if (this.#printing !== undefined) await this.flush();
    const writing = this.#writeAll(bytes);
    this.#writing = writing.then(nothing, nothing); // told to the caller
    try {
      await writing;
    } finally {
      this.#writing = undefined;
    }
  }

  print(text: string): void {
    const { terminal } = this.#options;
    const { isTerminal } = this;
    // In raw mode a line feed alone does not return to the first column.
    const isRaw = terminal.isRaw && isTerminal;
    let bytes = this.#encoder.encode(isRaw ? text.replaceAll(/\r?\n/g, "\r\n") : text);
    // On a terminal in step with whatever else is drawn there. Others may have a reader who stands still.
    if (isTerminal && this.#isFree()) bytes = this.#writeNow(bytes);
    if (bytes.length === 0) return;
    if (this.#printedBytes + bytes.length > MAX_PRINTED_BYTES) {
      this.#leftOut++;
      return;
    }
    this.#printed.push(bytes);
    this.#printedBytes += bytes.length;
    this.#printing ??= this.#printAll();
  }

  /** Resolves when what was printed was taken, or nobody takes it any more. */
  async flush(): Promise<void> {
    while (this.#printing !== undefined) await this.#printing;
  }

  /** Whether nothing is under way, and a write that would block cannot keep some of the bytes. */
  #isFree(): boolean {
    if (this.#printing !== undefined || this.#writing !== undefined) return false;
    this.#makeSureItBlocks?.();
    return this.#options.isBuffered !== true || this.#makeSureItBlocks !== undefined;
  }

  /** Writes what can be written at once; the rest. */
  #writeNow(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
    let rest = bytes.slice();
    try {
      while (rest.length > 0) rest = rest.subarray(this.#stream.writeSync(rest));
      return rest;
    } catch (error) {
      if (error instanceof Deno.errors.WouldBlock) return rest;
      // Nobody reads what is printed for people: not worth dying for.
      if (isDefect(error)) throw error;
      return rest.subarray(rest.length);
    }
  }

  async #printAll(): Promise<void> {
    if (this.#writing !== undefined) await this.#writing;
    try {
      for (let next = this.#nextPrinted(); next !== undefined; next = this.#nextPrinted()) {
        await this.#writeAll(next);
      }
    } catch (error) {
      // As above: it is dropped, with all that waits behind it.
      if (!(error instanceof HostError)) throw error;
      this.#printed = [];
      this.#printedBytes = 0;
      this.#leftOut = 0;
    } finally {
      this.#printing = undefined;
    }
  }

  #nextPrinted(): Uint8Array | undefined {
    const next = this.#printed.shift();
    if (next !== undefined) {
      this.#printedBytes -= next.length;
      return next;
    }
    if (this.#leftOut === 0) return undefined;
    const line = `... ${this.#leftOut} messages were left out here: nobody read them\n`;
    this.#leftOut = 0;
    return this.#encoder.encode(line);
  }

  async #writeAll(bytes: Uint8Array): Promise<void> {
    const { name, blocking, isBuffered = false } = this.#options;
    if (isBuffered) this.#makeSureItBlocks ??= await blocking.ready();
    this.#makeSureItBlocks?.();
    for (let at = 0; at < bytes.length;) {
      try {
        at += await this.#stream.write(at === 0 ? bytes : bytes.subarray(at));
      } catch (error) {
        if (isBuffered || !(error instanceof Deno.errors.WouldBlock)) {
          throw toHostError(`write to ${name}`, error);
        }
        this.#makeSureItBlocks ??= await blocking.ready();
        this.#makeSureItBlocks();
        await new Promise<void>((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }
}

function nothing(): void {}

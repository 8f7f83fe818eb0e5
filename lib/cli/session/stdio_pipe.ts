/**
 * Raw bytes between standard input and output and a stream to the workspace (`--stdio`, `-W`). Standard input is read from
 * the first instant: OpenSSH speaks first, and when it goes away before there is a session nobody waits for one.
 */
import { type ByteStream, StreamError } from "../../base/stream.ts";
import type { HostInput, HostOutput } from "../../base/host.ts";
import { HostError } from "../../base/host.ts";

/** Read ahead of the stream at most this much; then reading waits. */
const MAX_QUEUED_BYTES = 262_144;
const CHUNK_BYTES = 65_536;

/** How a pipe ended. */
export type PipeEnd =
  /** The workspace ended the stream, after all it sent was written out. */
  | { readonly kind: "ended" }
  /** The stream broke; what it was is in one line. */
  | { readonly kind: "lost"; readonly message: string }
  /** Nobody reads our output any more. */
  | { readonly kind: "unread" };

/** Standard input, read ahead into a bounded queue. */
export class EarlyInput {
  readonly #input: HostInput;
  readonly #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #isEnded = false;
  #wakeReader: (() => void) | undefined;
  #wakeWriter: (() => void) | undefined;
  readonly #ended = Promise.withResolvers<void>();

  /** Starts reading at once. */
  constructor(input: HostInput) {
    this.#input = input;
    this.#readLoop().then(() => this.#end(), () => this.#end());
  }

  /** Resolves when standard input is at its end, whatever is still queued. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /** The next bytes, `null` after the last ones. */
  async pull(): Promise<Uint8Array | null> {
    for (;;) {
      const chunk = this.#queue.shift();
      if (chunk !== undefined) {
        this.#queuedBytes -= chunk.length;
        this.#wakeWriter?.();
        return chunk;
      }
      if (this.#isEnded) return null;
      await new Promise<void>((resolve) => this.#wakeReader = resolve);
    }
  }

  async #readLoop(): Promise<void> {
    const chunk = new Uint8Array(CHUNK_BYTES);
    for (;;) {
      const count = await this.#input.read(chunk);
      if (count === null) return;
      this.#queue.push(chunk.slice(0, count));
      this.#queuedBytes += count;
      this.#wakeReader?.();
      while (this.#queuedBytes >= MAX_QUEUED_BYTES) {
        await new Promise<void>((resolve) => this.#wakeWriter = resolve);
      }
    }
  }

  #end(): void {
    this.#isEnded = true;
    this.#wakeReader?.();
    this.#ended.resolve();
  }
}

/**
 * Carries bytes both ways until the workspace ends the stream. The end of `input` becomes a half-close, so that what is
 * still on its way back arrives.
 */
export async function pipeStdio(
  stream: ByteStream,
  input: EarlyInput,
  output: HostOutput,
): Promise<PipeEnd> {
  // The way up ends with the stream at the latest; its failure is the stream's and is told by the way down.
  const up = copyUp(input, stream).catch((error) => {
    if (!(error instanceof StreamError)) throw error;
  });
  const chunk = new Uint8Array(CHUNK_BYTES);
  try {
    for (;;) {
      const count = await stream.read(chunk);
      if (count === null) return { kind: "ended" };
      await output.write(chunk.subarray(0, count));
    }
  } catch (error) {
    if (error instanceof StreamError) return { kind: "lost", message: error.message };
    if (error instanceof HostError) {
      stream.abort("Nobody reads the output");
      return { kind: "unread" };
    }
    throw error;
  } finally {
    // Not awaited: it may hang in a read of standard input that nobody can interrupt.
    up.catch(() => stream.abort("Cannot read standard input"));
  }
}

async function copyUp(input: EarlyInput, stream: ByteStream): Promise<void> {
  for (let chunk = await input.pull(); chunk !== null; chunk = await input.pull()) {
    await stream.write(chunk);
  }
  await stream.closeWrite();
}

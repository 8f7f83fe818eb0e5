/**
 * Raw bytes between standard input and output and a stream to the workspace (`--stdio`). Standard input is read from the first
 * instant: OpenSSH speaks first.
 */
import { untilAborted } from "../../base/abort.ts";
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
  /** Our signal ended it. */
  | { readonly kind: "stopped" }
  /** Nobody reads our output any more. */
  | { readonly kind: "unread" }
  /** One of the standard streams failed; the error says which and why. */
  | { readonly kind: "failed"; readonly error: HostError };

/** Standard input, read ahead into a bounded queue. */
export class EarlyInput {
  readonly #input: HostInput;
  readonly #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #isEnded = false;
  #failure: unknown;
  #wakeReader: (() => void) | undefined;
  #wakeWriter: (() => void) | undefined;
  readonly #ended = Promise.withResolvers<void>();

  /** Starts reading at once. */
  constructor(input: HostInput) {
    this.#input = input;
    this.#readLoop().catch((error: unknown) => this.#failure = error).then(() => this.#end());
  }

  /** Resolves when standard input is at its end or has failed, whatever is still queued. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /** Why it could not be read, once `ended` has resolved. */
  get failure(): unknown {
    return this.#failure;
  }

  /** The next bytes, `null` after the last ones. Rejects, behind what was read before, as the input did. */
  async pull(): Promise<Uint8Array | null> {
    for (;;) {
      const chunk = this.#queue.shift();
      if (chunk !== undefined) {
        this.#queuedBytes -= chunk.length;
        this.#wakeWriter?.();
        return chunk;
      }
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#isEnded) return null;
      await new Promise<void>((resolve) => this.#wakeReader = resolve);
    }
  }

  async #readLoop(): Promise<void> {
    const chunk = new Uint8Array(CHUNK_BYTES);
    for (;;) {
      const count = await this.#read(chunk);
      if (count === null) return;
      this.#queue.push(chunk.slice(0, count));
      this.#queuedBytes += count;
      this.#wakeReader?.();
      while (this.#queuedBytes >= MAX_QUEUED_BYTES) {
        await new Promise<void>((resolve) => this.#wakeWriter = resolve);
      }
    }
  }

  /** An SSH client that died may leave a connection that is reset, instead of an end. */
  async #read(into: Uint8Array): Promise<number | null> {
    try {
      return await this.#input.read(into);
    } catch (error) {
      if (isBrokenPipe(error)) return null;
      throw error;
    }
  }

  #end(): void {
    this.#isEnded = true;
    this.#wakeReader?.();
    this.#ended.resolve();
  }
}

export interface PipeOptions {
  readonly input: EarlyInput;
  readonly output: HostOutput;
  /** Ends the pipe, whoever holds it up; the stream is its owner's to abort. */
  readonly signal: AbortSignal;
}

/**
 * Carries bytes both ways until the workspace ends the stream. The end of `input` becomes a half-close, so that what is
 * still on its way back arrives.
 */
export async function pipeStdio(
  stream: ByteStream,
  { input, output, signal }: PipeOptions,
): Promise<PipeEnd> {
  const failed = Promise.withResolvers<never>();
  let isHalfClosed = false;
  // Not waited for: it may hang in a read of standard input that nobody can interrupt.
  copyUp(input, stream).then(
    () => isHalfClosed = true,
    (error: unknown) => failed.reject(error),
  );
  try {
    await untilAborted(Promise.race([copyDown(stream, output), failed.promise]), signal);
    return { kind: "ended" };
  } catch (error) {
    if (signal.aborted) return { kind: "stopped" };
    if (error instanceof StreamError) {
      // A server that gave up on words it could not read may reset what it has not read. We had said goodbye.
      if (isHalfClosed && error.end.kind === "reset") return { kind: "ended" };
      return { kind: "lost", message: error.message };
    }
    if (!(error instanceof HostError)) throw error;
    const isUnread = isBrokenPipe(error);
    stream.abort(isUnread ? "Nobody reads the output" : error.message);
    return isUnread ? { kind: "unread" } : { kind: "failed", error };
  }
}

async function copyDown(stream: ByteStream, output: HostOutput): Promise<void> {
  const chunk = new Uint8Array(CHUNK_BYTES);
  for (let count = await stream.read(chunk); count !== null; count = await stream.read(chunk)) {
    await output.write(chunk.subarray(0, count));
  }
}

async function copyUp(input: EarlyInput, stream: ByteStream): Promise<void> {
  try {
    for (let chunk = await input.pull(); chunk !== null; chunk = await input.pull()) {
      await stream.write(chunk);
    }
    await stream.closeWrite();
  } catch (error) {
    // The way up ends with the stream at the latest; its failure is the stream's and is told by the way down.
    if (!(error instanceof StreamError)) throw error;
  }
}

function isBrokenPipe(error: unknown): boolean {
  return error instanceof HostError && error.code === "broken-pipe";
}

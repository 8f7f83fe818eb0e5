/**
 * Two `ByteStream`s joined in memory, with a bounded buffer each way: a write waits until its bytes are taken in.
 */
import { type ByteStream, type StreamEnd, StreamError } from "../../lib/base/stream.ts";

const BUFFER_BYTES = 64 * 1024;

export interface BytePipeOptions {
  /** Bytes that one direction holds. @default 65_536 */
  readonly bufferBytes?: number;
  /** Bytes that one read gives at most: 1 splits everything. @default no limit */
  readonly maxReadBytes?: number;
}

/** Two ends: what is written to one is read from the other. */
export function createBytePipe(options: BytePipeOptions = {}): [PipeEnd, PipeEnd] {
  const forth = new Lane(options);
  const back = new Lane(options);
  const a = new PipeEnd(forth, back);
  const b = new PipeEnd(back, forth);
  a.peer = b;
  b.peer = a;
  return [a, b];
}

/** One direction. */
class Lane {
  readonly #limit: number;
  readonly #maxRead: number;
  #chunks: Uint8Array[] = [];
  #bytes = 0;
  isEnded = false;
  /** Nothing of it arrives any more. */
  isFrozen = false;
  /** What was written before anybody held it back: so much may still arrive. */
  #heldBehind: number | undefined;
  #readerBroken: StreamError | undefined;
  #writerBroken: StreamError | undefined;
  #wakeReader: (() => void) | undefined;
  #wakeWriter: (() => void) | undefined;

  constructor(options: BytePipeOptions) {
    this.#limit = options.bufferBytes ?? BUFFER_BYTES;
    this.#maxRead = options.maxReadBytes ?? Infinity;
  }

  async read(into: Uint8Array): Promise<number | null> {
    while (this.#arriving() === 0 || this.isFrozen) {
      if (this.#readerBroken !== undefined) throw this.#readerBroken;
      if (this.isEnded && this.#bytes === 0 && !this.isFrozen) return null;
      await new Promise<void>((resolve) => this.#wakeReader = resolve);
    }
    if (this.#readerBroken !== undefined) throw this.#readerBroken;
    let count = 0;
    const wanted = Math.min(into.length, this.#maxRead, this.#arriving());
    for (let chunk = this.#chunks[0]; chunk !== undefined; chunk = this.#chunks[0]) {
      if (count === wanted) break;
      const part = chunk.subarray(0, wanted - count);
      into.set(part, count);
      count += part.length;
      if (part.length === chunk.length) this.#chunks.shift();
      else this.#chunks[0] = chunk.subarray(part.length);
    }
    this.#bytes -= count;
    if (this.#heldBehind !== undefined) this.#heldBehind -= count;
    this.#wakeWriter?.();
    return count;
  }

  hold(): void {
    this.#heldBehind = this.#bytes;
  }

  letGo(): void {
    this.#heldBehind = undefined;
    this.#wakeReader?.();
  }

  #arriving(): number {
    return this.#heldBehind ?? this.#bytes;
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      if (this.#writerBroken !== undefined) throw this.#writerBroken;
      const part = bytes.slice(at, at + this.#limit - this.#bytes);
      if (part.length > 0) {
        this.#chunks.push(part);
        this.#bytes += part.length;
        at += part.length;
        this.#wakeReader?.();
      } else {
        await new Promise<void>((resolve) => this.#wakeWriter = resolve);
      }
    }
    if (this.#writerBroken !== undefined) throw this.#writerBroken;
  }

  end(): void {
    this.isEnded = true;
    this.#wakeReader?.();
  }

  breakReader(error: StreamError): void {
    this.#readerBroken ??= error;
    this.#drop();
  }

  breakWriter(error: StreamError): void {
    this.#writerBroken ??= error;
    this.#drop();
  }

  #drop(): void {
    this.#chunks = [];
    this.#bytes = 0;
    this.#wakeReader?.();
    this.#wakeWriter?.();
  }
}

export class PipeEnd implements ByteStream {
  readonly closed: Promise<StreamEnd>;
  readonly #resolveClosed: (end: StreamEnd) => void;
  readonly #out: Lane;
  readonly #in: Lane;
  peer: PipeEnd | undefined;
  #isReadEnded = false;

  constructor(out: Lane, incoming: Lane) {
    const { promise, resolve } = Promise.withResolvers<StreamEnd>();
    this.closed = promise;
    this.#resolveClosed = resolve;
    this.#out = out;
    this.#in = incoming;
  }

  async read(into: Uint8Array): Promise<number | null> {
    const count = await this.#in.read(into);
    if (count === null) {
      this.#isReadEnded = true;
      if (this.#out.isEnded) this.#resolveClosed({ kind: "closed" });
    }
    return count;
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#out.write(bytes);
  }

  closeWrite(): Promise<void> {
    this.#out.end();
    if (this.#isReadEnded) this.#resolveClosed({ kind: "closed" });
    return Promise.resolve();
  }

  abort(message = "aborted"): void {
    this.breakWith({ kind: "aborted", message });
    this.peer?.breakWith({ kind: "reset", message: "Connection reset by peer" });
  }

  /** The network under both ends goes away. */
  lose(message = "network is gone"): void {
    this.breakWith({ kind: "lost", message });
    this.peer?.breakWith({ kind: "lost", message });
  }

  /** The network falls silent: from now on nothing arrives on either side, and nobody is told. */
  freeze(): void {
    this.#in.isFrozen = true;
    this.#out.isFrozen = true;
  }

  /** What is written to us from now on waits, until `letGo`. */
  hold(): void {
    this.#in.hold();
  }

  letGo(): void {
    this.#in.letGo();
  }

  breakWith(end: StreamEnd): void {
    const error = new StreamError(end);
    this.#in.breakReader(error);
    this.#out.breakWriter(error);
    this.#resolveClosed(end);
  }
}

/** Counts what is read from `stream` from now on. */
export function countReads(stream: ByteStream): { readonly bytes: number } {
  const reads = { bytes: 0 };
  const read = stream.read.bind(stream);
  stream.read = async (into) => {
    const count = await read(into);
    reads.bytes += count ?? 0;
    return count;
  };
  return reads;
}

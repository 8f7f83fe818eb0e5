/**
 * A `ByteStream` over a Node stream: pull to read, await to write. Used for ssh2's channels.
 * Nothing is read ahead of the caller but what the Node stream itself buffers, so its backpressure stays in force.
 */
import { Buffer } from "node:buffer";
import type { Duplex, Readable } from "node:stream";
import { type ByteStream, type StreamEnd, StreamError } from "../base/stream.ts";

/** The reading half. */
export class NodeSource {
  readonly #node: Readable;
  #isEnded = false;
  #isDiscarding = false;
  #wake: (() => void) | undefined;
  #broken: StreamError | undefined;

  constructor(node: Readable) {
    this.#node = node;
    node.on("readable", () => {
      if (this.#isDiscarding) node.read();
      this.#wakeUp();
    });
    node.on("end", () => {
      this.#isEnded = true;
      this.#wakeUp();
    });
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** As `ByteStream.read`. */
  async read(into: Uint8Array): Promise<number | null> {
    for (;;) {
      const waiting = this.#node.readableLength;
      const chunk: unknown = waiting > 0 ? this.#node.read(Math.min(waiting, into.length)) : null;
      if (chunk instanceof Uint8Array) {
        into.set(chunk);
        return chunk.length;
      }
      if (this.#broken !== undefined) throw this.#broken;
      if (this.#isEnded) return null;
      // Reading past the last byte is what makes a Node stream emit "end".
      if (waiting === 0) this.#node.read();
      if (this.#node.readableLength === 0 && !this.#isEnded) {
        await new Promise<void>((resolve) => this.#wake = resolve);
      }
    }
  }

  /** Rejects reads once everything that was received is read. */
  break(error: StreamError): void {
    this.#broken ??= error;
    this.#wakeUp();
  }

  /** Drops what arrives from now on, so that the stream can come to its end. */
  discard(): void {
    this.#isDiscarding = true;
    this.#node.read();
  }

  #wakeUp(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}

export interface NodeByteStreamOptions {
  /** Gives the stream up at once: it was aborted, or both directions came to their end. */
  readonly release: () => void;
  /** Both directions at their end are not the end yet: the owner says when, with `finish`. @default false */
  readonly isHeldOpen?: boolean;
  /** Resolves when what lies below has room again. @default at once */
  readonly drained?: () => Promise<void>;
}

/** Both halves. Its owner tells it with `finish` how it came to an end. */
export class NodeByteStream implements ByteStream {
  readonly closed: Promise<StreamEnd>;
  readonly #node: Duplex;
  readonly #source: NodeSource;
  readonly #options: NodeByteStreamOptions;
  readonly #resolveClosed: (end: StreamEnd) => void;
  #end: StreamEnd | undefined;
  #rejectWrite: ((error: StreamError) => void) | undefined;
  #closing: Promise<void> | undefined;
  #isWriteEnded = false;

  constructor(node: Duplex, options: NodeByteStreamOptions) {
    const { promise, resolve } = Promise.withResolvers<StreamEnd>();
    this.closed = promise;
    this.#resolveClosed = resolve;
    this.#node = node;
    this.#source = new NodeSource(node);
    this.#options = options;
    node.on("end", () => this.#releaseWhenBothEnded());
    // A write that comes too late is told through its callback; the event says the same again.
    node.on("error", () => {});
  }

  read(into: Uint8Array): Promise<number | null> {
    return this.#source.read(into);
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.#end !== undefined) throw new StreamError(this.#end);
    if (this.#closing !== undefined) throw new TypeError("Cannot write after closeWrite");
    if (bytes.length === 0) return;
    await new Promise<void>((resolve, reject) => {
      // Whatever of it is still waited for, the stream's end ends the wait.
      this.#rejectWrite = reject;
      const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      this.#node.write(view, (error) => {
        if (error) reject(new StreamError({ kind: "reset", message: error.message }));
        else if (this.#options.drained === undefined) resolve();
        else this.#options.drained().then(resolve, reject);
      });
    });
    this.#rejectWrite = undefined;
  }

  closeWrite(): Promise<void> {
    if (this.#end !== undefined) return Promise.resolve();
    this.#closing ??= new Promise<void>((resolve) => {
      this.#node.once("finish", resolve);
      this.closed.then(() => resolve());
      this.#node.end();
    }).then(() => {
      this.#isWriteEnded = true;
      this.#releaseWhenBothEnded();
    });
    return this.#closing;
  }

  abort(message = "Stream was aborted"): void {
    if (this.#end !== undefined) return;
    this.finish({ kind: "aborted", message });
    this.#options.release();
  }

  /** The stream is over in both directions: settles whoever still waits; what was received can still be read. */
  finish(end: StreamEnd): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    if (end.kind !== "closed") this.#source.break(new StreamError(end));
    if (end.kind === "aborted") this.#source.discard();
    this.#rejectWrite?.(new StreamError(end));
    this.#resolveClosed(end);
  }

  #releaseWhenBothEnded(): void {
    if (this.#options.isHeldOpen === true) return;
    if (!this.#isWriteEnded || !this.#source.isEnded || this.#end !== undefined) return;
    this.finish({ kind: "closed" });
    this.#options.release();
  }
}

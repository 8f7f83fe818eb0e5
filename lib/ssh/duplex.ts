/**
 * A Node `Duplex` over a `ByteStream`, for ssh2, which knows Node streams only.
 *
 * ssh2's packet parser is not re-entrant: bytes pushed synchronously inside the other side's `write` end in MAC errors.
 * Here every push happens in the reaction of a promise, so never inside anybody's call.
 * Backpressure: one read is outstanding at most and only while the reader wants more; writes are gathered while one is
 * under way, and `drained()` tells those who write through ssh2, which itself ignores a full stream.
 */
import { Buffer } from "node:buffer";
import { Duplex } from "node:stream";
import type { ByteStream } from "../base/stream.ts";

const READ_BYTES = 64 * 1024;
const HIGH_WATER_BYTES = 256 * 1024;
/**
 * More than this can only be waiting because the other side asks and takes no answers, for what we say
 * of ourselves waits for `drained()`: nothing more is read until it was sent.
 */
const MAX_UNSENT_BYTES = 4 * HIGH_WATER_BYTES;
/** Small packets are joined up to this size, so that a burst of them is one write below. */
const GATHER_BYTES = 64 * 1024;

export interface DuplexOptions {
  /** Whether the end of reading leaves writing open. @default false */
  readonly allowHalfOpen?: boolean;
  /** Called for everything that arrives, before it is parsed. */
  readonly onReceived?: () => void;
  /** Asked before each read: a promise to wait for, when what was received has to be used up first. */
  readonly roomToRead?: () => Promise<void> | undefined;
}

export class ByteStreamDuplex extends Duplex {
  readonly #stream: ByteStream;
  readonly #onReceived: (() => void) | undefined;
  readonly #roomToRead: () => Promise<void> | undefined;
  readonly #buffer = new Uint8Array(READ_BYTES);

  constructor(stream: ByteStream, options: DuplexOptions = {}) {
    super({
      allowHalfOpen: options.allowHalfOpen ?? false,
      readableHighWaterMark: HIGH_WATER_BYTES,
      writableHighWaterMark: HIGH_WATER_BYTES,
    });
    this.#stream = stream;
    this.#onReceived = options.onReceived;
    this.#roomToRead = options.roomToRead ?? (() => undefined);
    // Every channel that waits for room listens for "drain" here.
    this.setMaxListeners(0);
  }

  /** Resolves when less than the high-water mark is waiting to be sent, or nothing can be sent any more. */
  drained(): Promise<void> {
    if (!this.writableNeedDrain || this.destroyed) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        this.off("drain", done);
        this.off("close", done);
        resolve();
      };
      this.on("drain", done);
      this.on("close", done);
    });
  }

  override _read(): void {
    const room = this.#roomToRead() ?? this.#roomToAnswer();
    if (room === undefined) this.#readMore();
    else room.then(() => this.destroyed || this._read());
  }

  #roomToAnswer(): Promise<void> | undefined {
    return this.writableLength < MAX_UNSENT_BYTES ? undefined : this.drained();
  }

  #readMore(): void {
    this.#stream.read(this.#buffer).then(
      (count) => {
        if (this.destroyed) return;
        if (count === null) {
          this.push(null);
          return;
        }
        this.#onReceived?.();
        // A copy: ssh2 keeps slices of what it is given.
        this.push(Buffer.from(this.#buffer.subarray(0, count)));
      },
      (error: unknown) => this.destroy(asError(error)),
    );
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error) => void): void {
    this.#stream.write(chunk).then(() => done(), (error: unknown) => done(asError(error)));
  }

  override _writev(
    items: readonly { readonly chunk: Buffer }[],
    done: (error?: Error) => void,
  ): void {
    this.#writeGathered(items.map((item) => item.chunk)).then(
      () => done(),
      (error: unknown) => done(asError(error)),
    );
  }

  override _final(done: (error?: Error) => void): void {
    this.#stream.closeWrite().then(() => done(), (error: unknown) => done(asError(error)));
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    // After an orderly end of both directions an abort could only cut off what is still in flight.
    const isOrderly = error === null && this.readableEnded && this.writableFinished;
    if (!isOrderly) this.#stream.abort(error?.message);
    done(error);
  }

  async #writeGathered(chunks: readonly Buffer[]): Promise<void> {
    for (let at = 0; at < chunks.length;) {
      const group: Buffer[] = [];
      let bytes = 0;
      for (let chunk = chunks[at]; chunk !== undefined; chunk = chunks[at]) {
        if (group.length > 0 && bytes + chunk.length > GATHER_BYTES) break;
        group.push(chunk);
        bytes += chunk.length;
        at++;
      }
      const first = group[0];
      const joined = group.length === 1 && first !== undefined ? first : Buffer.concat(group);
      await this.#stream.write(joined);
    }
  }
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

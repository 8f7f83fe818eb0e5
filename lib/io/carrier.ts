/** Carries bytes between one connection and one link core: a read loop, and one write at a time of what the core gathered. */
import { messageOf, ProtocolError } from "../base/errors.ts";
import { closeQuietly, type Conn } from "./conn.ts";

/** The side of a link core that faces the socket. */
export interface ByteLink {
  /** The next bytes to write, valid until the second call after this one. */
  takeBatch(): Uint8Array | undefined;
}

export interface CarrierOptions {
  readonly conn: Conn;
  readonly link: ByteLink;
  /** Gets every chunk; borrowed. A `ProtocolError` ends the connection with its message. */
  readonly onBytes: (chunk: Uint8Array) => void;
  /** A write of so many bytes went out: there is room in the batches again. */
  readonly onWritten: (count: number) => void;
  /** Called once, with one line that says why, unless `close` came first. */
  readonly onClosed: (reason: string) => void;
  /**
   * Gets what `onBytes`, `onWritten` or `onClosed` throw besides: a fault of this program, which no other connection mends.
   * The connection is closed then.
   */
  readonly onFault: (error: unknown) => void;
  /** @default 262_144 */
  readonly readChunkBytes?: number;
}

/** Halves the CPU of 64 KB reads on bulk transfers. */
const READ_CHUNK_BYTES = 262_144;
/** A goodbye that nobody reads is not waited for. */
const DRAIN_LIMIT_MS = 1_000;

export class Carrier {
  readonly #options: CarrierOptions;
  #isWriting = false;
  #isClosed = false;
  readonly #reading: Promise<void>;
  #writing: Promise<void> = Promise.resolve();

  /** Starts reading and writing at once. */
  constructor(options: CarrierOptions) {
    this.#options = options;
    this.#reading = this.#readLoop();
    this.kick();
  }

  /** Something may have to be written. */
  kick(): void {
    if (this.#isWriting || this.#isClosed) return;
    const batch = this.#options.link.takeBatch();
    if (batch === undefined) return;
    this.#isWriting = true;
    this.#writing = this.#writeLoop(batch);
  }

  /** Closes the connection; `onClosed` is not called. Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    closeQuietly(this.#options.conn);
  }

  /** Resolves when neither loop runs any more. */
  async ended(): Promise<void> {
    await Promise.all([this.#reading, this.#writing]);
  }

  /** Waits until everything gathered was written, or the connection is over, or the other side reads too slowly for it. */
  async drained(limitMs = DRAIN_LIMIT_MS): Promise<void> {
    this.kick();
    const limit = Promise.withResolvers<void>();
    const timer = setTimeout(limit.resolve, limitMs);
    try {
      await Promise.race([this.#writing, limit.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  async #readLoop(): Promise<void> {
    const { conn, onBytes, readChunkBytes } = this.#options;
    const chunk = new Uint8Array(readChunkBytes ?? READ_CHUNK_BYTES);
    for (;;) {
      let count: number | null;
      try {
        count = await conn.read(chunk);
      } catch (error) {
        return this.#end(messageOf(error));
      }
      if (this.#isClosed) return;
      if (count === null) return this.#end("connection closed by the other side");
      if (!this.#tell(() => onBytes(chunk.subarray(0, count)))) return;
      this.kick();
    }
  }

  async #writeLoop(first: Uint8Array): Promise<void> {
    const { conn, link, onWritten } = this.#options;
    for (let batch: Uint8Array | undefined = first; batch !== undefined;) {
      const { length } = batch;
      try {
        for (let at = 0; at < length;) at += await conn.write(batch.subarray(at));
      } catch (error) {
        return this.#end(messageOf(error));
      }
      if (this.#isClosed || !this.#tell(() => onWritten(length))) return;
      batch = link.takeBatch();
    }
    this.#isWriting = false;
  }

  /** Runs the cores; false when that ended the connection. */
  #tell(work: () => void): boolean {
    try {
      work();
      return !this.#isClosed;
    } catch (error) {
      if (error instanceof ProtocolError) this.#end(error.message);
      else this.#fail(error);
      return false;
    }
  }

  #end(reason: string): void {
    if (this.#isClosed) return;
    this.close();
    try {
      this.#options.onClosed(reason);
    } catch (error) {
      this.#options.onFault(error);
    }
  }

  #fail(error: unknown): void {
    this.close();
    this.#options.onFault(error);
  }
}

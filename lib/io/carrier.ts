/** Carries bytes between one connection and one line: a read loop, and one write at a time of what was gathered for it. */
import { messageOf, ProtocolError } from "../base/errors.ts";
import type { Batch } from "../tailnet/line.ts";
import { closeQuietly, type Conn } from "./conn.ts";

/** The side of a line that faces the socket. */
export interface ByteSource {
  /** The next bytes to write; the one before was released. */
  takeBatch(): Batch | undefined;
}

export interface CarrierOptions {
  readonly conn: Conn;
  readonly source: ByteSource;
  /** Gets every chunk; borrowed. A `ProtocolError` that it throws ends the connection with that message. */
  readonly onBytes: (chunk: Uint8Array) => void;
  /** A write of so many bytes went out, and its batch was released. */
  readonly onWritten: (count: number) => void;
  /** Called once, with one line that says why, unless `close` came first. */
  readonly onClosed: (reason: string) => void;
  /**
   * Something threw what is no fault of the peer or the network: a mistake of ours. The connection is closed; what else
   * must end is the owner's to say. Nothing else is called afterwards.
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
    const batch = this.#options.source.takeBatch();
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

  /** Resolves when neither loop runs any more; never rejects. */
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
    while (!this.#isClosed) {
      let count: number | null;
      try {
        count = await conn.read(chunk);
      } catch (error) {
        return this.#end(messageOf(error));
      }
      if (this.#isClosed) return;
      if (count === null) return this.#end("connection closed by the other side");
      const bytes = chunk.subarray(0, count);
      this.#guard(() => {
        onBytes(bytes);
        this.kick();
      });
    }
  }

  async #writeLoop(first: Batch): Promise<void> {
    const { conn, source, onWritten } = this.#options;
    for (let batch: Batch | undefined = first; batch !== undefined;) {
      const { bytes } = batch;
      try {
        for (let at = 0; at < bytes.length;) {
          at += await conn.write(at === 0 ? bytes : bytes.subarray(at));
        }
      } catch (error) {
        return this.#end(messageOf(error));
      }
      if (this.#isClosed) return;
      const written = batch;
      batch = undefined;
      this.#guard(() => {
        written.release();
        onWritten(bytes.length);
        if (!this.#isClosed) batch = source.takeBatch();
      });
    }
    this.#isWriting = false;
  }

  /** Runs what is not the network's: its failures are not the network's either. */
  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (error instanceof ProtocolError) return this.#end(error.message);
      this.close();
      this.#options.onFault(error);
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
}

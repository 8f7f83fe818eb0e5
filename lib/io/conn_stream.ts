/** A `ByteStream` over a connection of the platform, with the platform's errors in words for people. */
import { isDefect } from "../base/errors.ts";
import { type ByteStream, type StreamEnd, StreamError } from "../base/stream.ts";
import { reasonOf } from "./host_errors.ts";

/** A connection of which one direction can be ended by itself; `Deno.Conn` fits. */
export interface HalfCloseConn {
  read(into: Uint8Array): Promise<number | null>;
  write(bytes: Uint8Array): Promise<number>;
  closeWrite(): Promise<void>;
  close(): void;
}

export class ConnStream implements ByteStream {
  readonly closed: Promise<StreamEnd>;
  readonly #connection: HalfCloseConn;
  readonly #resolveClosed: (end: StreamEnd) => void;
  #end: StreamEnd | undefined;
  #isReadEnded = false;
  #isWriteEnded = false;

  constructor(connection: HalfCloseConn) {
    const { promise, resolve } = Promise.withResolvers<StreamEnd>();
    this.closed = promise;
    this.#resolveClosed = resolve;
    this.#connection = connection;
  }

  async read(into: Uint8Array): Promise<number | null> {
    if (this.#isReadEnded) return null;
    const count = await this.#guard(() => this.#connection.read(into));
    if (count === null) {
      this.#isReadEnded = true;
      this.#finishWhenBothEnded();
    }
    return count;
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      at += await this.#guard(() => this.#connection.write(bytes.subarray(at)));
    }
  }

  async closeWrite(): Promise<void> {
    if (this.#isWriteEnded || this.#end !== undefined) return;
    this.#isWriteEnded = true;
    try {
      await this.#connection.closeWrite();
    } catch (error) {
      // The peer has reset the connection already: `read` will say so.
      if (isDefect(error)) throw error;
    }
    this.#finishWhenBothEnded();
  }

  abort(message = "Connection was aborted"): void {
    this.#finish({ kind: "aborted", message });
  }

  async #guard<Value>(operation: () => Promise<Value>): Promise<Value> {
    if (this.#end !== undefined) throw new StreamError(this.#end);
    try {
      return await operation();
    } catch (error) {
      if (this.#end === undefined) this.#finish({ kind: "reset", message: reasonOf(error) });
      throw new StreamError(this.#end ?? { kind: "reset", message: reasonOf(error) });
    }
  }

  #finishWhenBothEnded(): void {
    if (this.#isReadEnded && this.#isWriteEnded) this.#finish({ kind: "closed" });
  }

  #finish(end: StreamEnd): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    this.#connection.close();
    this.#resolveClosed(end);
  }
}

/** A `ByteStream` over one TCP socket of the network stack. The driver tells it of the socket's events. */
import type { Instant } from "../base/core.ts";
import { type ByteStream, type StreamEnd, StreamError } from "../base/stream.ts";
import type { TcpSocket } from "../netstack/mod.ts";

export interface TcpStreamOwner {
  now(): Instant;
  /** The socket was read or written: packets may have to leave. */
  schedule(): void;
}

type Wake = () => void;

export class TcpStream implements ByteStream {
  readonly closed: Promise<StreamEnd>;
  readonly #socket: TcpSocket;
  readonly #owner: TcpStreamOwner;
  readonly #resolveClosed: (end: StreamEnd) => void;
  #end: StreamEnd | undefined;
  #reader: Wake | undefined;
  #writer: Wake | undefined;

  constructor(socket: TcpSocket, owner: TcpStreamOwner) {
    this.#socket = socket;
    this.#owner = owner;
    const { promise, resolve } = Promise.withResolvers<StreamEnd>();
    this.closed = promise;
    this.#resolveClosed = resolve;
  }

  get roundTripMs(): number | undefined {
    return this.#socket.minRttMs;
  }

  async read(into: Uint8Array): Promise<number | null> {
    for (;;) {
      const count = this.#socket.read(into, this.#owner.now());
      if (count > 0) {
        // A window update may be due.
        this.#owner.schedule();
        return count;
      }
      if (this.#socket.isReadEnded) return null;
      if (this.#end !== undefined) {
        if (this.#end.kind === "closed") return null;
        throw new StreamError(this.#end);
      }
      if (this.#reader !== undefined) throw new TypeError("Cannot read: another read is pending");
      await this.#wait((wake) => this.#reader = wake);
    }
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      if (this.#end !== undefined) throw new StreamError(this.#end);
      const taken = this.#socket.write(at === 0 ? bytes : bytes.subarray(at), this.#owner.now());
      at += taken;
      if (taken > 0) this.#owner.schedule();
      if (at === bytes.length) return;
      if (this.#writer !== undefined) throw new TypeError("Cannot write: another write is pending");
      await this.#wait((wake) => this.#writer = wake);
    }
  }

  closeWrite(): Promise<void> {
    if (this.#end === undefined) {
      this.#socket.shutdownWrite(this.#owner.now());
      this.#owner.schedule();
    }
    return Promise.resolve();
  }

  abort(message = "Stream was given up"): void {
    if (this.#end !== undefined) return;
    this.#socket.abort(this.#owner.now());
    this.finish({ kind: "aborted", message });
    this.#owner.schedule();
  }

  /** The socket has something to read, or its end. */
  handleReadable(): void {
    const reader = this.#reader;
    this.#reader = undefined;
    reader?.();
  }

  /** The socket takes bytes again. */
  handleWritable(): void {
    const writer = this.#writer;
    this.#writer = undefined;
    writer?.();
  }

  /** The socket is over, or the network under it is gone. Idempotent. */
  finish(end: StreamEnd): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    this.#resolveClosed(end);
    // Readers look again: what was received before the end is still theirs.
    this.handleReadable();
    this.handleWritable();
  }

  #wait(register: (wake: Wake) => void): Promise<void> {
    return new Promise((resolve) => register(resolve));
  }
}

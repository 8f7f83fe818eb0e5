/** A stream to the agent through the process that holds the tunnel: one connection to it for each. */
import { ExpectedError } from "../base/errors.ts";
import { type ByteStream, type StreamEnd, StreamError } from "../base/stream.ts";
import { FrameType, MAX_PAYLOAD_BYTES } from "../sharing/frame.ts";
import { decodeEnd } from "../sharing/message.ts";
import type { FramedSocket } from "./framed_socket.ts";

/** Told how many bytes went by. */
export interface Meter {
  bytesIn: number;
  bytesOut: number;
}

/** A holder that ends in order says why. */
export const HOLDER_GONE = {
  kind: "lost",
  message: "The process that held the shared tunnel has gone",
} as const satisfies StreamEnd;

export class SharedStream implements ByteStream {
  readonly closed: Promise<StreamEnd>;
  readonly #resolveClosed: (end: StreamEnd) => void;
  readonly #socket: FramedSocket;
  readonly #meter: Meter;
  #end: StreamEnd | undefined;
  #isReadEnded = false;
  #isWriteEnded = false;
  /**
   * What came and was not read yet. One piece, which is the socket's own, so that nothing more is read from it meanwhile; or
   * copies of the last pieces there are.
   */
  #unread: Uint8Array[] = [];
  /** Nothing goes out any more: what is still to come is little, and its end says why. */
  #isEnding = false;
  #wakeReader: (() => void) | undefined;
  #wakePump: (() => void) | undefined;

  /** `socket` is past `opened`. */
  constructor(socket: FramedSocket, meter: Meter) {
    const { promise, resolve } = Promise.withResolvers<StreamEnd>();
    this.closed = promise;
    this.#resolveClosed = resolve;
    this.#socket = socket;
    this.#meter = meter;
  }

  /** Carries what comes from the holder until the end. Rejects only by a mistake of ours. */
  async run(): Promise<void> {
    try {
      await this.#pump();
    } catch (error) {
      const message = error instanceof ExpectedError ? error.message : HOLDER_GONE.message;
      this.#finish({ kind: "lost", message });
      if (!(error instanceof ExpectedError)) throw error;
    }
  }

  async read(into: Uint8Array): Promise<number | null> {
    for (;;) {
      const [bytes] = this.#unread;
      if (bytes !== undefined) {
        const count = Math.min(bytes.length, into.length);
        into.set(bytes.subarray(0, count));
        if (count < bytes.length) this.#unread[0] = bytes.subarray(count);
        else this.#unread.shift();
        if (this.#unread.length === 0) this.#wakePump?.();
        return count;
      }
      if (this.#isReadEnded || this.#end?.kind === "closed") return null;
      if (this.#end !== undefined) throw new StreamError(this.#end);
      await new Promise<void>((resolve) => this.#wakeReader = resolve);
    }
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; at += MAX_PAYLOAD_BYTES) {
      if (this.#end !== undefined) throw new StreamError(this.#end);
      const part = bytes.subarray(at, at + MAX_PAYLOAD_BYTES);
      await this.#send(FrameType.data, part);
      this.#meter.bytesOut += part.length;
    }
  }

  async closeWrite(): Promise<void> {
    if (this.#isWriteEnded || this.#end !== undefined) return;
    this.#isWriteEnded = true;
    await this.#socket.send(FrameType.fin).catch((error: unknown) => {
      // Whoever reads is told why.
      if (!(error instanceof StreamError)) throw error;
    });
  }

  abort(message = "Connection was aborted"): void {
    this.#unread = [];
    this.#finish({ kind: "aborted", message });
  }

  async #send(type: FrameType, payload: Uint8Array): Promise<void> {
    try {
      await this.#socket.send(type, payload);
    } catch (error) {
      if (!(error instanceof StreamError)) throw error;
      // The holder's last word, which may say why, is read by the pump, which may be waiting for a reader.
      this.#readOn();
      throw new StreamError(await this.closed);
    }
  }

  async #pump(): Promise<void> {
    while (this.#end === undefined) {
      const frame = await this.#socket.next();
      if (frame === undefined) return this.#finish(HOLDER_GONE);
      switch (frame.type) {
        case FrameType.data:
          this.#meter.bytesIn += frame.payload.length;
          if (frame.payload.length > 0) await this.#offer(frame.payload);
          break;
        case FrameType.fin:
          this.#isReadEnded = true;
          this.#wakeReader?.();
          break;
        case FrameType.ended:
          return this.#finish(decodeEnd(frame.payload));
      }
    }
  }

  /** Waits until the reader has taken `bytes`, or there is nobody to take them any more. */
  async #offer(bytes: Uint8Array): Promise<void> {
    if (this.#end !== undefined) return;
    if (this.#isEnding) {
      this.#unread.push(bytes.slice());
      this.#wakeReader?.();
      return;
    }
    this.#unread = [bytes];
    const taken = new Promise<void>((resolve) => this.#wakePump = resolve);
    this.#wakeReader?.();
    await taken;
  }

  /** From now on the pump waits for nobody. */
  #readOn(): void {
    this.#isEnding = true;
    this.#unread = this.#unread.map((bytes) => bytes.slice());
    this.#wakePump?.();
  }

  #finish(end: StreamEnd): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    this.#socket.close();
    this.#wakeReader?.();
    this.#wakePump?.();
    this.#resolveClosed(end);
  }
}

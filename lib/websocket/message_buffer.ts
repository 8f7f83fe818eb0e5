/** Puts a fragmented message together, within a bound. The buffer grows with what came, not with what was announced. */
import { WebsocketError } from "./errors.ts";

const INITIAL_BYTES = 4096;

export class MessageBuffer {
  readonly #maxBytes: number;
  #buffer = new Uint8Array(0);
  #length = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get isEmpty(): boolean {
    return this.#length === 0;
  }

  /** Throws `WebsocketError` (close code 1009) if the message would be too long with `moreBytes`. */
  assertFits(moreBytes: number): void {
    if (this.#length + moreBytes <= this.#maxBytes) return;
    throw new WebsocketError(
      `Cannot read websocket message: ${this.#length + moreBytes} bytes exceed ${this.#maxBytes}`,
      { code: "message-too-large", spec: "RFC 6455 §10.4", closeCode: 1009 },
    );
  }

  /** Appends a copy of `piece`. Returns the message so far as a view; after a `final` piece the buffer begins anew. */
  append(piece: Uint8Array, final: boolean): Uint8Array {
    const filled = this.#length + piece.length;
    if (filled > this.#buffer.length) {
      const size = Math.max(
        INITIAL_BYTES,
        filled,
        Math.min(2 * this.#buffer.length, this.#maxBytes),
      );
      const grown = new Uint8Array(size);
      grown.set(this.#buffer.subarray(0, this.#length));
      this.#buffer = grown;
    }
    this.#buffer.set(piece, this.#length);
    this.#length = final ? 0 : filled;
    return this.#buffer.subarray(0, filled);
  }
}

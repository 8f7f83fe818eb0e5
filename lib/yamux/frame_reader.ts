/**
 * Cuts a byte stream into yamux headers and pieces of bodies, however it was chunked. Bodies are handed out piece by
 * piece as they arrive, so that no frame is ever buffered whole.
 */
import { decodeHeader, FrameType, HEADER_BYTES } from "./frame.ts";
import type { FrameHeader } from "./frame.ts";

export type FramePiece =
  | { readonly kind: "header"; readonly header: FrameHeader }
  /** A view into the chunk; belongs to the last header. `isLast` closes the frame. */
  | { readonly kind: "body"; readonly bytes: Uint8Array; readonly isLast: boolean };

const EMPTY = new Uint8Array(0);

export class FrameReader {
  readonly #header = new Uint8Array(HEADER_BYTES);
  #headerBytes = 0;
  #bodyBytesLeft = 0;
  #chunk: Uint8Array = EMPTY;
  #at = 0;

  /** Takes the next chunk, borrowed until `next` has returned `undefined`. */
  push(chunk: Uint8Array): void {
    this.#chunk = this.#at < this.#chunk.length
      ? concat(this.#chunk.subarray(this.#at), chunk)
      : chunk;
    this.#at = 0;
  }

  /** The next piece, or `undefined` when the chunk is used up. Throws `YamuxError` for a header that is none. */
  next(): FramePiece | undefined {
    if (this.#bodyBytesLeft > 0) return this.#nextBody();
    const count = Math.min(HEADER_BYTES - this.#headerBytes, this.#chunk.length - this.#at);
    this.#header.set(this.#chunk.subarray(this.#at, this.#at + count), this.#headerBytes);
    this.#headerBytes += count;
    this.#at += count;
    if (this.#headerBytes < HEADER_BYTES) {
      this.#release();
      return undefined;
    }
    this.#headerBytes = 0;
    const header = decodeHeader(this.#header);
    if (header.type === FrameType.data) this.#bodyBytesLeft = header.length;
    return { kind: "header", header };
  }

  #nextBody(): FramePiece | undefined {
    const count = Math.min(this.#bodyBytesLeft, this.#chunk.length - this.#at);
    if (count === 0) {
      this.#release();
      return undefined;
    }
    const bytes = this.#chunk.subarray(this.#at, this.#at + count);
    this.#at += count;
    this.#bodyBytesLeft -= count;
    return { kind: "body", bytes, isLast: this.#bodyBytesLeft === 0 };
  }

  #release(): void {
    this.#chunk = EMPTY;
    this.#at = 0;
  }
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const joined = new Uint8Array(a.length + b.length);
  joined.set(a);
  joined.set(b, a.length);
  return joined;
}

/**
 * Cuts a stream of JSON values, arrays or objects with or without white space between them (RFC 8259), at their ends,
 * however the stream is split or merged. Inside a value it looks at strings and brackets only: the rest is the parser's.
 */
import { ProtocolError } from "../../base/errors.ts";

/** Bytes of one value: some 1,700 nodes. */
export const MAX_VALUE_BYTES = 1024 * 1024;
/** A list of nodes has three levels. */
export const MAX_DEPTH = 8;

const MIN_BUFFER_BYTES = 1024;
const DECODER = new TextDecoder();

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPENERS: ReadonlySet<number> = new Set([0x5b, 0x7b]);
const CLOSERS: ReadonlySet<number> = new Set([0x5d, 0x7d]);
const WHITE_SPACE: ReadonlySet<number> = new Set([0x20, 0x09, 0x0a, 0x0d]);

export class JsonValues {
  readonly #opener: number;
  /** The beginning of a value whose end has not come, in `#held` bytes of it. */
  #buffer = new Uint8Array(MIN_BUFFER_BYTES);
  #held = 0;
  #depth = 0;
  #isInString = false;
  #isEscaped = false;

  /** Takes arrays, or objects, and nothing else. */
  constructor(kind: "arrays" | "objects") {
    this.#opener = kind === "arrays" ? 0x5b : 0x7b;
  }

  /** The texts of the values that end in `chunk`, borrowed. Throws `ProtocolError`: the stream is of no use any more. */
  push(chunk: Uint8Array): string[] {
    const texts: string[] = [];
    let start = 0;
    for (const [at, byte] of chunk.entries()) {
      if (this.#depth === 0) {
        start = at;
        if (WHITE_SPACE.has(byte)) continue;
        if (byte !== this.#opener) throw broken(`a value begins with byte ${byte}`);
      }
      this.#step(byte);
      if (this.#depth > 0) continue;
      this.#keep(chunk.subarray(start, at + 1));
      texts.push(DECODER.decode(this.#buffer.subarray(0, this.#held)));
      this.#held = 0;
    }
    if (this.#depth > 0) this.#keep(chunk.subarray(start));
    return texts;
  }

  #keep(piece: Uint8Array): void {
    const bytes = this.#held + piece.length;
    if (bytes > MAX_VALUE_BYTES) throw broken(`a value exceeds ${MAX_VALUE_BYTES} bytes`);
    if (bytes > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(bytes, 2 * this.#buffer.length));
      larger.set(this.#buffer.subarray(0, this.#held));
      this.#buffer = larger;
    }
    this.#buffer.set(piece, this.#held);
    this.#held = bytes;
  }

  #step(byte: number): void {
    if (this.#isEscaped) this.#isEscaped = false;
    else if (this.#isInString) {
      if (byte === BACKSLASH) this.#isEscaped = true;
      else if (byte === QUOTE) this.#isInString = false;
    } else if (byte === QUOTE) this.#isInString = true;
    else if (OPENERS.has(byte)) {
      this.#depth++;
      if (this.#depth > MAX_DEPTH) throw broken(`a value has more than ${MAX_DEPTH} levels`);
    } else if (CLOSERS.has(byte)) this.#depth--;
  }
}

/** What breaks a stream of values. */
export function broken(why: string, cause?: unknown): ProtocolError {
  return new ProtocolError(`Cannot read the coordinator's JSON: ${why}`, {
    code: "bad-json",
    spec: "RFC 8259",
    ...(cause === undefined ? {} : { cause }),
  });
}

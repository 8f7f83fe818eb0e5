/**
 * Reads protobuf's wire format (protobuf.dev, "Encoding"), one message at a time: a tag, then whatever the generated code says
 * that field is. What it does not know, or knows with another wire type, it skips.
 *   tag: varint of field number << 3 | wire type        varint: 7 bits a byte, lowest first, the top bit for "more follows"
 * Everything is bounded: varints in bytes, groups in depth, and a message in its fields, before anything is made of them.
 */
import { ProtocolError } from "../base/errors.ts";

/** Bytes that are no message of the expected type. */
export class ProtobufError extends ProtocolError {
  override name = "ProtobufError";
}

/**
 * More fields than this, those of its messages and lists included, are no message that anyone sends: an update of all peers that
 * upstream puts into one, or a map of hundreds of relays, stays below. Two bytes can be a field of a hundred in memory.
 */
export const MAX_FIELDS = 65_536;
const MAX_GROUP_DEPTH = 32;
const MAX_VARINT_BYTES = 10;
const LITTLE_ENDIAN = true;

const WIRE_VARINT = 0;
const WIRE_I64 = 1;
const WIRE_LENGTH = 2;
const WIRE_GROUP = 3;
const WIRE_GROUP_END = 4;
const WIRE_I32 = 5;

/** A fresh reader for each message; `bytes` are borrowed until it is read, what comes out is copied. */
export class ProtobufReader {
  readonly #bytes: Uint8Array;
  readonly #utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  #at = 0;
  /** Where the innermost message under way ends. */
  #end: number;
  #fieldsLeft = MAX_FIELDS;
  /** The last varint, as two unsigned halves. */
  #low = 0;
  #high = 0;
  #tag = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#end = bytes.length;
  }

  /** Number and wire type of the field that must be read, or skipped, next. */
  get tag(): number {
    return this.#tag;
  }

  /** Reads the next tag; false at the end of the message. */
  next(): boolean {
    if (this.#at === this.#end) return false;
    if (this.#fieldsLeft-- === 0) throw broken("too-many-fields", `more than ${MAX_FIELDS} fields`);
    this.#varint();
    // 29 bits of field number, none of them zero.
    if (this.#high !== 0 || this.#low < 8) throw broken("bad-tag", "a field has no number");
    this.#tag = this.#low;
    return true;
  }

  int32(): number {
    this.#varint();
    return this.#low | 0; // what does not fit is cut off, as everybody does
  }

  int64(): bigint {
    this.#varint();
    return (BigInt(this.#high | 0) << 32n) | BigInt(this.#low);
  }

  bool(): boolean {
    this.#varint();
    return (this.#low | this.#high) !== 0;
  }

  double(): number {
    const at = this.#take(8);
    const { buffer, byteOffset } = this.#bytes;
    return new DataView(buffer, byteOffset + at).getFloat64(0, LITTLE_ENDIAN);
  }

  bytes(): Uint8Array<ArrayBuffer> {
    const length = this.#length();
    const at = this.#take(length);
    return this.#bytes.slice(at, at + length);
  }

  string(): string {
    const length = this.#length();
    const at = this.#take(length);
    try {
      return this.#utf8.decode(this.#bytes.subarray(at, at + length));
    } catch (cause) { // a fatal decoder throws for nothing else
      throw broken("bad-utf8", "a text is not UTF-8", cause);
    }
  }

  /** Reads a message with `readFields`, which calls `next` until it is false. */
  message(readFields: () => void): void {
    const length = this.#length();
    const outerEnd = this.#end;
    this.#end = this.#take(length) + length;
    this.#at = this.#end - length;
    readFields();
    this.#end = outerEnd;
  }

  /** Passes over the field whose tag was read. */
  skip(): void {
    this.#skip(this.#tag, 0);
  }

  #skip(tag: number, depth: number): void {
    switch (tag & 7) {
      case WIRE_VARINT:
        return this.#varint();
      case WIRE_I64:
        this.#take(8);
        return;
      case WIRE_LENGTH:
        this.#take(this.#length());
        return;
      case WIRE_GROUP:
        return this.#skipGroup(tag, depth + 1);
      case WIRE_I32:
        this.#take(4);
        return;
      default:
        throw broken("bad-wire-type", `wire type ${tag & 7} at ${this.#at}`);
    }
  }

  /** Groups are of the past, and are passed over as all that is unknown. */
  #skipGroup(tag: number, depth: number): void {
    if (depth > MAX_GROUP_DEPTH) throw broken("bad-group", "groups inside groups");
    const endTag = tag - WIRE_GROUP + WIRE_GROUP_END;
    while (this.next()) {
      if (this.#tag === endTag) return;
      this.#skip(this.#tag, depth);
    }
    throw broken("bad-group", "a group has no end");
  }

  #length(): number {
    this.#varint();
    if (this.#high !== 0) throw broken("truncated", "a length exceeds the message");
    return this.#low;
  }

  /** Moves over `length` bytes; where they begin. */
  #take(length: number): number {
    const at = this.#at;
    if (length > this.#end - at) throw broken("truncated", "a field exceeds the message");
    this.#at = at + length;
    return at;
  }

  #varint(): void {
    let low = 0;
    let high = 0;
    for (let i = 0; i < MAX_VARINT_BYTES; i++) {
      if (this.#at >= this.#end) throw broken("truncated", "a number exceeds the message");
      const byte = this.#bytes[this.#at++] ?? 0;
      const bits = byte & 0x7f;
      if (i < 4) low |= bits << (7 * i);
      else if (i === 4) {
        low |= bits << 28;
        high = bits >>> 4;
      } else high |= bits << (7 * i - 32);
      if (byte < 0x80) {
        if (i === MAX_VARINT_BYTES - 1 && byte > 1) break; // beyond 64 bits
        this.#low = low >>> 0;
        this.#high = high >>> 0;
        return;
      }
    }
    throw broken("bad-varint", "a number has more than 64 bits");
  }
}

function broken(code: string, what: string, cause?: unknown): ProtobufError {
  return new ProtobufError(`Cannot read protobuf: ${what}`, {
    code,
    spec: "protobuf.dev encoding",
    ...(cause === undefined ? {} : { cause }),
  });
}

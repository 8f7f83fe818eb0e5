/**
 * Bytes: hex, comparison, joining, and a reader and writer whose method names carry the byte order.
 * Out-of-range access throws `RangeError`: decoders of datagrams check lengths first, decoders of streams wrap it.
 */

const LITTLE_ENDIAN = true;
const HEX_DIGITS = "0123456789abcdef";

/**
 * Bytes of every key here: private and public keys of X25519, what two of them share, and the keys of the ciphers and
 * hashes that are made of it.
 */
export const KEY_BYTES = 32;

/** Lower-case hexadecimal. */
export function toHex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) {
    text += (HEX_DIGITS[byte >> 4] ?? "") + (HEX_DIGITS[byte & 15] ?? "");
  }
  return text;
}

/** Bytes of `text`, in either case. Throws `TypeError` for an odd length or another character. */
export function fromHex(text: string): Uint8Array<ArrayBuffer> {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) {
    throw new TypeError(
      `Cannot decode hex: ${text.length} characters, not pairs of hexadecimal digits`,
    );
  }
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++) {
    bytes[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16);
  }
  return bytes;
}

/** A new array with all `parts` one after the other. */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let length = 0;
  for (const part of parts) length += part.length;
  const joined = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/** Whether two public values are equal; stops at the first difference. Secrets: `equalSecret`. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) {
    if (a[i] !== b[i]) return false;
  }
  return true;
}

/** Whether two secrets of one length are equal, in time that depends on the length only. */
export function equalSecret(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= (a[i] ?? 0) ^ (b[i] ?? 0);
  return difference === 0;
}

/** Throws unless `bytes` is a `Uint8Array` of `length`; `name` is the argument's name for the message. */
export function assertLength(bytes: Uint8Array, length: number, name: string): void {
  if (!(bytes instanceof Uint8Array)) throw new TypeError(`${name} must be a Uint8Array`);
  if (bytes.length !== length) {
    throw new RangeError(`${name} must have ${length} bytes: has ${bytes.length}`);
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Reads fields one after the other from borrowed bytes. Every method throws `RangeError` past the end. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at: number;

  constructor(bytes: Uint8Array, offset = 0) {
    this.#bytes = bytes;
    this.#view = viewOf(bytes);
    this.#at = offset;
  }

  get offset(): number {
    return this.#at;
  }

  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  u8(): number {
    return this.#view.getUint8(this.#advance(1));
  }

  u16be(): number {
    return this.#view.getUint16(this.#advance(2));
  }

  u16le(): number {
    return this.#view.getUint16(this.#advance(2), LITTLE_ENDIAN);
  }

  u32be(): number {
    return this.#view.getUint32(this.#advance(4));
  }

  u32le(): number {
    return this.#view.getUint32(this.#advance(4), LITTLE_ENDIAN);
  }

  u64be(): bigint {
    return this.#view.getBigUint64(this.#advance(8));
  }

  u64le(): bigint {
    return this.#view.getBigUint64(this.#advance(8), LITTLE_ENDIAN);
  }

  /** A view of the next `count` bytes, which belongs to the array the reader was made from. */
  view(count: number): Uint8Array {
    const at = this.#advance(count);
    return this.#bytes.subarray(at, at + count);
  }

  /** A copy of the next `count` bytes. */
  copy(count: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.view(count));
  }

  skip(count: number): void {
    this.#advance(count);
  }

  #advance(count: number): number {
    const at = this.#at;
    if (count < 0 || at + count > this.#bytes.length) {
      throw new RangeError(`Cannot read ${count} bytes: ${this.#bytes.length - at} remain`);
    }
    this.#at = at + count;
    return at;
  }
}

/** Writes fields one after the other into an array of fixed size. Every method throws `RangeError` past the end. */
export class ByteWriter {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at: number;

  /** Writes into `target`, which stays the caller's, from `offset` on. */
  constructor(target: Uint8Array, offset = 0) {
    this.#bytes = target;
    this.#view = viewOf(target);
    this.#at = offset;
  }

  get offset(): number {
    return this.#at;
  }

  u8(value: number): this {
    this.#view.setUint8(this.#advance(1), value);
    return this;
  }

  u16be(value: number): this {
    this.#view.setUint16(this.#advance(2), value);
    return this;
  }

  u16le(value: number): this {
    this.#view.setUint16(this.#advance(2), value, LITTLE_ENDIAN);
    return this;
  }

  u32be(value: number): this {
    this.#view.setUint32(this.#advance(4), value);
    return this;
  }

  u32le(value: number): this {
    this.#view.setUint32(this.#advance(4), value, LITTLE_ENDIAN);
    return this;
  }

  u64be(value: bigint): this {
    this.#view.setBigUint64(this.#advance(8), value);
    return this;
  }

  u64le(value: bigint): this {
    this.#view.setBigUint64(this.#advance(8), value, LITTLE_ENDIAN);
    return this;
  }

  bytes(source: Uint8Array): this {
    const at = this.#advance(source.length);
    this.#bytes.set(source, at);
    return this;
  }

  zeros(count: number): this {
    const at = this.#advance(count);
    this.#bytes.fill(0, at, at + count);
    return this;
  }

  #advance(count: number): number {
    const at = this.#at;
    if (at + count > this.#bytes.length) {
      throw new RangeError(`Cannot write ${count} bytes: ${this.#bytes.length - at} remain`);
    }
    this.#at = at + count;
    return at;
  }
}

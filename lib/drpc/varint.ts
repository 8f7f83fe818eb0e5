/**
 * Unsigned varints of up to 64 bits: little-endian base 128, high bit set on all bytes but the last
 * (storj/drpc, drpcwire/varint.go `ReadVarint`, `AppendVarint`; the same as in protobuf).
 */
import { violation } from "./errors.ts";

/** Bytes of the longest varint: ⌈64 / 7⌉. */
export const MAX_VARINT_BYTES = 10;

/** What fits into 28 bits needs no `bigint`. */
const SMALL_VARINT_BYTES = 4;
const U64_LIMIT = 1n << 64n;

export interface Varint {
  /** A value beyond 2^53 - 1 is not exact, but is certain to be beyond it. */
  readonly value: number;
  /** How many bytes it took. */
  readonly byteLength: number;
}

/**
 * The varint at `offset` of borrowed bytes, or `undefined` when it goes on behind the end.
 * Throws `DrpcError` when it does not fit into 64 bits.
 */
export function decodeVarint(bytes: Uint8Array, offset: number): Varint | undefined {
  let low = 0;
  for (let i = 0; i < SMALL_VARINT_BYTES; i++) {
    const byte = bytes[offset + i];
    if (byte === undefined) return undefined;
    low |= (byte & 0x7f) << (7 * i);
    if (byte < 0x80) return { value: low, byteLength: i + 1 };
  }
  let value = BigInt(low);
  for (let i = SMALL_VARINT_BYTES; i < MAX_VARINT_BYTES; i++) {
    const byte = bytes[offset + i];
    if (byte === undefined) return undefined;
    value |= BigInt(byte & 0x7f) << BigInt(7 * i);
    if (byte < 0x80) {
      if (value >= U64_LIMIT) break;
      return { value: Number(value), byteLength: i + 1 };
    }
  }
  throw violation("varint-overflow", "varint exceeds 64 bits", "drpcwire ReadVarint");
}

/** The bytes of `value`, which must be a non-negative safe integer (`RangeError` otherwise). */
export function encodeVarint(value: number): number[] {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new RangeError(`value must be a non-negative safe integer: is ${value}`);
  }
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push(rest % 0x80 + 0x80);
    rest = Math.floor(rest / 0x80);
  }
  bytes.push(rest);
  return bytes;
}

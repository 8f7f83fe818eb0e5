/**
 * The Internet checksum (RFC 1071): one's complement sums of 16-bit big-endian words, and copying that sums as well.
 * Works on 32-bit words at any offset, odd ones too; the plain twin, byte by byte, is in `tests/wire/checksum_test.ts`.
 * One call sums at most 65,536 bytes, so that the accumulators stay within 32 bits.
 * Sums here are folded to 16 bits and not complemented, so they can be added; `checksumOf` makes the field.
 */

const LITTLE_ENDIAN = true;

/** Folds carries until the sum fits in 16 bits (RFC 1071 §2). */
function fold(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) folded = (folded & 0xffff) + (folded >>> 16);
  return folded;
}

/** Sum of `length` bytes (at most 65,536) at `offset`, the first byte being the high one of a word. */
export function sumBytes(view: DataView, offset: number, length: number): number {
  const end = offset + length;
  let high = 0;
  let low = 0;
  let at = offset;
  // In the processor's own order: the sum of swapped words is the swapped sum (RFC 1071 §2 (B)).
  for (; at + 16 <= end; at += 16) {
    const first = view.getInt32(at, LITTLE_ENDIAN);
    const second = view.getInt32(at + 4, LITTLE_ENDIAN);
    const third = view.getInt32(at + 8, LITTLE_ENDIAN);
    const fourth = view.getInt32(at + 12, LITTLE_ENDIAN);
    high += (first >>> 16) + (second >>> 16) + (third >>> 16) + (fourth >>> 16);
    low += (first & 0xffff) + (second & 0xffff) + (third & 0xffff) + (fourth & 0xffff);
  }
  for (; at + 2 <= end; at += 2) low += view.getUint16(at, LITTLE_ENDIAN);
  if (at < end) low += view.getUint8(at); // RFC 1071 §4.1: a last odd byte is padded with zero
  return swapSum(fold(high + low));
}

/**
 * Copies `length` bytes (at most 65,536) between views of different buffers and returns their sum, as `sumBytes` would. In two
 * passes: for a full packet 180 ns, where one loop over words that does both takes 310.
 */
export function copyAndSum(
  source: DataView,
  sourceOffset: number,
  target: DataView,
  targetOffset: number,
  length: number,
): number {
  copyBytes(source, sourceOffset, target, targetOffset, length);
  return sumBytes(target, targetOffset, length);
}

/**
 * From here on the engine's own copy is cheaper than a loop, with the two small objects that it wants: 43 ns against 240 for a
 * full packet, where 64 bytes take 29 against 14.
 */
const LONG_COPY_BYTES = 256;

/**
 * Copies `length` bytes between views of different buffers: word by word what is short, as that allocates nothing. Throws
 * `RangeError` past the end of either view.
 */
export function copyBytes(
  source: DataView,
  sourceOffset: number,
  target: DataView,
  targetOffset: number,
  length: number,
): void {
  if (length >= LONG_COPY_BYTES) {
    // Arrays over the same buffers would reach past the ends of the views.
    if (sourceOffset + length > source.byteLength || targetOffset + length > target.byteLength) {
      throw new RangeError(`Cannot copy ${length} bytes past the end of a view`);
    }
    const bytes = new Uint8Array(source.buffer, source.byteOffset + sourceOffset, length);
    new Uint8Array(target.buffer, target.byteOffset + targetOffset, length).set(bytes);
    return;
  }
  const end = sourceOffset + length;
  let from = sourceOffset;
  let to = targetOffset;
  for (; from + 8 <= end; from += 8, to += 8) {
    target.setInt32(to, source.getInt32(from, LITTLE_ENDIAN), LITTLE_ENDIAN);
    target.setInt32(to + 4, source.getInt32(from + 4, LITTLE_ENDIAN), LITTLE_ENDIAN);
  }
  for (; from < end; from++, to++) target.setUint8(to, source.getUint8(from));
}

/** One's complement addition of two sums. */
export function addSums(a: number, b: number): number {
  return fold(a + b);
}

/** The sum of a span as if it had begun at an odd offset (RFC 1071 §2 (B), byte order independence). */
export function swapSum(sum: number): number {
  return ((sum & 0xff) << 8) | (sum >>> 8);
}

/** Sum of a span that was summed in two pieces, the first of `firstBytes`. */
export function joinSums(first: number, firstBytes: number, second: number): number {
  return addSums(first, firstBytes % 2 === 0 ? second : swapSum(second));
}

/** The checksum field for a sum over everything else. */
export function checksumOf(sum: number): number {
  return ~sum & 0xffff;
}

/** Whether a sum that includes the checksum field says that nothing changed on the way. */
export function isIntact(sum: number): boolean {
  return sum === 0xffff;
}

/**
 * Sum of the IPv6 pseudo-header (RFC 8200 §8.1) without the two addresses, whose sum the caller adds:
 * upper-layer length u32 | zero 3 | next header u8.
 */
export function sumOfPseudoHeader(lengthBytes: number, nextHeader: number): number {
  return fold((lengthBytes >>> 16) + (lengthBytes & 0xffff) + nextHeader);
}

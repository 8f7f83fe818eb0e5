/** Cuts byte streams into chunks, for the property that cutting changes nothing. */
import type { SeededRandom } from "./seeded_random.ts";

/** Copies of consecutive parts of `bytes`; lengths from 0 to about `maxBytes`, small ones often. */
export function splitAnyhow(
  bytes: Uint8Array,
  random: SeededRandom,
  maxBytes = 300,
): Uint8Array<ArrayBuffer>[] {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = random.chance(0.3) ? random.below(4) : random.below(maxBytes);
    parts.push(bytes.slice(at, at + length));
    at += length;
  }
  return parts;
}

/** One chunk for each byte. */
export function splitToBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer>[] {
  return Array.from(bytes, (byte) => Uint8Array.of(byte));
}

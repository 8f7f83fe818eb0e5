/**
 * Masking of payloads (RFC 6455 §5.3): byte i is XORed with byte i mod 4 of the key.
 * The fast way goes by aligned 32-bit words, at any offset; its plain twin stands in `tests/websocket/mask_test.ts`.
 */

/** Below this many bytes making a word view costs more than it saves. */
const WORD_PATH_MIN_BYTES = 64;

/**
 * Masks or unmasks `bytes[start..end)` in place. `key` is the mask as sent, read as u32 big-endian.
 * `phase` is how many bytes of the payload came before `start`.
 */
export function applyMask(
  bytes: Uint8Array,
  start: number,
  end: number,
  mask: { readonly key: number; readonly phase: number },
): void {
  let { key, phase } = mask;
  let at = start;
  const wordStart = end - start < WORD_PATH_MIN_BYTES
    ? end
    : start + ((4 - ((bytes.byteOffset + start) & 3)) & 3);
  for (; at < wordStart; at++, phase++) {
    bytes[at] = (bytes[at] ?? 0) ^ maskByte(key, phase);
  }
  if (at === end) return;

  // The key turned to begin at the phase, then in the byte order of memory: every Deno target is little-endian.
  phase &= 3;
  key = phase === 0 ? key : (key << (8 * phase)) | (key >>> (32 - 8 * phase));
  const word = swapBytes(key);
  const wordCount = (end - at) >>> 2;
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset + at, wordCount);
  const unrolledCount = wordCount & ~3;
  let i = 0;
  for (; i < unrolledCount; i += 4) {
    words[i] = (words[i] ?? 0) ^ word;
    words[i + 1] = (words[i + 1] ?? 0) ^ word;
    words[i + 2] = (words[i + 2] ?? 0) ^ word;
    words[i + 3] = (words[i + 3] ?? 0) ^ word;
  }
  for (; i < wordCount; i++) words[i] = (words[i] ?? 0) ^ word;
  for (at += 4 * wordCount, phase = 0; at < end; at++, phase++) {
    bytes[at] = (bytes[at] ?? 0) ^ maskByte(key, phase);
  }
}

function maskByte(key: number, phase: number): number {
  return (key >>> (24 - 8 * (phase & 3))) & 0xff;
}

function swapBytes(word: number): number {
  return ((word & 0xff) << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24);
}

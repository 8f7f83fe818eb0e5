// @ts-nocheck: AssemblyScript, not TypeScript. `../build.ts` compiles it.
/**
 * Where everything lies in the core's memory of 128 KiB. Callers write into what has an `…At` of its own.
 *   0      key 32 | nonce 12 | 4 free | r 16 | s 16 | h 40 | 8 free | block 16 | 112 free | zeros 256 | stream 256 | 256 free
 *   1024   associated data 1024
 *   2048   text 65536 | tag 16 | 256 for overrun
 *   69632  long nonce 24 | 8 free | out 96 | hash state 32 | hash block 64 | mac key 64 | mac inner 32 | scalar 32
 *          | point 32 | field elements 12 × 80
 *   73728  constants (`--memoryBase` of the build)
 * Every operation for handshakes ends with all below the text and from 69632 to the constants wiped, but for `out`.
 */

export const KEY: usize = 0;
export const NONCE: usize = 32;
/** Poly1305 while it runs: r as 4 words, s as 4 words, h as 4 × u64 in [0, 2^35), h4. */
export const POLY_R: usize = 48;
export const POLY_S: usize = 64;
export const POLY_H: usize = 80;
/** 16 bytes: the last block that Poly1305 takes, then its tag. */
export const LAST_BLOCK: usize = 128;
/** Read only: the text that becomes the bare key stream. */
export const ZEROS: usize = 256;
export const STREAM: usize = 512;
export const STREAM_BYTES: usize = 256;
export const AD: usize = 1024;
export const TEXT: usize = 2048;

export const LONG_NONCE: usize = 69632;
export const OUT: usize = LONG_NONCE + 32;
export const HASH_STATE: usize = OUT + 96;
export const HASH_BLOCK: usize = HASH_STATE + 32;
export const MAC_KEY: usize = HASH_BLOCK + 64;
export const MAC_INNER: usize = MAC_KEY + 64;
export const SCALAR: usize = MAC_INNER + 32;
export const POINT: usize = SCALAR + 32;
export const FIELD: usize = POINT + 32;
export const FIELD_BYTES: usize = 80;
const FIELD_ELEMENTS: usize = 12;
const HANDSHAKE_END: usize = FIELD + FIELD_ELEMENTS * FIELD_BYTES;

/** Keys and key stream of a cipher do not outlive the call. */
export function wipeCipher(): void {
  memory.fill(KEY, 0, ZEROS - KEY);
  memory.fill(STREAM, 0, STREAM_BYTES);
}

/** All that hashes, exchanges and boxes left behind, the inputs too; `out` is the caller's to wipe. */
export function wipeHandshake(): void {
  memory.fill(LONG_NONCE, 0, OUT - LONG_NONCE);
  memory.fill(HASH_STATE, 0, HANDSHAKE_END - HASH_STATE);
}

// @ts-nocheck: AssemblyScript, not TypeScript. `../build.ts` compiles it.
/** Poly1305 (RFC 8439 §2.5), scalar, with 32-bit limbs in u64. The key is the beginning of `STREAM`. */
import { LAST_BLOCK, POLY_H, POLY_R, POLY_S, STREAM } from "./layout.ts";

const LOW32: u64 = 0xffffffff;
/** 2^128 above a whole block (RFC 8439 §2.5.1). */
export const WHOLE: u64 = 1;

/** Takes the one-time key from the first 32 bytes of the key stream. */
export function polyBegin(): void {
  store<u32>(POLY_R, load<u32>(STREAM) & 0x0fffffff);
  store<u32>(POLY_R + 4, load<u32>(STREAM + 4) & 0x0ffffffc);
  store<u32>(POLY_R + 8, load<u32>(STREAM + 8) & 0x0ffffffc);
  store<u32>(POLY_R + 12, load<u32>(STREAM + 12) & 0x0ffffffc);
  v128.store(POLY_S, v128.load(STREAM + 16));
  memory.fill(POLY_H, 0, 40);
}

/** Poly1305 over `length` bytes at `at`, padded with zeros to whole blocks (RFC 8439 §2.8). */
export function polyPadded(at: usize, length: usize): void {
  const rest = length & 15;
  const wholeEnd = at + length - rest;
  poly(at, wholeEnd, WHOLE);
  if (rest == 0) return;
  memory.fill(LAST_BLOCK, 0, 16);
  memory.copy(LAST_BLOCK, wholeEnd, rest);
  poly(LAST_BLOCK, LAST_BLOCK + 16, WHOLE);
}

/** Poly1305 over `length` bytes at `at` as they are: a last block that is not whole ends with a 1 (RFC 8439 §2.5.1). */
export function polyBare(at: usize, length: usize): void {
  const rest = length & 15;
  const wholeEnd = at + length - rest;
  poly(at, wholeEnd, WHOLE);
  if (rest == 0) return;
  memory.fill(LAST_BLOCK, 0, 16);
  memory.copy(LAST_BLOCK, wholeEnd, rest);
  store<u8>(LAST_BLOCK + rest, 1);
  poly(LAST_BLOCK, LAST_BLOCK + 16, 0);
}

/**
 * Poly1305 over 16-byte blocks (RFC 8439 §2.5): h = (h + block + high · 2^128) · r mod 2^130 − 5, each time.
 * Limbs of 32 bits, carried once a block. Bounds, in units of 2^60: clamping makes every r < 2^28 and, because r1..r3
 * are multiples of 4, s = 5/4·r exact and < 1.25·2^28, which folds 2^128 back to the bottom. With h1..h3 < 2^33 (text
 * included), h4 ≤ 4 and h0 < 3.57·2^32 no sum exceeds 3.57 + 3 · 2.5 + 1 < 16, so that u64 never wraps. Then
 * d4 < 4·2^28 + 2^32, whence h0 < 2^32 + 5/4·d4 + 2^32 of the next text < 3.57·2^32: the bound holds again.
 */
export function poly(at: usize, end: usize, high: u64): void {
  const r0 = load<u32>(POLY_R) as u64, r1 = load<u32>(POLY_R + 4) as u64, r2 = load<u32>(POLY_R + 8) as u64, r3 = load<u32>(POLY_R + 12) as u64;
  const s1 = r1 + (r1 >> 2), s2 = r2 + (r2 >> 2), s3 = r3 + (r3 >> 2);
  let h0 = load<u64>(POLY_H), h1 = load<u64>(POLY_H + 8), h2 = load<u64>(POLY_H + 16), h3 = load<u64>(POLY_H + 24), h4 = load<u64>(POLY_H + 32);
  while (at < end) {
    h0 += load<u32>(at) as u64;
    h1 += load<u32>(at + 4) as u64;
    h2 += load<u32>(at + 8) as u64;
    h3 += load<u32>(at + 12) as u64;
    h4 += high;
    at += 16;
    const d0 = h0 * r0 + h1 * s3 + h2 * s2 + h3 * s1;
    const d1 = h0 * r1 + h1 * r0 + h2 * s3 + h3 * s2 + h4 * s1 + (d0 >> 32);
    const d2 = h0 * r2 + h1 * r1 + h2 * r0 + h3 * s3 + h4 * s2 + (d1 >> 32);
    const d3 = h0 * r3 + h1 * r2 + h2 * r1 + h3 * r0 + h4 * s3 + (d2 >> 32);
    const d4 = h4 * r0 + (d3 >> 32);
    h4 = d4 & 3;
    h0 = (d0 & LOW32) + (d4 >> 2) + (d4 & ~3);
    h1 = d1 & LOW32;
    h2 = d2 & LOW32;
    h3 = d3 & LOW32;
  }
  store<u64>(POLY_H, h0);
  store<u64>(POLY_H + 8, h1);
  store<u64>(POLY_H + 16, h2);
  store<u64>(POLY_H + 24, h3);
  store<u64>(POLY_H + 32, h4);
}

/** The tag: h mod 2^130 − 5, plus s, modulo 2^128. Into `LAST_BLOCK`. */
export function polyFinish(): void {
  let h0 = load<u64>(POLY_H), h1 = load<u64>(POLY_H + 8), h2 = load<u64>(POLY_H + 16), h3 = load<u64>(POLY_H + 24), h4 = load<u64>(POLY_H + 32);
  h1 += h0 >> 32; h0 &= LOW32;
  h2 += h1 >> 32; h1 &= LOW32;
  h3 += h2 >> 32; h2 &= LOW32;
  h4 += h3 >> 32; h3 &= LOW32;
  // Now h < 2^131 < 2 · (2^130 − 5) + …: once more what is above 2^130 goes back to the bottom.
  h0 += 5 * (h4 >> 2); h4 &= 3;
  h1 += h0 >> 32; h0 &= LOW32;
  h2 += h1 >> 32; h1 &= LOW32;
  h3 += h2 >> 32; h2 &= LOW32;
  h4 += h3 >> 32; h3 &= LOW32;
  // g = h + 5 reaches 2^130 exactly when h ≥ p; then h − p is g without that bit.
  let g0 = h0 + 5, g1 = h1 + (g0 >> 32), g2 = h2 + (g1 >> 32), g3 = h3 + (g2 >> 32);
  const g4 = h4 + (g3 >> 32);
  const takeG = 0 - (g4 >> 2);
  h0 = (h0 & ~takeG) | (g0 & takeG & LOW32);
  h1 = (h1 & ~takeG) | (g1 & takeG & LOW32);
  h2 = (h2 & ~takeG) | (g2 & takeG & LOW32);
  h3 = (h3 & ~takeG) | (g3 & takeG & LOW32);
  h0 += load<u32>(POLY_S) as u64;
  h1 += (load<u32>(POLY_S + 4) as u64) + (h0 >> 32);
  h2 += (load<u32>(POLY_S + 8) as u64) + (h1 >> 32);
  h3 += (load<u32>(POLY_S + 12) as u64) + (h2 >> 32);
  store<u32>(LAST_BLOCK, h0 as u32);
  store<u32>(LAST_BLOCK + 4, h1 as u32);
  store<u32>(LAST_BLOCK + 8, h2 as u32);
  store<u32>(LAST_BLOCK + 12, h3 as u32);
}

/** 1 when the 16 bytes at `at` are the tag in `LAST_BLOCK`, in constant time. */
export function isTag(at: usize): bool {
  const difference = (load<u64>(at) ^ load<u64>(LAST_BLOCK)) |
    (load<u64>(at + 8) ^ load<u64>(LAST_BLOCK + 8));
  return difference == 0;
}

/** Writes the tag in `LAST_BLOCK` to `at`. */
export function storeTag(at: usize): void {
  v128.store(at, v128.load(LAST_BLOCK));
}

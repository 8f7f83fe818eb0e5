// @ts-nocheck: AssemblyScript, not TypeScript. `build.ts` compiles it.
/**
 * ChaCha20-Poly1305 (RFC 8439) as a WebAssembly core with SIMD.
 * The caller writes key, nonce, associated data and text into the memory, calls `seal` or `open`, and reads the text.
 * Four ChaCha20 blocks are computed at once, one per 32-bit lane; Poly1305 is scalar, with 32-bit limbs in u64.
 * No branch and no address depends on a secret.
 *   memory: key 32 | nonce 12 | 4 free | r 16 | s 16 | h 40 | 8 free | block 16 | 112 free | zeros 256 | stream 256
 *           | 256 free | associated data 1024 | text, tag 16 and 256 for overrun up to the end
 */

const KEY: usize = 0;
const NONCE: usize = 32;
/** Poly1305 while it runs: r as 4 words, s as 4 words, h as 4 × u64 in [0, 2^35), h4. */
const POLY_R: usize = 48;
const POLY_S: usize = 64;
const POLY_H: usize = 80;
const LAST_BLOCK: usize = 128;
/** Read only: the text that becomes the bare key stream. */
const ZEROS: usize = 256;
const STREAM: usize = 512;
const AD: usize = 1024;
const TEXT: usize = 2048;

const BATCH_BYTES: usize = 256;
const BLOCK_BYTES: usize = 64;
const LOW32: u64 = 0xffffffff;

export function keyAt(): usize { return KEY; }
export function nonceAt(): usize { return NONCE; }
export function adAt(): usize { return AD; }
export function textAt(): usize { return TEXT; }

/** Encrypts `length` bytes of text in place and writes the tag behind them. */
export function seal(adLength: usize, length: usize): void {
  begin();
  cipher(length);
  authenticate(adLength, length);
  const end = TEXT + length;
  store<u64>(end, load<u64>(LAST_BLOCK));
  store<u64>(end + 8, load<u64>(LAST_BLOCK + 8));
  wipe();
}

/** Verifies the tag behind `length` bytes of text, then decrypts these in place. 0: wrong tag, text untouched. */
export function open(adLength: usize, length: usize): i32 {
  begin();
  authenticate(adLength, length);
  const end = TEXT + length;
  const difference = (load<u64>(end) ^ load<u64>(LAST_BLOCK)) |
    (load<u64>(end + 8) ^ load<u64>(LAST_BLOCK + 8));
  const isRight = difference == 0;
  if (isRight) cipher(length);
  wipe();
  return isRight ? 1 : 0;
}

/** Blocks 0 to 3 of the key stream; block 0 is the one-time key (RFC 8439 §2.6). */
function begin(): void {
  chacha4(0, ZEROS, STREAM);
  store<u32>(POLY_R, load<u32>(STREAM) & 0x0fffffff); // RFC 8439 §2.5
  store<u32>(POLY_R + 4, load<u32>(STREAM + 4) & 0x0ffffffc);
  store<u32>(POLY_R + 8, load<u32>(STREAM + 8) & 0x0ffffffc);
  store<u32>(POLY_R + 12, load<u32>(STREAM + 12) & 0x0ffffffc);
  v128.store(POLY_S, v128.load(STREAM + 16));
  memory.fill(POLY_H, 0, 40);
}

/** XORs the text with the key stream from block 1 on. Overruns `length` by up to 255 bytes. */
function cipher(length: usize): void {
  for (let i: usize = 0; i < BATCH_BYTES - BLOCK_BYTES; i += 16) {
    const at = TEXT + i;
    v128.store(at, v128.xor(v128.load(at), v128.load(STREAM + BLOCK_BYTES + i)));
  }
  let block: u32 = 4;
  const end = TEXT + length;
  for (let at = TEXT + (BATCH_BYTES - BLOCK_BYTES); at < end; at += BATCH_BYTES) {
    chacha4(block, at, at);
    block += 4;
  }
}

/** Leaves the tag of associated data and text in `LAST_BLOCK` (RFC 8439 §2.8). */
function authenticate(adLength: usize, length: usize): void {
  polyPadded(AD, adLength);
  polyPadded(TEXT, length);
  store<u64>(LAST_BLOCK, adLength as u64);
  store<u64>(LAST_BLOCK + 8, length as u64);
  poly(LAST_BLOCK, LAST_BLOCK + 16);
  polyFinish();
}

/** Keys and key stream do not outlive the call. */
function wipe(): void {
  memory.fill(KEY, 0, ZEROS - KEY);
  memory.fill(STREAM, 0, BATCH_BYTES);
}

@inline function add(a: v128, b: v128): v128 { return i32x4.add(a, b); }
// Shifts throughout: a byte shuffle for 16 and 8 measured the same, and a swizzle slower.
@inline function rotl(x: v128, bits: i32): v128 { return v128.or(i32x4.shl(x, bits), i32x4.shr_u(x, 32 - bits)); }

@inline function keyWord(index: usize): v128 { return v128.load32_splat(KEY + 4 * index); }
@inline function nonceWord(index: usize): v128 { return v128.load32_splat(NONCE + 4 * index); }
@inline function blockNumbers(first: u32): v128 { return add(i32x4.splat(first), i32x4(0, 1, 2, 3)); }

/** XORs 256 bytes from `source` to `target` with blocks `first` to `first + 3` of the key stream (RFC 8439 §2.3). */
function chacha4(first: u32, source: usize, target: usize): void {
  let x0 = i32x4.splat(0x61707865), x1 = i32x4.splat(0x3320646e), x2 = i32x4.splat(0x79622d32), x3 = i32x4.splat(0x6b206574);
  let x4 = keyWord(0), x5 = keyWord(1), x6 = keyWord(2), x7 = keyWord(3);
  let x8 = keyWord(4), x9 = keyWord(5), xa = keyWord(6), xb = keyWord(7);
  let xc = blockNumbers(first), xd = nonceWord(0), xe = nonceWord(1), xf = nonceWord(2);

  for (let i = 0; i < 10; ++i) {
    x0 = add(x0, x4); x1 = add(x1, x5); x2 = add(x2, x6); x3 = add(x3, x7);
    xc = rotl(v128.xor(xc, x0), 16); xd = rotl(v128.xor(xd, x1), 16); xe = rotl(v128.xor(xe, x2), 16); xf = rotl(v128.xor(xf, x3), 16);
    x8 = add(x8, xc); x9 = add(x9, xd); xa = add(xa, xe); xb = add(xb, xf);
    x4 = rotl(v128.xor(x4, x8), 12); x5 = rotl(v128.xor(x5, x9), 12); x6 = rotl(v128.xor(x6, xa), 12); x7 = rotl(v128.xor(x7, xb), 12);
    x0 = add(x0, x4); x1 = add(x1, x5); x2 = add(x2, x6); x3 = add(x3, x7);
    xc = rotl(v128.xor(xc, x0), 8); xd = rotl(v128.xor(xd, x1), 8); xe = rotl(v128.xor(xe, x2), 8); xf = rotl(v128.xor(xf, x3), 8);
    x8 = add(x8, xc); x9 = add(x9, xd); xa = add(xa, xe); xb = add(xb, xf);
    x4 = rotl(v128.xor(x4, x8), 7); x5 = rotl(v128.xor(x5, x9), 7); x6 = rotl(v128.xor(x6, xa), 7); x7 = rotl(v128.xor(x7, xb), 7);

    x0 = add(x0, x5); x1 = add(x1, x6); x2 = add(x2, x7); x3 = add(x3, x4);
    xf = rotl(v128.xor(xf, x0), 16); xc = rotl(v128.xor(xc, x1), 16); xd = rotl(v128.xor(xd, x2), 16); xe = rotl(v128.xor(xe, x3), 16);
    xa = add(xa, xf); xb = add(xb, xc); x8 = add(x8, xd); x9 = add(x9, xe);
    x5 = rotl(v128.xor(x5, xa), 12); x6 = rotl(v128.xor(x6, xb), 12); x7 = rotl(v128.xor(x7, x8), 12); x4 = rotl(v128.xor(x4, x9), 12);
    x0 = add(x0, x5); x1 = add(x1, x6); x2 = add(x2, x7); x3 = add(x3, x4);
    xf = rotl(v128.xor(xf, x0), 8); xc = rotl(v128.xor(xc, x1), 8); xd = rotl(v128.xor(xd, x2), 8); xe = rotl(v128.xor(xe, x3), 8);
    xa = add(xa, xf); xb = add(xb, xc); x8 = add(x8, xd); x9 = add(x9, xe);
    x5 = rotl(v128.xor(x5, xa), 7); x6 = rotl(v128.xor(x6, xb), 7); x7 = rotl(v128.xor(x7, x8), 7); x4 = rotl(v128.xor(x4, x9), 7);
  }

  storeQuarter(source, target, 0, add(x0, i32x4.splat(0x61707865)), add(x1, i32x4.splat(0x3320646e)), add(x2, i32x4.splat(0x79622d32)), add(x3, i32x4.splat(0x6b206574)));
  storeQuarter(source, target, 16, add(x4, keyWord(0)), add(x5, keyWord(1)), add(x6, keyWord(2)), add(x7, keyWord(3)));
  storeQuarter(source, target, 32, add(x8, keyWord(4)), add(x9, keyWord(5)), add(xa, keyWord(6)), add(xb, keyWord(7)));
  storeQuarter(source, target, 48, add(xc, blockNumbers(first)), add(xd, nonceWord(0)), add(xe, nonceWord(1)), add(xf, nonceWord(2)));
}

/** Four consecutive words of all four blocks: lanes become blocks again, and go onto the text. */
@inline function storeQuarter(source: usize, target: usize, at: usize, a: v128, b: v128, c: v128, d: v128): void {
  const ab01 = i32x4.shuffle(a, b, 0, 4, 1, 5), ab23 = i32x4.shuffle(a, b, 2, 6, 3, 7);
  const cd01 = i32x4.shuffle(c, d, 0, 4, 1, 5), cd23 = i32x4.shuffle(c, d, 2, 6, 3, 7);
  xorStore(source, target, at, i64x2.shuffle(ab01, cd01, 0, 2));
  xorStore(source, target, at + 64, i64x2.shuffle(ab01, cd01, 1, 3));
  xorStore(source, target, at + 128, i64x2.shuffle(ab23, cd23, 0, 2));
  xorStore(source, target, at + 192, i64x2.shuffle(ab23, cd23, 1, 3));
}

@inline function xorStore(source: usize, target: usize, at: usize, stream: v128): void {
  v128.store(target + at, v128.xor(v128.load(source + at), stream));
}

/** Poly1305 over `length` bytes at `at`, padded with zeros to whole blocks (RFC 8439 §2.8). */
function polyPadded(at: usize, length: usize): void {
  const rest = length & 15;
  const wholeEnd = at + length - rest;
  poly(at, wholeEnd);
  if (rest == 0) return;
  memory.fill(LAST_BLOCK, 0, 16);
  memory.copy(LAST_BLOCK, wholeEnd, rest);
  poly(LAST_BLOCK, LAST_BLOCK + 16);
}

/**
 * Poly1305 over whole 16-byte blocks (RFC 8439 §2.5): h = (h + block + 2^128) · r mod 2^130 − 5, each time.
 * Limbs of 32 bits, carried once a block. Bounds, in units of 2^60: clamping makes every r < 2^28 and, because r1..r3
 * are multiples of 4, s = 5/4·r exact and < 1.25·2^28, which folds 2^128 back to the bottom. With h1..h3 < 2^33 (text
 * included), h4 ≤ 4 and h0 < 3.57·2^32 no sum exceeds 3.57 + 3 · 2.5 + 1 < 16, so that u64 never wraps. Then
 * d4 < 4·2^28 + 2^32, whence h0 < 2^32 + 5/4·d4 + 2^32 of the next text < 3.57·2^32: the bound holds again.
 */
function poly(at: usize, end: usize): void {
  const r0 = load<u32>(POLY_R) as u64, r1 = load<u32>(POLY_R + 4) as u64, r2 = load<u32>(POLY_R + 8) as u64, r3 = load<u32>(POLY_R + 12) as u64;
  const s1 = r1 + (r1 >> 2), s2 = r2 + (r2 >> 2), s3 = r3 + (r3 >> 2);
  let h0 = load<u64>(POLY_H), h1 = load<u64>(POLY_H + 8), h2 = load<u64>(POLY_H + 16), h3 = load<u64>(POLY_H + 24), h4 = load<u64>(POLY_H + 32);
  while (at < end) {
    h0 += load<u32>(at) as u64;
    h1 += load<u32>(at + 4) as u64;
    h2 += load<u32>(at + 8) as u64;
    h3 += load<u32>(at + 12) as u64;
    h4 += 1;
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
function polyFinish(): void {
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

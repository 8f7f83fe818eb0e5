// @ts-nocheck: AssemblyScript, not TypeScript. `../build.ts` compiles it.
/**
 * HSalsa20, and XSalsa20-Poly1305 as NaCl's `crypto_secretbox` has it (D. J. Bernstein, "Cryptography in NaCl", §8 to §10).
 *   box: tag 16 before the text
 * A Salsa20 block is four vectors, the diagonals of its matrix, on which a column round needs no shuffle.
 */
import { KEY, LONG_NONCE, STREAM, TEXT, wipeCipher, wipeHandshake } from "./layout.ts";
import { isTag, polyBare, polyBegin, polyFinish, storeTag } from "./poly1305.ts";

const BLOCK_BYTES: usize = 64;
const KEY_BYTES: usize = 32;
const TAG_BYTES: usize = 16;

/** Encrypts `length` bytes of text in place under key and long nonce, and writes the tag before them. */
export function sealBox(length: usize): void {
  begin();
  cipher(length);
  polyBare(TEXT, length);
  polyFinish();
  storeTag(TEXT - TAG_BYTES);
  wipeCipher();
  wipeHandshake();
}

/** Verifies the tag before `length` bytes of text, then decrypts these in place. 0: wrong tag, text untouched. */
export function openBox(length: usize): i32 {
  begin();
  polyBare(TEXT, length);
  polyFinish();
  const isRight = isTag(TEXT - TAG_BYTES);
  if (isRight) cipher(length);
  wipeCipher();
  wipeHandshake();
  return isRight ? 1 : 0;
}

/** HSalsa20 of key and the first 16 bytes of the long nonce, 32 bytes to `target`: the block without the addition in the end. */
export function hsalsa(target: usize): void {
  salsa(load<u64>(LONG_NONCE), load<u64>(LONG_NONCE + 8));
  const diagonal = i32x4(load<u32>(STREAM), load<u32>(STREAM + 20), load<u32>(STREAM + 40), load<u32>(STREAM + 60));
  v128.store(target, i32x4.sub(diagonal, i32x4(0x61707865, 0x3320646e, 0x79622d32, 0x6b206574)));
  v128.store(target + 16, i32x4.sub(v128.load(STREAM + 24), v128.load(LONG_NONCE)));
}

/** The key of the long nonce's first 16 bytes, and block 0 under the others: the one-time key and the first of the stream. */
function begin(): void {
  hsalsa(KEY);
  salsa(load<u64>(LONG_NONCE + 16), 0);
  polyBegin();
}

/** XORs the text with the key stream from byte 32 on. Overruns `length` by up to 63 bytes. */
function cipher(length: usize): void {
  xorStream(TEXT, KEY_BYTES);
  const end = TEXT + length;
  let block: u64 = 1;
  for (let at = TEXT + BLOCK_BYTES - KEY_BYTES; at < end; at += BLOCK_BYTES) {
    salsa(load<u64>(LONG_NONCE + 16), block);
    xorStream(at, 0);
    block += 1;
  }
}

@inline function xorStream(at: usize, from: usize): void {
  for (let i = from; i < BLOCK_BYTES; i += 16) {
    const to = at + i - from;
    v128.store(to, v128.xor(v128.load(to), v128.load(STREAM + i)));
  }
}

@inline function rotl(x: v128, bits: i32): v128 { return v128.or(i32x4.shl(x, bits), i32x4.shr_u(x, 32 - bits)); }

@inline function key(index: usize): u32 { return load<u32>(KEY + 4 * index); }

/** One block to `STREAM`, of key and the 16 bytes `low` and `high`, little-endian (Salsa20 specification §8, §9). */
function salsa(low: u64, high: u64): void {
  const n0 = low as u32, n1 = (low >> 32) as u32, n2 = high as u32, n3 = (high >> 32) as u32;
  const a0 = i32x4(0x61707865, 0x3320646e, 0x79622d32, 0x6b206574); // x0 x5 x10 x15
  const b0 = i32x4(key(3), n3, key(7), key(2)); // x4 x9 x14 x3
  const c0 = i32x4(n2, key(6), key(1), n1); // x8 x13 x2 x7
  const d0 = i32x4(key(5), key(0), n0, key(4)); // x12 x1 x6 x11
  let a = a0, b = b0, c = c0, d = d0;
  for (let i = 0; i < 10; ++i) {
    b = v128.xor(b, rotl(i32x4.add(a, d), 7));
    c = v128.xor(c, rotl(i32x4.add(b, a), 9));
    d = v128.xor(d, rotl(i32x4.add(c, b), 13));
    a = v128.xor(a, rotl(i32x4.add(d, c), 18));
    // Columns to rows: x1 x6 x11 x12, x2 x7 x8 x13, x3 x4 x9 x14.
    d = i32x4.shuffle(d, d, 1, 2, 3, 0);
    c = i32x4.shuffle(c, c, 2, 3, 0, 1);
    b = i32x4.shuffle(b, b, 3, 0, 1, 2);
    d = v128.xor(d, rotl(i32x4.add(a, b), 7));
    c = v128.xor(c, rotl(i32x4.add(d, a), 9));
    b = v128.xor(b, rotl(i32x4.add(c, d), 13));
    a = v128.xor(a, rotl(i32x4.add(b, c), 18));
    d = i32x4.shuffle(d, d, 3, 0, 1, 2);
    c = i32x4.shuffle(c, c, 2, 3, 0, 1);
    b = i32x4.shuffle(b, b, 1, 2, 3, 0);
  }
  a = i32x4.add(a, a0);
  b = i32x4.add(b, b0);
  c = i32x4.add(c, c0);
  d = i32x4.add(d, d0);
  v128.store(STREAM, lanes(a, d, c, b));
  v128.store(STREAM + 16, lanes(b, a, d, c));
  v128.store(STREAM + 32, lanes(c, b, a, d));
  v128.store(STREAM + 48, lanes(d, c, b, a));
}

/** Lane 0 of the first, 1 of the second, and so on. */
@inline function lanes(p: v128, q: v128, r: v128, s: v128): v128 {
  return i64x2.shuffle(i32x4.shuffle(p, q, 0, 5, 0, 5), i32x4.shuffle(r, s, 2, 7, 2, 7), 0, 2);
}

// @ts-nocheck: AssemblyScript, not TypeScript. `../build.ts` compiles it.
/**
 * BLAKE2s (RFC 7693), HMAC over it (RFC 2104), and WireGuard's KDFs (whitepaper §5.4). Input comes through the text, key through
 * `key` or, for HMAC, padded with zeros to a block in `mac key`. A digest goes to `out`.
 */
import { HASH_BLOCK, HASH_STATE, KEY, MAC_INNER, MAC_KEY, OUT, TEXT, wipeHandshake } from "./layout.ts";

const BLOCK_BYTES: usize = 64;
const DIGEST_BYTES: usize = 32;

/** RFC 7693 §2.7: row r is the permutation of round r, its first entry in the lowest four bits. */
const SIGMA: usize = memory.data<u64>([
  0xfedcba9876543210, 0x357b20c16df984ae, 0x491763eadf250c8b, 0x8f04a562ebcd1397, 0xd386cb1efa427509,
  0x91ef57d438b0a6c2, 0xb8293670a4def15c, 0xa2684f05931ce7bd, 0x5a417d2c803b9ef6, 0x0dc3e9bf5167482a,
]);

/** How many bytes of the block are filled, and how many went before it. */
let filled: usize = 0;
let counted: u64 = 0;

/** Begins a hash of `digestBytes`, keyed with the first `keyBytes` of `key`. */
export function hashBegin(digestBytes: u32, keyBytes: u32): void {
  // RFC 7693 §2.5: one leaf, depth 1.
  store<u32>(HASH_STATE, 0x6a09e667 ^ 0x01010000 ^ (keyBytes << 8) ^ digestBytes);
  store<u32>(HASH_STATE + 4, 0xbb67ae85);
  store<u64>(HASH_STATE + 8, 0xa54ff53a3c6ef372);
  store<u64>(HASH_STATE + 16, 0x9b05688c510e527f);
  store<u64>(HASH_STATE + 24, 0x5be0cd191f83d9ab);
  memory.fill(HASH_BLOCK, 0, BLOCK_BYTES);
  filled = 0;
  counted = 0;
  if (keyBytes == 0) return;
  memory.copy(HASH_BLOCK, KEY, keyBytes);
  memory.fill(KEY, 0, keyBytes);
  filled = BLOCK_BYTES;
}

/** Takes `length` bytes of text, and wipes them. */
export function hashText(length: usize): void {
  take(TEXT, length);
  memory.fill(TEXT, 0, length);
}

/** Writes the digest to `out`. */
export function hashEnd(): void {
  end(OUT);
  wipeHandshake();
}

/** Begins an HMAC; `hashText` gives it its text. */
export function macBegin(): void {
  hashBegin(DIGEST_BYTES as u32, 0);
  takePad(0x36);
}

/** Writes the HMAC to `out`. */
export function macEnd(): void {
  outer(OUT);
  wipeHandshake();
}

/** KDF1 to KDF3: `count` keys to `out`, of `mac key` and `length` bytes of text. */
export function kdf(length: usize, count: u32): void {
  macBegin();
  hashText(length);
  outer(MAC_INNER);
  memory.fill(MAC_KEY, 0, BLOCK_BYTES);
  memory.copy(MAC_KEY, MAC_INNER, DIGEST_BYTES);
  for (let index: u32 = 1; index <= count; ++index) {
    const at = OUT + (index - 1) * DIGEST_BYTES;
    macBegin();
    if (index > 1) take(at - DIGEST_BYTES, DIGEST_BYTES);
    store<u8>(MAC_INNER, index as u8);
    take(MAC_INNER, 1);
    outer(at);
  }
  wipeHandshake();
}

/** The outer half of an HMAC whose inner half has taken all of its text. */
function outer(target: usize): void {
  end(MAC_INNER);
  hashBegin(DIGEST_BYTES as u32, 0);
  takePad(0x5c);
  take(MAC_INNER, DIGEST_BYTES);
  end(target);
}

function takePad(pad: u8): void {
  const pads = i8x16.splat(pad);
  for (let i: usize = 0; i < BLOCK_BYTES; i += 16) v128.store(HASH_BLOCK + i, v128.xor(v128.load(MAC_KEY + i), pads));
  filled = BLOCK_BYTES;
}

/** A full block waits until more comes: only then it is known not to be the last. */
function take(from: usize, length: usize): void {
  while (length > 0) {
    if (filled == BLOCK_BYTES) {
      counted += BLOCK_BYTES;
      compress(0);
      filled = 0;
    }
    const n = min<usize>(BLOCK_BYTES - filled, length);
    memory.copy(HASH_BLOCK + filled, from, n);
    filled += n;
    from += n;
    length -= n;
  }
}

/** All of the state, whatever the length of the digest: the caller takes what it asked for. */
function end(target: usize): void {
  memory.fill(HASH_BLOCK + filled, 0, BLOCK_BYTES - filled);
  counted += filled;
  compress(-1);
  v128.store(target, v128.load(HASH_STATE));
  v128.store(target + 16, v128.load(HASH_STATE + 16));
}

@inline function rotr(x: v128, bits: i32): v128 { return v128.or(i32x4.shr_u(x, bits), i32x4.shl(x, 32 - bits)); }

@inline function word(row: u64, index: u64): u32 {
  return load<u32>(HASH_BLOCK + (((row >> (4 * index)) & 15) << 2) as usize);
}

/** Every other word of one permutation, from entry `first` on. */
@inline function words(row: u64, first: u64): v128 {
  return i32x4.replace_lane(
    i32x4.replace_lane(
      i32x4.replace_lane(i32x4.splat(word(row, first)), 1, word(row, first + 2)),
      2,
      word(row, first + 4),
    ),
    3,
    word(row, first + 6),
  );
}

/** RFC 7693 §3.2: the function F, with one row of the 4 × 4 matrix in each vector. `last` is all ones for the last block. */
function compress(last: u32): void {
  const h0 = v128.load(HASH_STATE), h1 = v128.load(HASH_STATE + 16);
  let a = h0, b = h1;
  let c = i32x4(0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a);
  let d = v128.xor(i32x4(0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19), i64x2.replace_lane(i64x2.splat(counted), 1, last as i64));
  for (let round: usize = 0; round < 10; ++round) {
    const row = load<u64>(SIGMA + 8 * round);
    // Columns
    a = i32x4.add(i32x4.add(a, b), words(row, 0));
    d = rotr(v128.xor(d, a), 16);
    c = i32x4.add(c, d);
    b = rotr(v128.xor(b, c), 12);
    a = i32x4.add(i32x4.add(a, b), words(row, 1));
    d = rotr(v128.xor(d, a), 8);
    c = i32x4.add(c, d);
    b = rotr(v128.xor(b, c), 7);
    // Diagonals, turned into columns
    b = i32x4.shuffle(b, b, 1, 2, 3, 0);
    c = i32x4.shuffle(c, c, 2, 3, 0, 1);
    d = i32x4.shuffle(d, d, 3, 0, 1, 2);
    a = i32x4.add(i32x4.add(a, b), words(row, 8));
    d = rotr(v128.xor(d, a), 16);
    c = i32x4.add(c, d);
    b = rotr(v128.xor(b, c), 12);
    a = i32x4.add(i32x4.add(a, b), words(row, 9));
    d = rotr(v128.xor(d, a), 8);
    c = i32x4.add(c, d);
    b = rotr(v128.xor(b, c), 7);
    b = i32x4.shuffle(b, b, 3, 0, 1, 2);
    c = i32x4.shuffle(c, c, 2, 3, 0, 1);
    d = i32x4.shuffle(d, d, 1, 2, 3, 0);
  }
  v128.store(HASH_STATE, v128.xor(h0, v128.xor(a, c)));
  v128.store(HASH_STATE + 16, v128.xor(h1, v128.xor(b, d)));
}

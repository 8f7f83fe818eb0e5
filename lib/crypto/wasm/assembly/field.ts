// @ts-nocheck: AssemblyScript, not TypeScript. `../build.ts` compiles it.
/**
 * Integers modulo p = 2^255 − 19 (RFC 7748 §4.1) as ten signed limbs of 26 and 25 bits in turn: limb i weighs 2^⌈25.5 i⌉. An element
 * is 10 × i64 in memory. Products of two limbs with odd indices weigh one bit more than the place they fall on, hence
 * twice; what falls beyond limb 9 comes back times 19, as 2^255 = 19.
 *
 * Bounds. *Carried* is what `carry` leaves: |even limb| ≤ 1.01 · 2^25, |odd limb| ≤ 1.01 · 2^24. A sum or difference of two
 * carried elements is *loose*: twice that. Products take loose or carried arguments, also bytes that were just read (limbs in [0, 2^26)
 * and [0, 2^25), plus at most 1). Even by even is then at most 1.03 · 2^52, odd by odd a quarter of it, and the worst sum, h0, at most
 * 1.03 · 2^52 · (1 + 5/4 · 38 + 4 · 19) < 2^59: no i64 wraps. In `carry` every |c| is then below 2^34; each limb that gains one is
 * carried after that, but for limb 5, which in the end gains less than 2^9 from limb 4, and limb 1, which gains as little from limb 0.
 */

const LOW25: i64 = 0x1ffffff;
const LOW26: i64 = 0x3ffffff;
const HALF25: i64 = 0x1000000;
const HALF26: i64 = 0x2000000;
/** (486662 − 2) / 4 (RFC 7748 §5). */
const A24: i64 = 121665;

@inline function limb(f: usize, index: usize): i64 { return load<i64>(f + 8 * index); }

/** `out` = the integer `value`, below 2^25. */
export function setSmall(out: usize, value: i64): void {
  memory.fill(out, 0, 80);
  store<i64>(out, value);
}

export function copy(out: usize, f: usize): void {
  memory.copy(out, f, 80);
}

export function add(out: usize, f: usize, g: usize): void {
  for (let i: usize = 0; i < 80; i += 16) v128.store(out + i, i64x2.add(v128.load(f + i), v128.load(g + i)));
}

export function subtract(out: usize, f: usize, g: usize): void {
  for (let i: usize = 0; i < 80; i += 16) v128.store(out + i, i64x2.sub(v128.load(f + i), v128.load(g + i)));
}

/** Exchanges both when `bit` is 1 and touches both alike when it is 0. */
export function swapIf(bit: i64, f: usize, g: usize): void {
  const mask = i64x2.splat(-bit);
  for (let i: usize = 0; i < 80; i += 16) {
    const a = v128.load(f + i), b = v128.load(g + i);
    const difference = v128.and(mask, v128.xor(a, b));
    v128.store(f + i, v128.xor(a, difference));
    v128.store(g + i, v128.xor(b, difference));
  }
}

export function multiply(out: usize, f: usize, g: usize): void {
  const f0 = limb(f, 0), f1 = limb(f, 1), f2 = limb(f, 2), f3 = limb(f, 3), f4 = limb(f, 4), f5 = limb(f, 5), f6 = limb(f, 6), f7 = limb(f, 7), f8 = limb(f, 8), f9 = limb(f, 9);
  const g0 = limb(g, 0), g1 = limb(g, 1), g2 = limb(g, 2), g3 = limb(g, 3), g4 = limb(g, 4), g5 = limb(g, 5), g6 = limb(g, 6), g7 = limb(g, 7), g8 = limb(g, 8), g9 = limb(g, 9);
  const d1 = 2 * f1, d3 = 2 * f3, d5 = 2 * f5, d7 = 2 * f7, d9 = 2 * f9;
  const n1 = 19 * g1, n2 = 19 * g2, n3 = 19 * g3, n4 = 19 * g4, n5 = 19 * g5, n6 = 19 * g6, n7 = 19 * g7, n8 = 19 * g8, n9 = 19 * g9;
  const h0 = f0 * g0 + d1 * n9 + f2 * n8 + d3 * n7 + f4 * n6 + d5 * n5 + f6 * n4 + d7 * n3 + f8 * n2 + d9 * n1;
  const h1 = f0 * g1 + f1 * g0 + f2 * n9 + f3 * n8 + f4 * n7 + f5 * n6 + f6 * n5 + f7 * n4 + f8 * n3 + f9 * n2;
  const h2 = f0 * g2 + d1 * g1 + f2 * g0 + d3 * n9 + f4 * n8 + d5 * n7 + f6 * n6 + d7 * n5 + f8 * n4 + d9 * n3;
  const h3 = f0 * g3 + f1 * g2 + f2 * g1 + f3 * g0 + f4 * n9 + f5 * n8 + f6 * n7 + f7 * n6 + f8 * n5 + f9 * n4;
  const h4 = f0 * g4 + d1 * g3 + f2 * g2 + d3 * g1 + f4 * g0 + d5 * n9 + f6 * n8 + d7 * n7 + f8 * n6 + d9 * n5;
  const h5 = f0 * g5 + f1 * g4 + f2 * g3 + f3 * g2 + f4 * g1 + f5 * g0 + f6 * n9 + f7 * n8 + f8 * n7 + f9 * n6;
  const h6 = f0 * g6 + d1 * g5 + f2 * g4 + d3 * g3 + f4 * g2 + d5 * g1 + f6 * g0 + d7 * n9 + f8 * n8 + d9 * n7;
  const h7 = f0 * g7 + f1 * g6 + f2 * g5 + f3 * g4 + f4 * g3 + f5 * g2 + f6 * g1 + f7 * g0 + f8 * n9 + f9 * n8;
  const h8 = f0 * g8 + d1 * g7 + f2 * g6 + d3 * g5 + f4 * g4 + d5 * g3 + f6 * g2 + d7 * g1 + f8 * g0 + d9 * n9;
  const h9 = f0 * g9 + f1 * g8 + f2 * g7 + f3 * g6 + f4 * g5 + f5 * g4 + f6 * g3 + f7 * g2 + f8 * g1 + f9 * g0;
  carry(out, h0, h1, h2, h3, h4, h5, h6, h7, h8, h9);
}

export function square(out: usize, f: usize): void {
  const f0 = limb(f, 0), f1 = limb(f, 1), f2 = limb(f, 2), f3 = limb(f, 3), f4 = limb(f, 4), f5 = limb(f, 5), f6 = limb(f, 6), f7 = limb(f, 7), f8 = limb(f, 8), f9 = limb(f, 9);
  const d0 = 2 * f0, d1 = 2 * f1, d2 = 2 * f2, d3 = 2 * f3, d4 = 2 * f4, d5 = 2 * f5, d6 = 2 * f6, d7 = 2 * f7, d8 = 2 * f8, d9 = 2 * f9;
  const q1 = 4 * f1, q3 = 4 * f3, q5 = 4 * f5, q7 = 4 * f7;
  const n5 = 19 * f5, n6 = 19 * f6, n7 = 19 * f7, n8 = 19 * f8, n9 = 19 * f9;
  const h0 = f0 * f0 + q1 * n9 + d2 * n8 + q3 * n7 + d4 * n6 + d5 * n5;
  const h1 = d0 * f1 + d2 * n9 + d3 * n8 + d4 * n7 + d5 * n6;
  const h2 = d0 * f2 + d1 * f1 + q3 * n9 + d4 * n8 + q5 * n7 + f6 * n6;
  const h3 = d0 * f3 + d1 * f2 + d4 * n9 + d5 * n8 + d6 * n7;
  const h4 = d0 * f4 + q1 * f3 + f2 * f2 + q5 * n9 + d6 * n8 + d7 * n7;
  const h5 = d0 * f5 + d1 * f4 + d2 * f3 + d6 * n9 + d7 * n8;
  const h6 = d0 * f6 + q1 * f5 + d2 * f4 + d3 * f3 + q7 * n9 + f8 * n8;
  const h7 = d0 * f7 + d1 * f6 + d2 * f5 + d3 * f4 + d8 * n9;
  const h8 = d0 * f8 + q1 * f7 + d2 * f6 + q3 * f5 + f4 * f4 + d9 * n9;
  const h9 = d0 * f9 + d1 * f8 + d2 * f7 + d3 * f6 + d4 * f5;
  carry(out, h0, h1, h2, h3, h4, h5, h6, h7, h8, h9);
}

/** `out` = f² `times` times over. */
export function squareTimes(out: usize, f: usize, times: i32): void {
  square(out, f);
  for (let i = 1; i < times; ++i) square(out, out);
}

/** `out` = 121665 · f. */
export function multiplyA24(out: usize, f: usize): void {
  carry(out, A24 * limb(f, 0), A24 * limb(f, 1), A24 * limb(f, 2), A24 * limb(f, 3), A24 * limb(f, 4), A24 * limb(f, 5), A24 * limb(f, 6), A24 * limb(f, 7), A24 * limb(f, 8), A24 * limb(f, 9));
}

/** Stores h with carried limbs, rounding to the nearest: what is left of a limb may be negative. */
function carry(out: usize, h0: i64, h1: i64, h2: i64, h3: i64, h4: i64, h5: i64, h6: i64, h7: i64, h8: i64, h9: i64): void {
  let c: i64;
  c = (h0 + HALF26) >> 26; h1 += c; h0 -= c << 26;
  c = (h4 + HALF26) >> 26; h5 += c; h4 -= c << 26;
  c = (h1 + HALF25) >> 25; h2 += c; h1 -= c << 25;
  c = (h5 + HALF25) >> 25; h6 += c; h5 -= c << 25;
  c = (h2 + HALF26) >> 26; h3 += c; h2 -= c << 26;
  c = (h6 + HALF26) >> 26; h7 += c; h6 -= c << 26;
  c = (h3 + HALF25) >> 25; h4 += c; h3 -= c << 25;
  c = (h7 + HALF25) >> 25; h8 += c; h7 -= c << 25;
  c = (h4 + HALF26) >> 26; h5 += c; h4 -= c << 26;
  c = (h8 + HALF26) >> 26; h9 += c; h8 -= c << 26;
  c = (h9 + HALF25) >> 25; h0 += 19 * c; h9 -= c << 25;
  c = (h0 + HALF26) >> 26; h1 += c; h0 -= c << 26;
  store<i64>(out + 0, h0);
  store<i64>(out + 8, h1);
  store<i64>(out + 16, h2);
  store<i64>(out + 24, h3);
  store<i64>(out + 32, h4);
  store<i64>(out + 40, h5);
  store<i64>(out + 48, h6);
  store<i64>(out + 56, h7);
  store<i64>(out + 64, h8);
  store<i64>(out + 72, h9);
}

/** Reads 32 little-endian bytes; bit 255 does not count (RFC 7748 §5, decodeUCoordinate). */
export function fromBytes(out: usize, bytes: usize): void {
  store<u64>(out + 0, (load<u64>(bytes + 0) >> 0) & LOW26);
  store<u64>(out + 8, (load<u64>(bytes + 3) >> 2) & LOW25);
  store<u64>(out + 16, (load<u64>(bytes + 6) >> 3) & LOW26);
  store<u64>(out + 24, (load<u64>(bytes + 9) >> 5) & LOW25);
  store<u64>(out + 32, (load<u64>(bytes + 12) >> 6) & LOW26);
  store<u64>(out + 40, (load<u64>(bytes + 16) >> 0) & LOW25);
  store<u64>(out + 48, (load<u64>(bytes + 19) >> 1) & LOW26);
  store<u64>(out + 56, (load<u64>(bytes + 22) >> 3) & LOW25);
  store<u64>(out + 64, (load<u64>(bytes + 24) >> 12) & LOW26);
  store<u64>(out + 72, (load<u64>(bytes + 24) >> 38) & LOW25);
}

/**
 * Writes carried f as 32 little-endian bytes, the one number in [0, p). q = ⌊2^-255 · (h + 19 · 2^-25 · h9 + 1/2)⌋ is how often p
 * goes into h (as in `fe_tobytes` of SUPERCOP's `crypto_scalarmult/curve25519/ref10`); adding 19 q and leaving out 2^255 q takes q p away.
 */
export function toBytes(bytes: usize, f: usize): void {
  let h0 = limb(f, 0), h1 = limb(f, 1), h2 = limb(f, 2), h3 = limb(f, 3), h4 = limb(f, 4), h5 = limb(f, 5), h6 = limb(f, 6), h7 = limb(f, 7), h8 = limb(f, 8), h9 = limb(f, 9);
  let q = (19 * h9 + HALF25) >> 25;
  q = (h0 + q) >> 26;
  q = (h1 + q) >> 25;
  q = (h2 + q) >> 26;
  q = (h3 + q) >> 25;
  q = (h4 + q) >> 26;
  q = (h5 + q) >> 25;
  q = (h6 + q) >> 26;
  q = (h7 + q) >> 25;
  q = (h8 + q) >> 26;
  q = (h9 + q) >> 25;
  h0 += 19 * q;
  h1 += h0 >> 26; h0 &= LOW26;
  h2 += h1 >> 25; h1 &= LOW25;
  h3 += h2 >> 26; h2 &= LOW26;
  h4 += h3 >> 25; h3 &= LOW25;
  h5 += h4 >> 26; h4 &= LOW26;
  h6 += h5 >> 25; h5 &= LOW25;
  h7 += h6 >> 26; h6 &= LOW26;
  h8 += h7 >> 25; h7 &= LOW25;
  h9 += h8 >> 26; h8 &= LOW26;
  h9 &= LOW25; // the carry out of it is q · 2^255, which goes
  store<i64>(bytes + 0, h0 | (h1 << 26) | (h2 << 51));
  store<i64>(bytes + 8, (h2 >> 13) | (h3 << 13) | (h4 << 38));
  store<i64>(bytes + 16, h5 | (h6 << 25) | (h7 << 51));
  store<i64>(bytes + 24, (h7 >> 13) | (h8 << 12) | (h9 << 38));
}

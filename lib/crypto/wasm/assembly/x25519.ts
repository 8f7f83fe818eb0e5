// @ts-nocheck: AssemblyScript, not TypeScript. `../build.ts` compiles it.
/**
 * X25519 (RFC 7748 §5): the Montgomery ladder. The same instructions and addresses whatever the scalar is.
 * Field elements are the slots of `layout.ts`; names are those of the RFC.
 */
import { add, copy, fromBytes, multiply, multiplyA24, setSmall, square, squareTimes, subtract, swapIf, toBytes } from "./field.ts";
import { FIELD, FIELD_BYTES, KEY, LONG_NONCE, OUT, POINT, SCALAR, wipeCipher, wipeHandshake } from "./layout.ts";
import { hsalsa } from "./salsa20.ts";

const X1: usize = FIELD;
const X2: usize = FIELD + FIELD_BYTES;
const Z2: usize = FIELD + 2 * FIELD_BYTES;
const X3: usize = FIELD + 3 * FIELD_BYTES;
const Z3: usize = FIELD + 4 * FIELD_BYTES;
const A: usize = FIELD + 5 * FIELD_BYTES;
const AA: usize = FIELD + 6 * FIELD_BYTES;
const B: usize = FIELD + 7 * FIELD_BYTES;
const BB: usize = FIELD + 8 * FIELD_BYTES;
const C: usize = FIELD + 9 * FIELD_BYTES;
const D: usize = FIELD + 10 * FIELD_BYTES;
const E: usize = FIELD + 11 * FIELD_BYTES;

/** Writes the 32 bytes of X25519(scalar, point) to `out`; 0 when they are all zero (RFC 7748 §6.1). */
export function x25519(): i32 {
  exchange();
  wipeHandshake();
  return isZero() ? 0 : 1;
}

/** The key of NaCl's `crypto_box_beforenm` from scalar and point, to `out`; 0 when their X25519 is all zero. */
export function boxKey(): i32 {
  exchange();
  memory.copy(KEY, OUT, 32);
  memory.fill(LONG_NONCE, 0, 16);
  const isValid = !isZero();
  hsalsa(OUT);
  wipeCipher();
  wipeHandshake();
  return isValid ? 1 : 0;
}

function isZero(): bool {
  return (load<u64>(OUT) | load<u64>(OUT + 8) | load<u64>(OUT + 16) | load<u64>(OUT + 24)) == 0;
}

function exchange(): void {
  // RFC 7748 §5, decodeScalar25519
  store<u8>(SCALAR, load<u8>(SCALAR) & 0xf8);
  store<u8>(SCALAR + 31, (load<u8>(SCALAR + 31) & 0x7f) | 0x40);
  fromBytes(X1, POINT);
  setSmall(X2, 1);
  setSmall(Z2, 0);
  copy(X3, X1);
  setSmall(Z3, 1);
  let swap: i64 = 0;
  for (let t: i32 = 254; t >= 0; --t) {
    const bit = ((load<u8>(SCALAR + (t >> 3)) >> (t & 7)) & 1) as i64;
    swapIf(swap ^ bit, X2, X3);
    swapIf(swap ^ bit, Z2, Z3);
    swap = bit;
    step();
  }
  // The last bit of a clamped scalar is 0, so that nothing is left to swap.
  invert();
  multiply(X2, X2, Z2);
  toBytes(OUT, X2);
}

/** One rung: the RFC's formulas, in places that are free again. */
function step(): void {
  add(A, X2, Z2);
  square(AA, A);
  subtract(B, X2, Z2);
  square(BB, B);
  subtract(E, AA, BB);
  add(C, X3, Z3);
  subtract(D, X3, Z3);
  multiply(D, D, A);
  multiply(C, C, B);
  add(A, D, C);
  square(X3, A);
  subtract(B, D, C);
  square(B, B);
  multiply(Z3, X1, B);
  multiply(X2, AA, BB);
  multiplyA24(B, E);
  add(B, AA, B);
  multiply(Z2, E, B);
}

/** Z2 = Z2^(p − 2) = 1 / Z2, and 0 for 0. The comments say what of 2^255 − 21 each place holds. */
function invert(): void {
  square(A, Z2); // 2
  squareTimes(B, A, 2); // 8
  multiply(B, B, Z2); // 9
  multiply(A, A, B); // 11
  square(C, A); // 22
  multiply(B, B, C); // 2^5 − 1
  squareTimes(C, B, 5);
  multiply(B, C, B); // 2^10 − 1
  squareTimes(C, B, 10);
  multiply(C, C, B); // 2^20 − 1
  squareTimes(D, C, 20);
  multiply(C, D, C); // 2^40 − 1
  squareTimes(C, C, 10);
  multiply(B, C, B); // 2^50 − 1
  squareTimes(C, B, 50);
  multiply(C, C, B); // 2^100 − 1
  squareTimes(D, C, 100);
  multiply(C, D, C); // 2^200 − 1
  squareTimes(C, C, 50);
  multiply(B, C, B); // 2^250 − 1
  squareTimes(B, B, 5);
  multiply(Z2, B, A); // 2^255 − 21
}

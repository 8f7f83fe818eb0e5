// @ts-nocheck: AssemblyScript, not TypeScript. `../build.ts` compiles it.
/**
 * ChaCha20-Poly1305 (RFC 8439 §2.8), and with a long nonce XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha §2).
 * The caller writes key, nonce, associated data and text into the memory, calls `seal` or `open`, and reads the text.
 */
import { chacha4 } from "./chacha20.ts";
import { AD, KEY, LAST_BLOCK, LONG_NONCE, NONCE, STREAM, TEXT, wipeCipher, wipeHandshake, ZEROS } from "./layout.ts";
import { isTag, poly, polyBegin, polyFinish, polyPadded, storeTag, WHOLE } from "./poly1305.ts";

const BATCH_BYTES: usize = 256;
const BLOCK_BYTES: usize = 64;

/** Encrypts `length` bytes of text in place and writes the tag behind them. */
export function seal(adLength: usize, length: usize): void {
  begin();
  cipher(length);
  authenticate(adLength, length);
  storeTag(TEXT + length);
  wipeCipher();
}

/** Verifies the tag behind `length` bytes of text, then decrypts these in place. 0: wrong tag, text untouched. */
export function open(adLength: usize, length: usize): i32 {
  begin();
  authenticate(adLength, length);
  const isRight = isTag(TEXT + length);
  if (isRight) cipher(length);
  wipeCipher();
  return isRight ? 1 : 0;
}

/** `seal` under key and long nonce. */
export function sealLong(adLength: usize, length: usize): void {
  shortenNonce();
  seal(adLength, length);
}

/** `open` under key and long nonce. */
export function openLong(adLength: usize, length: usize): i32 {
  shortenNonce();
  return open(adLength, length);
}

/**
 * HChaCha20 (draft-irtf-cfrg-xchacha §2.2, §2.3): replaces the key by that of the first 16 bytes of the long nonce, and makes
 * the nonce of the rest. HChaCha20 is the block function without the addition in the end, which is subtracted again.
 */
function shortenNonce(): void {
  v128.store(NONCE, v128.load(LONG_NONCE + 4)); // 12 of them count
  chacha4(load<u32>(LONG_NONCE), ZEROS, STREAM);
  v128.store(KEY, i32x4.sub(v128.load(STREAM), i32x4(0x61707865, 0x3320646e, 0x79622d32, 0x6b206574)));
  v128.store(KEY + 16, i32x4.sub(v128.load(STREAM + 48), v128.load(LONG_NONCE)));
  store<u32>(NONCE, 0);
  store<u64>(NONCE + 4, load<u64>(LONG_NONCE + 16));
  wipeHandshake();
}

/** Blocks 0 to 3 of the key stream; block 0 is the one-time key (RFC 8439 §2.6). */
function begin(): void {
  chacha4(0, ZEROS, STREAM);
  polyBegin();
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
  poly(LAST_BLOCK, LAST_BLOCK + 16, WHOLE);
  polyFinish();
}

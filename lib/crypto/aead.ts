/**
 * ChaCha20-Poly1305 (RFC 8439 §2.8) in the two shapes that WireGuard needs.
 *   nonce, 12 bytes: zero 4 | counter u64le (WireGuard whitepaper §5.4)
 * `Aead` seals and opens packets in place (`aead_wasm.ts`); `aeadSeal` and `aeadOpen` are for handshakes and take associated
 * data. Both are the WebAssembly core's work, but not of one instance: what a handshake leaves to be wiped, no packet waits for.
 */
import { assertLength, ByteWriter, KEY_BYTES } from "../base/bytes.ts";
import { WasmAead } from "./aead_wasm.ts";
import { assertFits, handshakeCore, MAX_AD_BYTES, MAX_TEXT_BYTES } from "./wasm/core.ts";

/** Bytes that sealing adds. */
export const AEAD_TAG_BYTES = 16;
const NONCE_BYTES = 12;
const NONCE_COUNTER_OFFSET = 4;

/** Seals and opens in the caller's buffer, without associated data. Not re-entrant; holds no key between calls. */
export interface Aead {
  /**
   * Encrypts `length` bytes at `buffer[offset]` in place and writes the 16-byte tag behind them.
   * `key` 32 bytes, `counter` an integer in [0, 2^53). Throws `RangeError` when buffer or key do not fit.
   */
  sealInPlace(
    key: Uint8Array,
    counter: number,
    buffer: Uint8Array,
    offset: number,
    length: number,
  ): void;
  /**
   * Verifies and decrypts `length` bytes, tag included, at `buffer[offset]` in place.
   * Returns whether the tag was right; if not, the bytes are unspecified and must not be used.
   * Throws `RangeError` when buffer or key do not fit; fewer than 16 bytes are a wrong tag.
   */
  openInPlace(
    key: Uint8Array,
    counter: number,
    buffer: Uint8Array,
    offset: number,
    length: number,
  ): boolean;
}

/** A new instance of the WebAssembly core; keep it. */
export function loadAead(): Aead {
  return new WasmAead();
}

/**
 * `ciphertext || tag` of `plaintext` with associated data `ad`, both borrowed, at most 65,536 and 1,024 bytes.
 * `key` 32 bytes, `counter` in [0, 2^53).
 */
export function aeadSeal(
  key: Uint8Array,
  counter: number,
  plaintext: Uint8Array,
  ad: Uint8Array,
): Uint8Array {
  assertLength(key, KEY_BYTES, "key");
  assertFits(plaintext, MAX_TEXT_BYTES, "plaintext");
  assertFits(ad, MAX_AD_BYTES, "ad");
  const nonce = nonceOf(counter);
  const core = handshakeCore();
  core.put(core.run.keyAt, key);
  core.put(core.run.nonceAt, nonce);
  core.put(core.run.adAt, ad);
  core.put(core.run.textAt, plaintext);
  core.run.seal(ad.length, plaintext.length);
  return core.takeText(0, plaintext.length + AEAD_TAG_BYTES);
}

/**
 * The plaintext of `ciphertext || tag`, or `undefined` when the tag is wrong, as that of anything longer than `aeadSeal`
 * makes must be. Arguments as for `aeadSeal`.
 */
export function aeadOpen(
  key: Uint8Array,
  counter: number,
  ciphertext: Uint8Array,
  ad: Uint8Array,
): Uint8Array | undefined {
  assertLength(key, KEY_BYTES, "key");
  assertFits(ad, MAX_AD_BYTES, "ad");
  const nonce = nonceOf(counter);
  const textBytes = ciphertext.length - AEAD_TAG_BYTES;
  if (textBytes < 0 || textBytes > MAX_TEXT_BYTES) return undefined;
  const core = handshakeCore();
  core.put(core.run.keyAt, key);
  core.put(core.run.nonceAt, nonce);
  core.put(core.run.adAt, ad);
  core.put(core.run.textAt, ciphertext);
  const isRight = core.run.open(ad.length, textBytes) === 1;
  const plaintext = core.takeText(0, textBytes);
  return isRight ? plaintext : undefined;
}

function nonceOf(counter: number): Uint8Array {
  if (!Number.isSafeInteger(counter) || counter < 0) {
    throw new RangeError(`counter must be an integer in [0, 2^53): is ${counter}`);
  }
  const nonce = new Uint8Array(NONCE_BYTES);
  new ByteWriter(nonce, NONCE_COUNTER_OFFSET).u64le(BigInt(counter));
  return nonce;
}

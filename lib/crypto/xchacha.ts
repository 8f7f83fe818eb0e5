/**
 * XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha §2) for WireGuard's cookies (whitepaper §5.4.7). The work is the WebAssembly core's.
 */
import { assertLength, KEY_BYTES } from "../base/bytes.ts";
import { assertFits, handshakeCore, MAX_AD_BYTES, MAX_TEXT_BYTES } from "./wasm/core.ts";

/** Bytes of a nonce. */
export const XCHACHA_NONCE_BYTES = 24;
const TAG_BYTES = 16;

/**
 * `ciphertext || tag` of `plaintext` with associated data `ad`, at most 65,536 and 1,024 bytes. `key` 32 bytes, `nonce` 24
 * bytes, all borrowed.
 */
export function xchachaSeal(
  key: Uint8Array,
  nonce: Uint8Array,
  plaintext: Uint8Array,
  ad: Uint8Array,
): Uint8Array {
  assertLength(key, KEY_BYTES, "key");
  assertLength(nonce, XCHACHA_NONCE_BYTES, "nonce");
  assertFits(plaintext, MAX_TEXT_BYTES, "plaintext");
  assertFits(ad, MAX_AD_BYTES, "ad");
  const core = handshakeCore();
  core.put(core.run.keyAt, key);
  core.put(core.run.longNonceAt, nonce);
  core.put(core.run.adAt, ad);
  core.put(core.run.textAt, plaintext);
  core.run.sealLong(ad.length, plaintext.length);
  return core.takeText(0, plaintext.length + TAG_BYTES);
}

/**
 * The plaintext of `ciphertext || tag`, or `undefined` when the tag is wrong, as that of anything longer than `xchachaSeal`
 * makes must be. Arguments as for `xchachaSeal`.
 */
export function xchachaOpen(
  key: Uint8Array,
  nonce: Uint8Array,
  ciphertext: Uint8Array,
  ad: Uint8Array,
): Uint8Array | undefined {
  assertLength(key, KEY_BYTES, "key");
  assertLength(nonce, XCHACHA_NONCE_BYTES, "nonce");
  assertFits(ad, MAX_AD_BYTES, "ad");
  const textBytes = ciphertext.length - TAG_BYTES;
  if (textBytes < 0 || textBytes > MAX_TEXT_BYTES) return undefined;
  const core = handshakeCore();
  core.put(core.run.keyAt, key);
  core.put(core.run.longNonceAt, nonce);
  core.put(core.run.adAt, ad);
  core.put(core.run.textAt, ciphertext);
  const isRight = core.run.openLong(ad.length, textBytes) === 1;
  const plaintext = core.takeText(0, textBytes);
  return isRight ? plaintext : undefined;
}

/**
 * XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha §2) for WireGuard's cookies (whitepaper §5.4.7). The work is noble's.
 */
import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { assertLength } from "../base/bytes.ts";

/** Bytes of a nonce. */
export const XCHACHA_NONCE_BYTES = 24;
const KEY_BYTES = 32;
const TAG_BYTES = 16;

/** `ciphertext || tag` of `plaintext` with associated data `ad`. `key` 32 bytes, `nonce` 24 bytes, all borrowed. */
export function xchachaSeal(
  key: Uint8Array,
  nonce: Uint8Array,
  plaintext: Uint8Array,
  ad: Uint8Array,
): Uint8Array {
  assertLength(key, KEY_BYTES, "key");
  assertLength(nonce, XCHACHA_NONCE_BYTES, "nonce");
  return xchacha20poly1305(key, nonce, ad).encrypt(plaintext);
}

/** The plaintext of `ciphertext || tag`, or `undefined` when the tag is wrong. Arguments as for `xchachaSeal`. */
export function xchachaOpen(
  key: Uint8Array,
  nonce: Uint8Array,
  ciphertext: Uint8Array,
  ad: Uint8Array,
): Uint8Array | undefined {
  assertLength(key, KEY_BYTES, "key");
  assertLength(nonce, XCHACHA_NONCE_BYTES, "nonce");
  if (ciphertext.length < TAG_BYTES) return undefined;
  const cipher = xchacha20poly1305(key, nonce, ad);
  try {
    return cipher.decrypt(ciphertext);
  } catch {
    // Lengths are checked above, so that a wrong tag is all that noble can still object to.
    return undefined;
  }
}

/**
 * X25519 (RFC 7748 §5) behind one function per operation. The work is noble's: cores are synchronous, which Web Crypto
 * is not, and touching `node:crypto` costs far more start-up than the few exchanges of a session.
 */
import { x25519 } from "@noble/curves/ed25519.js";
import { assertLength } from "../base/bytes.ts";
import { type Random, randomBytes } from "../base/core.ts";

/** Bytes of a private key, a public key and a shared secret. */
export const X25519_BYTES = 32;

/** A fresh private key of 32 bytes, clamped (RFC 7748 §5, `decodeScalar25519`). */
export function generatePrivateKey(random: Random): Uint8Array {
  const key = randomBytes(random, X25519_BYTES);
  key[0] = (key[0] ?? 0) & 0xf8;
  key[31] = ((key[31] ?? 0) & 0x7f) | 0x40;
  return key;
}

/** The public key, 32 bytes, of a private key of 32 bytes. */
export function publicKey(privateKey: Uint8Array): Uint8Array {
  assertLength(privateKey, X25519_BYTES, "privateKey");
  return x25519.getPublicKey(privateKey);
}

/**
 * The shared secret, 32 bytes; both keys have 32 bytes and any value is allowed.
 * `undefined` when it would be all zero: the peer's key is of small order and must be refused (RFC 7748 §6.1).
 */
export function sharedSecret(
  privateKey: Uint8Array,
  peerPublicKey: Uint8Array,
): Uint8Array | undefined {
  assertLength(privateKey, X25519_BYTES, "privateKey");
  assertLength(peerPublicKey, X25519_BYTES, "peerPublicKey");
  try {
    return x25519.getSharedSecret(privateKey, peerPublicKey);
  } catch {
    // Lengths are checked above, so that the all-zero result is all that noble can still object to.
    return undefined;
  }
}

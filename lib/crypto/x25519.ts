/**
 * X25519 (RFC 7748 §5) behind one function per operation. The work is noble's: cores are synchronous, which Web Crypto
 * is not, and touching `node:crypto` costs far more start-up than the few exchanges of a session.
 * Noble's ladder is taken with our parameters, not from its `ed25519.js`: that would load all of Ed25519 and fill a
 * table before the first public key, 35 ms instead of 8 for a program that makes a handful of keys.
 */
import { pow } from "@noble/curves/abstract/modular.js";
import { montgomery } from "@noble/curves/abstract/montgomery.js";
import { assertLength } from "../base/bytes.ts";
import { type Random, randomBytes } from "../base/core.ts";

/** Bytes of a private key, a public key and a shared secret. */
export const X25519_BYTES = 32;

const P = 2n ** 255n - 19n;

const x25519 = montgomery({
  P,
  type: "x25519",
  powPminus2: (x: bigint) => pow(x, P - 2n, P),
  adjustScalarBytes: clamp,
});

/** A fresh private key of 32 bytes, clamped. */
export function generatePrivateKey(random: Random): Uint8Array {
  return clamp(randomBytes(random, X25519_BYTES));
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

/** Clamps in place and returns its argument (RFC 7748 §5, `decodeScalar25519`). */
function clamp(scalar: Uint8Array): Uint8Array {
  scalar[0] = (scalar[0] ?? 0) & 0xf8;
  scalar[31] = ((scalar[31] ?? 0) & 0x7f) | 0x40;
  return scalar;
}

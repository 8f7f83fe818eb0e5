/**
 * NaCl's `crypto_box` (X25519, HSalsa20, XSalsa20-Poly1305) for disco and the login at a relay. The work is noble's.
 *   box: tag 16 | ciphertext; the 24-byte nonce travels apart, and here always before the box.
 */
import { hsalsa, xsalsa20poly1305 } from "@noble/ciphers/salsa.js";
import { assertLength, ByteReader, ByteWriter } from "../base/bytes.ts";
import { sharedSecret } from "./x25519.ts";

/** Bytes of a nonce. */
export const BOX_NONCE_BYTES = 24;
/** Bytes that sealing adds. */
export const BOX_TAG_BYTES = 16;
const KEY_BYTES = 32;
/** "expand 32-byte k" as four little-endian words (Salsa20 specification §8). */
const SIGMA: readonly number[] = [0x61707865, 0x3320646e, 0x79622d32, 0x6b206574];

/** The key that one pair of key pairs shares in both directions. Expensive to make: keep it, and wipe it in the end. */
export interface BoxKey {
  /** HSalsa20 of the shared secret, 32 bytes. */
  readonly bytes: Uint8Array;
}

/** The key of our private and the peer's public key, 32 bytes each; `undefined` for a peer key of small order. */
export function precomputeBox(
  privateKey: Uint8Array,
  peerPublicKey: Uint8Array,
): BoxKey | undefined {
  const secret = sharedSecret(privateKey, peerPublicKey);
  if (secret === undefined) return undefined;
  const bytes = hsalsaOfZero(secret);
  secret.fill(0);
  return { bytes };
}

/** `tag || ciphertext` of `message`, borrowed. `nonce` 24 bytes, never twice with one key. */
export function sealBox(key: BoxKey, nonce: Uint8Array, message: Uint8Array): Uint8Array {
  assertLength(nonce, BOX_NONCE_BYTES, "nonce");
  return xsalsa20poly1305(key.bytes, nonce).encrypt(message);
}

/** The message in `tag || ciphertext`, borrowed; `undefined` when it was not sealed with this key and nonce. */
export function openBox(key: BoxKey, nonce: Uint8Array, box: Uint8Array): Uint8Array | undefined {
  assertLength(nonce, BOX_NONCE_BYTES, "nonce");
  if (box.length < BOX_TAG_BYTES) return undefined;
  const cipher = xsalsa20poly1305(key.bytes, nonce);
  try {
    return cipher.decrypt(box);
  } catch {
    // Lengths are checked above, so that a wrong tag is all that noble can still object to.
    return undefined;
  }
}

/** HSalsa20 with sixteen zero bytes as input (NaCl `crypto_box_beforenm`), 32 bytes. */
function hsalsaOfZero(secret: Uint8Array): Uint8Array {
  const reader = new ByteReader(secret);
  const key = Uint32Array.from({ length: KEY_BYTES / 4 }, () => reader.u32le());
  const words = new Uint32Array(KEY_BYTES / 4);
  hsalsa(new Uint32Array(SIGMA), key, new Uint32Array(4), words);
  const bytes = new Uint8Array(KEY_BYTES);
  const writer = new ByteWriter(bytes);
  for (const word of words) writer.u32le(word);
  key.fill(0);
  words.fill(0);
  return bytes;
}

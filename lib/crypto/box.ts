/**
 * NaCl's `crypto_box` (X25519, HSalsa20, XSalsa20-Poly1305) for disco and the login at a relay. The work is the WebAssembly core's.
 *   box: tag 16 | ciphertext; the 24-byte nonce travels apart, and here always before the box.
 */
import { assertLength, KEY_BYTES } from "../base/bytes.ts";
import { assertFits, handshakeCore, MAX_TEXT_BYTES } from "./wasm/core.ts";

/** Bytes of a nonce. */
export const BOX_NONCE_BYTES = 24;
/** Bytes that sealing adds. */
export const BOX_TAG_BYTES = 16;

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
  assertLength(privateKey, KEY_BYTES, "privateKey");
  assertLength(peerPublicKey, KEY_BYTES, "peerPublicKey");
  const core = handshakeCore();
  core.put(core.run.scalarAt, privateKey);
  core.put(core.run.pointAt, peerPublicKey);
  const isValid = core.run.boxKey() === 1;
  const bytes = core.takeOut(KEY_BYTES);
  return isValid ? { bytes } : undefined;
}

/** `tag || ciphertext` of `message`, borrowed, at most 65,536 bytes. `nonce` 24 bytes, never twice with one key. */
export function sealBox(key: BoxKey, nonce: Uint8Array, message: Uint8Array): Uint8Array {
  assertLength(key.bytes, KEY_BYTES, "key");
  assertLength(nonce, BOX_NONCE_BYTES, "nonce");
  assertFits(message, MAX_TEXT_BYTES, "message");
  const core = handshakeCore();
  core.put(core.run.keyAt, key.bytes);
  core.put(core.run.longNonceAt, nonce);
  core.put(core.run.textAt, message);
  core.run.sealBox(message.length);
  return core.takeText(-BOX_TAG_BYTES, message.length);
}

/**
 * The message in `tag || ciphertext`, borrowed; `undefined` when it was not sealed with this key and nonce, which nothing
 * longer than `sealBox` makes can have been.
 */
export function openBox(key: BoxKey, nonce: Uint8Array, box: Uint8Array): Uint8Array | undefined {
  assertLength(key.bytes, KEY_BYTES, "key");
  assertLength(nonce, BOX_NONCE_BYTES, "nonce");
  const messageBytes = box.length - BOX_TAG_BYTES;
  if (messageBytes < 0 || messageBytes > MAX_TEXT_BYTES) return undefined;
  const core = handshakeCore();
  core.put(core.run.keyAt, key.bytes);
  core.put(core.run.longNonceAt, nonce);
  core.put(core.run.textAt - BOX_TAG_BYTES, box);
  const isRight = core.run.openBox(messageBytes) === 1;
  const message = core.takeText(0, messageBytes);
  return isRight ? message : undefined;
}

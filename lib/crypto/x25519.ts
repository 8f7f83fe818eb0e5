/**
 * X25519 (RFC 7748 §5) behind one function per operation. The work is the WebAssembly core's: cores are synchronous, which Web
 * Crypto is not, and compiled code needs no warming up, for which a program that makes a handful of keys has no time.
 */
import { assertLength, KEY_BYTES } from "../base/bytes.ts";
import { type Random, randomBytes } from "../base/core.ts";
import { handshakeCore } from "./wasm/core.ts";

/** The base point's u coordinate (RFC 7748 §4.1); the 31 bytes behind it are zero. */
const BASE_POINT = Uint8Array.of(9);

/** A fresh private key of 32 bytes, clamped. */
export function generatePrivateKey(random: Random): Uint8Array {
  const key = randomBytes(random, KEY_BYTES);
  key[0] = (key[0] ?? 0) & 0xf8; // RFC 7748 §5, decodeScalar25519
  key[31] = ((key[31] ?? 0) & 0x7f) | 0x40;
  return key;
}

/** The public key, 32 bytes, of a private key of 32 bytes. */
export function publicKey(privateKey: Uint8Array): Uint8Array {
  assertLength(privateKey, KEY_BYTES, "privateKey");
  const core = handshakeCore();
  core.put(core.run.scalarAt, privateKey);
  core.put(core.run.pointAt, BASE_POINT);
  core.run.x25519(); // never zero: the order of the base point is prime and no clamped scalar is a multiple of it
  return core.takeOut(KEY_BYTES);
}

/**
 * The shared secret, 32 bytes; both keys have 32 bytes and any value is allowed.
 * `undefined` when it would be all zero: the peer's key is of small order and must be refused (RFC 7748 §6.1).
 */
export function sharedSecret(
  privateKey: Uint8Array,
  peerPublicKey: Uint8Array,
): Uint8Array | undefined {
  assertLength(privateKey, KEY_BYTES, "privateKey");
  assertLength(peerPublicKey, KEY_BYTES, "peerPublicKey");
  const core = handshakeCore();
  core.put(core.run.scalarAt, privateKey);
  core.put(core.run.pointAt, peerPublicKey);
  const isValid = core.run.x25519() === 1;
  const secret = core.takeOut(KEY_BYTES);
  return isValid ? secret : undefined;
}

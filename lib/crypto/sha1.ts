/**
 * SHA-1 (FIPS 180-4 §6.1), for the websocket handshake only (RFC 6455 §1.3), which needs no collision resistance.
 * Wraps noble because cores are synchronous and Web Crypto is not.
 */
import { sha1 as nobleSha1 } from "@noble/hashes/legacy.js";

/** SHA-1 of `message` (borrowed), 20 bytes. */
export function sha1(message: Uint8Array): Uint8Array {
  return nobleSha1(message);
}

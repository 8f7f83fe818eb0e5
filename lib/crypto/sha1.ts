/**
 * SHA-1 (FIPS 180-4 §6.1) and its HMAC (RFC 2104), for formats that fix it and need no collision resistance: the websocket handshake
 * (RFC 6455 §1.3) and hashed host names. Wraps noble because cores are synchronous and Web Crypto is not.
 */
import { hmac } from "@noble/hashes/hmac.js";
import { sha1 as nobleSha1 } from "@noble/hashes/legacy.js";

/** SHA-1 of `message` (borrowed), 20 bytes. */
export function sha1(message: Uint8Array): Uint8Array {
  return nobleSha1(message);
}

/** HMAC-SHA1 of `message` under `key` (both borrowed), 20 bytes. */
export function hmacSha1(key: Uint8Array, message: Uint8Array): Uint8Array {
  return hmac(nobleSha1, key, message);
}

/**
 * BLAKE2s (RFC 7693) in the forms that WireGuard uses: `HASH`, `MAC`, `HMAC` and `KDF1`–`KDF3` (whitepaper §5.4).
 * The work is noble's.
 */
import { blake2s as nobleBlake2s } from "@noble/hashes/blake2.js";
import { hmac } from "@noble/hashes/hmac.js";
import { concatBytes } from "../base/bytes.ts";

const MAC_BYTES = 16;
const MAX_KEY_BYTES = 32;
const FIRST = new Uint8Array([1]);

/** `HASH`: BLAKE2s-256 of all `parts` one after the other, unkeyed. 32 bytes. */
export function blake2s(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = nobleBlake2s.create();
  for (const part of parts) hash.update(part);
  return hash.digest();
}

/** `MAC`: keyed BLAKE2s with 16 bytes of output. Throws `RangeError` unless `key` has 1 to 32 bytes. */
export function keyedBlake2s128(key: Uint8Array, message: Uint8Array): Uint8Array {
  if (key.length < 1 || key.length > MAX_KEY_BYTES) {
    throw new RangeError(`key must have 1 to ${MAX_KEY_BYTES} bytes: has ${key.length}`);
  }
  return nobleBlake2s(message, { key, dkLen: MAC_BYTES });
}

/** `HMAC` (RFC 2104) over unkeyed BLAKE2s-256, of all `parts` one after the other. 32 bytes. */
export function hmacBlake2s(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  const mac = hmac.create(nobleBlake2s, key);
  for (const part of parts) mac.update(part);
  return mac.digest();
}

/** `KDF1`: one key of 32 bytes. */
export function kdf1(key: Uint8Array, input: Uint8Array): [Uint8Array] {
  const prk = hmacBlake2s(key, input);
  const t1 = hmacBlake2s(prk, FIRST);
  prk.fill(0);
  return [t1];
}

/** `KDF2`: two keys of 32 bytes. */
export function kdf2(key: Uint8Array, input: Uint8Array): [Uint8Array, Uint8Array] {
  const prk = hmacBlake2s(key, input);
  const t1 = hmacBlake2s(prk, FIRST);
  const t2 = expand(prk, t1, 2);
  prk.fill(0);
  return [t1, t2];
}

/** `KDF3`: three keys of 32 bytes. */
export function kdf3(key: Uint8Array, input: Uint8Array): [Uint8Array, Uint8Array, Uint8Array] {
  const prk = hmacBlake2s(key, input);
  const t1 = hmacBlake2s(prk, FIRST);
  const t2 = expand(prk, t1, 2);
  const t3 = expand(prk, t2, 3);
  prk.fill(0);
  return [t1, t2, t3];
}

function expand(prk: Uint8Array, previous: Uint8Array, index: number): Uint8Array {
  const block = concatBytes(previous, new Uint8Array([index]));
  const next = hmacBlake2s(prk, block);
  block.fill(0);
  return next;
}

/**
 * BLAKE2s (RFC 7693) in the forms that WireGuard uses: `HASH`, `MAC`, `HMAC` and `KDF1`–`KDF3` (whitepaper §5.4).
 * The work is the WebAssembly core's.
 */
import { assertFits, type HandshakeCore, handshakeCore, MAX_TEXT_BYTES } from "./wasm/core.ts";

const DIGEST_BYTES = 32;
const MAC_BYTES = 16;
const MAX_KEY_BYTES = 32;
const BLOCK_BYTES = 64;

/** `HASH`: BLAKE2s-256 of all `parts` one after the other, unkeyed. 32 bytes. */
export function blake2s(...parts: readonly Uint8Array[]): Uint8Array {
  const core = handshakeCore();
  core.run.hashBegin(DIGEST_BYTES, 0);
  for (const part of parts) take(core, part);
  core.run.hashEnd();
  return core.takeOut(DIGEST_BYTES);
}

/** `MAC`: keyed BLAKE2s with 16 bytes of output. Throws `RangeError` unless `key` has 1 to 32 bytes. */
export function keyedBlake2s128(key: Uint8Array, message: Uint8Array): Uint8Array {
  if (key.length < 1 || key.length > MAX_KEY_BYTES) {
    throw new RangeError(`key must have 1 to ${MAX_KEY_BYTES} bytes: has ${key.length}`);
  }
  const core = handshakeCore();
  core.put(core.run.keyAt, key);
  core.run.hashBegin(MAC_BYTES, key.length);
  take(core, message);
  core.run.hashEnd();
  return core.takeOut(MAC_BYTES);
}

/** `HMAC` (RFC 2104) over unkeyed BLAKE2s-256, of all `parts` one after the other. 32 bytes. */
export function hmacBlake2s(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  const core = handshakeCore();
  putMacKey(core, key);
  core.run.macBegin();
  for (const part of parts) take(core, part);
  core.run.macEnd();
  return core.takeOut(DIGEST_BYTES);
}

/** `KDF1`: one key of 32 bytes. `input` has at most `MAX_TEXT_BYTES`, as for the other two. */
export function kdf1(key: Uint8Array, input: Uint8Array): [Uint8Array] {
  return [derive(key, input, 1)];
}

/** `KDF2`: two keys of 32 bytes. */
export function kdf2(key: Uint8Array, input: Uint8Array): [Uint8Array, Uint8Array] {
  const keys = derive(key, input, 2);
  const result: [Uint8Array, Uint8Array] = [keys.slice(0, 32), keys.slice(32)];
  keys.fill(0);
  return result;
}

/** `KDF3`: three keys of 32 bytes. */
export function kdf3(key: Uint8Array, input: Uint8Array): [Uint8Array, Uint8Array, Uint8Array] {
  const keys = derive(key, input, 3);
  const result: [Uint8Array, Uint8Array, Uint8Array] = [
    keys.slice(0, 32),
    keys.slice(32, 64),
    keys.slice(64),
  ];
  keys.fill(0);
  return result;
}

/** `count` keys in one array. */
function derive(key: Uint8Array, input: Uint8Array, count: number): Uint8Array {
  assertFits(input, MAX_TEXT_BYTES, "input");
  const core = handshakeCore();
  putMacKey(core, key);
  core.put(core.run.textAt, input);
  core.run.kdf(input.length, count);
  return core.takeOut(count * DIGEST_BYTES);
}

/** A key longer than a block counts as its hash (RFC 2104 §2). */
function putMacKey(core: HandshakeCore, key: Uint8Array): void {
  core.put(core.run.macKeyAt, key.length > BLOCK_BYTES ? blake2s(key) : key);
}

function take(core: HandshakeCore, bytes: Uint8Array): void {
  const { memory, textAt } = core.run;
  for (let at = 0; at < bytes.length; at += MAX_TEXT_BYTES) {
    const piece = bytes.subarray(at, at + MAX_TEXT_BYTES);
    memory.set(piece, textAt);
    core.run.hashText(piece.length);
  }
}

/**
 * SHA-1 (FIPS 180-4 §6.1) and its HMAC (RFC 2104), for formats that fix it and need no collision resistance: the websocket handshake
 * (RFC 6455 §1.3) and hashed host names. Our own because cores are synchronous and Web Crypto is not; neither use keeps a secret.
 */
import { concatBytes } from "../base/bytes.ts";

const BLOCK_BYTES = 64;
const DIGEST_BYTES = 20;
const ROUNDS = 80;
/** Behind the message: a 1 bit, and the length in bits as u64be in the last 8 bytes of a block (FIPS 180-4 §5.1.1). */
const PADDING_BYTES = 9;
const BITS_PER_BYTE = 8;
const TWO_32 = 0x1_0000_0000;

/** SHA-1 of `message` (borrowed), 20 bytes. */
export function sha1(message: Uint8Array): Uint8Array {
  const blocks = Math.ceil((message.length + PADDING_BYTES) / BLOCK_BYTES);
  const padded = new Uint8Array(blocks * BLOCK_BYTES);
  padded.set(message);
  padded[message.length] = 0x80;
  const view = new DataView(padded.buffer);
  const bits = message.length * BITS_PER_BYTE;
  view.setUint32(padded.length - 8, bits / TWO_32);
  view.setUint32(padded.length - 4, bits % TWO_32);
  const state = new Uint32Array([0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0]); // §5.3.1
  const schedule = new Uint32Array(ROUNDS);
  for (let at = 0; at < padded.length; at += BLOCK_BYTES) compress(state, view, at, schedule);
  const digest = new Uint8Array(DIGEST_BYTES);
  const out = new DataView(digest.buffer);
  state.forEach((word, i) => out.setUint32(4 * i, word));
  return digest;
}

/** HMAC-SHA1 of `message` under `key` (both borrowed), 20 bytes. */
export function hmacSha1(key: Uint8Array, message: Uint8Array): Uint8Array {
  const block = new Uint8Array(BLOCK_BYTES);
  block.set(key.length > BLOCK_BYTES ? sha1(key) : key);
  const inner = sha1(concatBytes(block.map((byte) => byte ^ 0x36), message));
  return sha1(concatBytes(block.map((byte) => byte ^ 0x5c), inner));
}

/** One block into the state (FIPS 180-4 §6.1.2). */
function compress(state: Uint32Array, view: DataView, at: number, w: Uint32Array): void {
  for (let t = 0; t < 16; t++) w[t] = view.getUint32(at + 4 * t);
  for (let t = 16; t < ROUNDS; t++) {
    w[t] = rotl((w[t - 3] ?? 0) ^ (w[t - 8] ?? 0) ^ (w[t - 14] ?? 0) ^ (w[t - 16] ?? 0), 1);
  }
  let [a = 0, b = 0, c = 0, d = 0, e = 0] = state;
  for (let t = 0; t < ROUNDS; t++) {
    const next = (rotl(a, 5) + mix(t, b, c, d) + e + (w[t] ?? 0)) | 0;
    [e, d, c, b, a] = [d, c, rotl(b, 30), a, next];
  }
  [a, b, c, d, e].forEach((word, i) => state[i] = (state[i] ?? 0) + word);
}

/** f(t) and K(t) of FIPS 180-4 §4.1.1 and §4.2.1, added. */
function mix(t: number, b: number, c: number, d: number): number {
  if (t < 20) return ((b & c) ^ (~b & d)) + 0x5a827999;
  if (t < 40) return (b ^ c ^ d) + 0x6ed9eba1;
  if (t < 60) return ((b & c) ^ (b & d) ^ (c & d)) + 0x8f1bbcdc;
  return (b ^ c ^ d) + 0xca62c1d6;
}

function rotl(x: number, bits: number): number {
  return (x << bits) | (x >>> (32 - bits));
}

/** The handshake primitives of the WebAssembly core against their plain twins, which are noble's and OpenSSL's. */
import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
import { chacha20poly1305, xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { hsalsa, xsalsa20poly1305 } from "@noble/ciphers/salsa.js";
import { x25519 } from "@noble/curves/ed25519.js";
import { blake2s as nobleBlake2s } from "@noble/hashes/blake2.js";
import { hmac } from "@noble/hashes/hmac.js";
import fc from "fast-check";
import { concatBytes, fromHex, toHex } from "../../lib/base/bytes.ts";
import { aeadOpen, aeadSeal } from "../../lib/crypto/aead.ts";
import { blake2s, kdf1, kdf2, kdf3, keyedBlake2s128 } from "../../lib/crypto/blake2s.ts";
import { openBox, precomputeBox, sealBox } from "../../lib/crypto/box.ts";
import { hmacSha1, sha1 } from "../../lib/crypto/sha1.ts";
import { MAX_AD_BYTES, MAX_TEXT_BYTES } from "../../lib/crypto/wasm/core.ts";
import { publicKey, sharedSecret } from "../../lib/crypto/x25519.ts";
import { xchachaOpen, xchachaSeal } from "../../lib/crypto/xchacha.ts";
import { SeededRandom } from "../support/seeded_random.ts";

const LITTLE_ENDIAN = true;

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const anyBytes = (maxLength: number) => fc.uint8Array({ maxLength });
/** Long runs of equal bits make limbs as large or as small as they come, and reach the numbers around p and 2^255. */
const coordinate = fc.oneof(
  bytes(32),
  fc.array(fc.constantFrom(0x00, 0x01, 0x7f, 0x80, 0xec, 0xed, 0xfe, 0xff), {
    minLength: 32,
    maxLength: 32,
  }).map((list) => Uint8Array.from(list)),
  fc.tuple(fc.nat(255), fc.nat(255), fc.boolean()).map(([low, high, isSet]) =>
    Uint8Array.from({ length: 32 }, (_, i) => i === 0 ? low : i === 31 ? high : isSet ? 0xff : 0)
  ),
);

Deno.test("sharedSecret() and publicKey() equal noble's for any keys", () => {
  fc.assert(
    fc.property(coordinate, coordinate, (ours, theirs) => {
      let expected: string | undefined;
      try {
        expected = toHex(x25519.getSharedSecret(ours, theirs));
      } catch {
        expected = undefined; // the all-zero result is all that noble can object to
      }
      const secret = sharedSecret(ours, theirs);
      assert.equal(secret && toHex(secret), expected);
      assert.equal(toHex(publicKey(ours)), toHex(x25519.getPublicKey(ours)));
    }),
    { numRuns: 200 },
  );
});

/**
 * Every u whose X25519 with a clamped scalar is zero, and their forms that are not reduced: 0, 1, both points of order 8, p − 1, p,
 * p + 1, each with and without the bit that does not count.
 */
Deno.test("sharedSecret() refuses every point of small order in every form (RFC 7748 §6.1)", () => {
  const points = [
    "00".repeat(32),
    "01" + "00".repeat(31),
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ec" + "ff".repeat(30) + "7f",
    "ed" + "ff".repeat(30) + "7f",
    "ee" + "ff".repeat(30) + "7f",
  ];
  const scalar = new Uint8Array(32).fill(0x55);
  for (const point of points) {
    const u = fromHex(point);
    assert.equal(sharedSecret(scalar, u), undefined, point);
    assert.equal(precomputeBox(scalar, u), undefined, point);
    u[31] = (u[31] ?? 0) | 0x80;
    assert.equal(sharedSecret(scalar, u), undefined, `${point}, bit 255 set`);
  }
});

Deno.test("precomputeBox() equals noble's X25519 and HSalsa20", () => {
  const words = (from: Uint8Array) => new Uint32Array(from.slice().buffer);
  fc.assert(
    fc.property(bytes(32), bytes(32), (ours, theirs) => {
      const expected = new Uint32Array(8);
      const sigma = words(new TextEncoder().encode("expand 32-byte k"));
      const secret = x25519.getSharedSecret(ours, theirs);
      hsalsa(sigma, words(secret), new Uint32Array(4), expected);
      const key = precomputeBox(ours, theirs);
      assert.equal(key && toHex(key.bytes), toHex(new Uint8Array(expected.buffer)));
    }),
    { numRuns: 50 },
  );
});

Deno.test("sealBox() and openBox() equal noble's for any length", () => {
  fc.assert(
    fc.property(bytes(32), bytes(24), anyBytes(300), (key, nonce, message) => {
      const box = sealBox({ bytes: key }, nonce, message);
      assert.deepEqual(box, xsalsa20poly1305(key, nonce).encrypt(message));
      assert.deepEqual(openBox({ bytes: key }, nonce, box), message);
    }),
  );
});

Deno.test("aeadSeal() and aeadOpen() equal noble's for any lengths of text and data", () => {
  const short = anyBytes(200);
  fc.assert(
    fc.property(bytes(32), fc.maxSafeNat(), short, short, (key, counter, text, ad) => {
      const nonce = new Uint8Array(12);
      new DataView(nonce.buffer).setBigUint64(4, BigInt(counter), LITTLE_ENDIAN);
      const sealed = aeadSeal(key, counter, text, ad);
      assert.deepEqual(sealed, chacha20poly1305(key, nonce, ad).encrypt(text));
      assert.deepEqual(aeadOpen(key, counter, sealed, ad), text);
    }),
  );
});

Deno.test("xchachaSeal() and xchachaOpen() equal noble's for any lengths of text and data", () => {
  const short = anyBytes(200);
  fc.assert(
    fc.property(bytes(32), bytes(24), short, short, (key, nonce, text, ad) => {
      const sealed = xchachaSeal(key, nonce, text, ad);
      assert.deepEqual(sealed, xchacha20poly1305(key, nonce, ad).encrypt(text));
      assert.deepEqual(xchachaOpen(key, nonce, sealed, ad), text);
    }),
  );
});

Deno.test("keyedBlake2s128() equals noble's for any key and message", () => {
  const key = fc.uint8Array({ minLength: 1, maxLength: 32 });
  fc.assert(fc.property(key, anyBytes(300), (key, message) => {
    assert.deepEqual(
      keyedBlake2s128(key, message),
      nobleBlake2s(message, { key, dkLen: 16 }),
    );
  }));
});

Deno.test("kdf1(), kdf2() and kdf3() equal their definition over noble's HMAC (WireGuard §5.4)", () => {
  fc.assert(fc.property(anyBytes(130), anyBytes(130), (key, input) => {
    const prk = hmac(nobleBlake2s, key, input);
    const first = hmac(nobleBlake2s, prk, Uint8Array.of(1));
    const second = hmac(nobleBlake2s, prk, concatBytes(first, Uint8Array.of(2)));
    const third = hmac(nobleBlake2s, prk, concatBytes(second, Uint8Array.of(3)));
    assert.deepEqual(kdf1(key, input), [first]);
    assert.deepEqual(kdf2(key, input), [first, second]);
    assert.deepEqual(kdf3(key, input), [first, second, third]);
  }));
});

Deno.test("sha1() and hmacSha1() equal OpenSSL's for any length", () => {
  fc.assert(fc.property(anyBytes(130), anyBytes(300), (key, message) => {
    assert.equal(toHex(sha1(message)), createHash("sha1").update(message).digest("hex"));
    const mac = createHmac("sha1", key).update(message).digest("hex");
    assert.equal(toHex(hmacSha1(key, message)), mac);
  }));
});

Deno.test("every primitive takes the longest text, and what is longer is refused or unauthentic", () => {
  const key = new Uint8Array(32).fill(1);
  const nonce = new Uint8Array(24).fill(2);
  const longer = new Uint8Array(MAX_TEXT_BYTES + 1);
  new SeededRandom(3).fill(longer);
  const text = longer.subarray(1);
  const ad = longer.subarray(0, MAX_AD_BYTES);

  const box = sealBox({ bytes: key }, nonce, text);
  assert.deepEqual(box, xsalsa20poly1305(key, nonce).encrypt(text));
  assert.deepEqual(openBox({ bytes: key }, nonce, box), new Uint8Array(text));
  const sealed = aeadSeal(key, 0, text, ad);
  assert.deepEqual(sealed, chacha20poly1305(key, new Uint8Array(12), ad).encrypt(text));
  assert.deepEqual(aeadOpen(key, 0, sealed, ad), new Uint8Array(text));
  const longSealed = xchachaSeal(key, nonce, text, ad);
  assert.deepEqual(longSealed, xchacha20poly1305(key, nonce, ad).encrypt(text));
  assert.deepEqual(xchachaOpen(key, nonce, longSealed, ad), new Uint8Array(text));
  const hash = createHash("blake2s256").update(text).update(longer).digest("hex");
  assert.equal(toHex(blake2s(text, longer)), hash);
  assert.deepEqual(keyedBlake2s128(key, longer), nobleBlake2s(longer, { key, dkLen: 16 }));

  const longerAd = longer.subarray(0, MAX_AD_BYTES + 1);
  for (
    const call of [
      () => sealBox({ bytes: key }, nonce, longer),
      () => sealBox({ bytes: key.subarray(1) }, nonce, text),
      () => aeadSeal(key, 0, longer, ad),
      () => aeadSeal(key, 0, text, longerAd),
      () => aeadOpen(key, 0, sealed, longerAd),
      () => xchachaSeal(key, nonce, longer, ad),
      () => xchachaSeal(key, nonce, text, longerAd),
      () => xchachaOpen(key, nonce, longSealed, longerAd),
      () => kdf1(key, longer),
    ]
  ) {
    assert.throws(call, RangeError);
  }
  const tooLong = new Uint8Array(MAX_TEXT_BYTES + 17);
  assert.equal(openBox({ bytes: key }, nonce, tooLong), undefined);
  assert.equal(aeadOpen(key, 0, tooLong, ad), undefined);
  assert.equal(xchachaOpen(key, nonce, tooLong, ad), undefined);
});

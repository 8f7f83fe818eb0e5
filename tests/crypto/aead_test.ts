/** `Aead` and the handshake pair: the WASM core equals its plain twin, keeps to its bytes, and checks its arguments. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { fromHex, toHex } from "../../lib/base/bytes.ts";
import { AEAD_TAG_BYTES, aeadOpen, aeadSeal, loadAead } from "../../lib/crypto/aead.ts";
import { MAX_TEXT_BYTES } from "../../lib/crypto/wasm/core.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { PlainAead } from "./plain_aead.ts";

const NO_AD = new Uint8Array();
const key32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
const counter53 = fc.maxSafeNat();
/** Around every edge of a block of 16 or 64, a batch of 192 or 256, and around whole packets. */
const packetLength = fc.oneof(
  fc.integer({ min: 0, max: 600 }),
  fc.integer({ min: 1_270, max: 1_460 }),
);

Deno.test("loadAead() seals as the plain twin for any length and offset", () => {
  const aead = loadAead();
  const plain = new PlainAead();
  fc.assert(
    fc.property(
      key32,
      counter53,
      packetLength,
      fc.nat(40),
      fc.nat(),
      (key, counter, length, offset, seed) => {
        const buffer = new Uint8Array(offset + length + AEAD_TAG_BYTES + 20);
        new SeededRandom(seed).fill(buffer);
        const expected = new Uint8Array(buffer);
        const original = new Uint8Array(buffer);
        aead.sealInPlace(key, counter, buffer, offset, length);
        plain.sealInPlace(key, counter, expected, offset, length);
        assert.deepEqual(buffer, expected);
        assert(aead.openInPlace(key, counter, buffer, offset, length + AEAD_TAG_BYTES));
        // What the tag overwrote stays overwritten.
        original.set(expected.subarray(offset + length, offset + length + 16), offset + length);
        assert.deepEqual(buffer, original);
      },
    ),
  );
});

Deno.test("loadAead() opens nothing in which one bit was flipped", () => {
  const aead = loadAead();
  fc.assert(
    fc.property(key32, counter53, packetLength, fc.nat(), (key, counter, length, where) => {
      const buffer = new Uint8Array(length + AEAD_TAG_BYTES);
      aead.sealInPlace(key, counter, buffer, 0, length);
      const bit = where % (buffer.length * 8);
      const flipped = new Uint8Array(buffer);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      assert(!aead.openInPlace(key, counter, flipped, 0, flipped.length));
      assert(aead.openInPlace(key, counter, buffer, 0, buffer.length));
    }),
  );
});

Deno.test("loadAead() opens nothing under another counter or key", () => {
  const aead = loadAead();
  const key = new Uint8Array(32).fill(7);
  const sealed = new Uint8Array(48);
  aead.sealInPlace(key, 2 ** 32, sealed, 0, 32);
  for (const counter of [0, 1, 2 ** 32 - 1, 2 ** 32 + 1, 2 ** 33]) {
    assert(!aead.openInPlace(key, counter, new Uint8Array(sealed), 0, 48));
  }
  const otherKey = new Uint8Array(32).fill(8);
  assert(!aead.openInPlace(otherKey, 2 ** 32, new Uint8Array(sealed), 0, 48));
  assert(aead.openInPlace(key, 2 ** 32, sealed, 0, 48));
});

Deno.test("loadAead() takes the largest message and refuses a larger one", () => {
  const aead = loadAead();
  const key = new Uint8Array(32).fill(1);
  const buffer = new Uint8Array(MAX_TEXT_BYTES + AEAD_TAG_BYTES + 1);
  const expected = new Uint8Array(buffer);
  aead.sealInPlace(key, 3, buffer, 0, MAX_TEXT_BYTES);
  new PlainAead().sealInPlace(key, 3, expected, 0, MAX_TEXT_BYTES);
  assert.deepEqual(buffer, expected);
  assert.throws(() => aead.sealInPlace(key, 3, buffer, 0, MAX_TEXT_BYTES + 1), RangeError);
  assert.throws(() => aead.openInPlace(key, 3, buffer, 0, buffer.length), RangeError);
});

Deno.test("loadAead() refuses arguments that do not fit", async (t) => {
  const aead = loadAead();
  const key = new Uint8Array(32);
  const buffer = new Uint8Array(64);
  const rows: { name: string; call(): void }[] = [
    { name: "short key", call: () => aead.sealInPlace(new Uint8Array(31), 0, buffer, 0, 16) },
    { name: "no room for the tag", call: () => aead.sealInPlace(key, 0, buffer, 0, 49) },
    { name: "negative offset", call: () => aead.sealInPlace(key, 0, buffer, -1, 16) },
    { name: "negative length", call: () => aead.sealInPlace(key, 0, buffer, 0, -1) },
    { name: "fractional length", call: () => aead.sealInPlace(key, 0, buffer, 0, 1.5) },
    { name: "counter of 2^53", call: () => aead.sealInPlace(key, 2 ** 53, buffer, 0, 16) },
    { name: "negative counter", call: () => aead.sealInPlace(key, -1, buffer, 0, 16) },
    { name: "open past the end", call: () => aead.openInPlace(key, 0, buffer, 40, 25) },
    { name: "aeadSeal, short key", call: () => void aeadSeal(NO_AD, 0, buffer, NO_AD) },
    { name: "aeadOpen, counter NaN", call: () => void aeadOpen(key, NaN, buffer, NO_AD) },
  ];
  for (const { name, call } of rows) {
    await t.step(name, () => {
      assert.throws(call, RangeError);
    });
  }
  assert.deepEqual(buffer, new Uint8Array(64));
});

Deno.test("loadAead() calls what is shorter than a tag unauthentic", () => {
  const aead = loadAead();
  for (let length = 0; length < AEAD_TAG_BYTES; length++) {
    assert(!aead.openInPlace(new Uint8Array(32), 0, new Uint8Array(64), 0, length));
    assert.equal(aeadOpen(new Uint8Array(32), 0, new Uint8Array(length), NO_AD), undefined);
  }
});

Deno.test("aeadSeal() gives what loadAead() opens, and aeadOpen() the reverse", () => {
  const aead = loadAead();
  fc.assert(
    fc.property(key32, counter53, fc.uint8Array({ maxLength: 200 }), (key, counter, text) => {
      const sealed = new Uint8Array(aeadSeal(key, counter, text, NO_AD));
      assert.deepEqual(aeadOpen(key, counter, sealed, NO_AD), text);
      assert(aead.openInPlace(key, counter, sealed, 0, sealed.length));
      assert.deepEqual(sealed.subarray(0, text.length), text);
    }),
  );
});

Deno.test("aeadOpen() refuses other associated data", () => {
  const key = new Uint8Array(32).fill(5);
  const sealed = aeadSeal(key, 0, NO_AD, fromHex("00112233"));
  assert.equal(aeadOpen(key, 0, sealed, fromHex("00112234")), undefined);
  assert.equal(aeadOpen(key, 0, sealed, fromHex("00112233"))?.length, 0);
});

Deno.test("loadAead() seals a keepalive and a padded packet (computed with two other implementations)", () => {
  const key = fromHex("550e7ad836268eab13001e66b363ea04143f2912f4a5c863075546a513ae6740");
  const aead = loadAead();
  const keepalive = new Uint8Array(16);
  aead.sealInPlace(key, 0, keepalive, 0, 0);
  assert.equal(toHex(keepalive), "0382c91a49a8cf83a69aeb24cf1372f7");
  const packet = new Uint8Array(48);
  for (let i = 0; i < 21; i++) packet[i] = i;
  aead.sealInPlace(key, 1, packet, 0, 32);
  assert.equal(
    toHex(packet),
    "ff95b09c6eee2555a21713d8f7e3f7e45af9fa3e55187e76a4da429c610ed537" +
      "d61b86e7e68111d579c6d33b1e68633d",
  );
});

Deno.test("loadAead() instances are independent", () => {
  const [a, b] = [loadAead(), loadAead()];
  const key = new Uint8Array(32).fill(9);
  const buffer = new Uint8Array(100);
  a.sealInPlace(key, 4, buffer, 10, 50);
  b.sealInPlace(new Uint8Array(32), 5, new Uint8Array(90), 0, 70);
  assert(b.openInPlace(key, 4, buffer, 10, 66));
  assert.deepEqual(buffer.subarray(10, 60), new Uint8Array(50));
});

/** NaCl's box: the vector of the C implementation, both directions, and what must not open. */
import assert from "node:assert/strict";
import { fromHex, toHex } from "../../lib/base/bytes.ts";
import { openBox, precomputeBox, sealBox } from "../../lib/crypto/box.ts";
import { publicKey } from "../../lib/crypto/x25519.ts";

const SK1 = new Uint8Array(32).fill(1);
const SK2 = new Uint8Array(32).fill(2);
const NONCE = new Uint8Array(24).fill(4);
const MESSAGE = new Uint8Array(64).fill(3);
const SEALED = "78ea30b19d2341ebbdba54180f821eec265cf86312549bea8a37652a8bb94f07" +
  "b78a73ed1708085e6ddd0e943bbdeb8755079a37eb31d86163ce241164a47629" +
  "c0539f330b4914cd135b3855bc2a2dfc";

Deno.test("sealBox() equals NaCl's C implementation (golang/crypto nacl/box)", () => {
  const key = precomputeBox(SK2, publicKey(SK1));
  assert(key);
  assert.equal(
    toHex(key.bytes),
    "18a99320f3488fa18a04239715d8ee738065e65c3d4b2898522d6c3d4ead588c",
  );
  assert.equal(toHex(sealBox(key, NONCE, MESSAGE)), SEALED);
});

Deno.test("openBox() opens with the other side's key", () => {
  const key = precomputeBox(SK1, publicKey(SK2));
  assert(key);
  assert.deepEqual(openBox(key, NONCE, fromHex(SEALED)), MESSAGE);
});

Deno.test("openBox() refuses any flipped bit, another nonce, and what is shorter than a tag", () => {
  const key = precomputeBox(SK1, publicKey(SK2));
  assert(key);
  for (let bit = 0; bit < SEALED.length * 4; bit++) {
    const box = fromHex(SEALED);
    box[bit >> 3] = (box[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    assert.equal(openBox(key, NONCE, box), undefined);
  }
  assert.equal(openBox(key, new Uint8Array(24), fromHex(SEALED)), undefined);
  for (let length = 0; length < 16; length++) {
    assert.equal(openBox(key, NONCE, new Uint8Array(length)), undefined);
  }
});

Deno.test("precomputeBox() refuses a key of small order (RFC 7748 §6.1)", () => {
  assert.equal(precomputeBox(SK1, new Uint8Array(32)), undefined);
});

Deno.test("sealBox() refuses a nonce of another length", () => {
  const key = { bytes: new Uint8Array(32) };
  assert.throws(() => sealBox(key, new Uint8Array(12), MESSAGE), RangeError);
  assert.throws(() => openBox(key, new Uint8Array(12), MESSAGE), RangeError);
});

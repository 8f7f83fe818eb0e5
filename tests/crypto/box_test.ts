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

Deno.test("precomputeBox() and sealBox() equal the worked example (D. J. Bernstein, Cryptography in NaCl, §7 to §10)", () => {
  const alice = fromHex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
  const bobPublic = fromHex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
  const key = precomputeBox(alice, bobPublic);
  assert(key);
  assert.equal(
    toHex(key.bytes),
    "1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389",
  );
  const nonce = fromHex("69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37");
  const message = fromHex(
    "be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd751a1ac728d45e6c6129" +
      "6cdc3c01233561f41db66cce314adb310e3be8250c46f06dceea3a7fa1348057e2f6556ad6b1318a024a838f21af1fde" +
      "048977eb48f59ffd4924ca1c60902e52f0a089bc76897040e082f937763848645e0705",
  );
  assert.equal(
    toHex(sealBox(key, nonce, message)),
    "f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce48332ea7164d96a4476fb8c531a1186a" +
      "c0dfc17c98dce87b4da7f011ec48c97271d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8ab932164548e526ae" +
      "90224368517acfeabd6bb3732bc0e9da99832b61ca01b6de56244a9e88d5f9b37973f622a43d14a6599b1f654cb45a74" +
      "e355a5",
  );
});

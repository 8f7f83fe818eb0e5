/** X25519 against RFC 7748 and Wycheproof. */
import assert from "node:assert/strict";
import { fromHex, toHex } from "../../lib/base/bytes.ts";
import { generatePrivateKey, publicKey, sharedSecret } from "../../lib/crypto/x25519.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import vectors from "../vectors/crypto/wycheproof_x25519.json" with { type: "json" };

const ALL_ZERO = "0".repeat(64);

function hexOf(bytes: Uint8Array | undefined): string | undefined {
  return bytes === undefined ? undefined : toHex(bytes);
}

Deno.test("sharedSecret() equals every vector and refuses the all-zero result (Wycheproof x25519)", () => {
  let refused = 0;
  for (const { tcId, comment, private: ours, public: theirs, shared } of vectors) {
    const secret = hexOf(sharedSecret(fromHex(ours), fromHex(theirs)));
    const isZero = shared === ALL_ZERO;
    assert.equal(secret, isZero ? undefined : shared, `tcId ${tcId} ${comment}`);
    if (isZero) refused++;
  }
  assert(refused > 0);
});

Deno.test("sharedSecret() equals the single vectors (RFC 7748 §5.2)", () => {
  const rows = [
    {
      scalar: "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
      u: "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
      out: "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
    },
    {
      scalar: "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
      u: "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
      out: "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957",
    },
  ];
  for (const { scalar, u, out } of rows) {
    assert.equal(hexOf(sharedSecret(fromHex(scalar), fromHex(u))), out);
  }
});

Deno.test("sharedSecret() gives the iterated values (RFC 7748 §5.2)", () => {
  let k: Uint8Array = fromHex("09" + "00".repeat(31));
  let u = k;
  for (let i = 1; i <= 1_000; i++) {
    const next = sharedSecret(k, u);
    assert(next);
    [k, u] = [next, k];
    if (i === 1) {
      assert.equal(toHex(k), "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079");
    }
  }
  assert.equal(toHex(k), "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51");
});

Deno.test("publicKey() and sharedSecret() agree on both sides (RFC 7748 §6.1)", () => {
  const alice = fromHex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
  const bob = fromHex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
  const alicePublic = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a";
  const bobPublic = "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f";
  const shared = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742";
  assert.equal(toHex(publicKey(alice)), alicePublic);
  assert.equal(toHex(publicKey(bob)), bobPublic);
  assert.equal(hexOf(sharedSecret(alice, fromHex(bobPublic))), shared);
  assert.equal(hexOf(sharedSecret(bob, fromHex(alicePublic))), shared);
});

Deno.test("generatePrivateKey() gives clamped and different keys (RFC 7748 §5)", () => {
  const random = new SeededRandom(1);
  const keys = Array.from({ length: 20 }, () => generatePrivateKey(random));
  for (const key of keys) {
    assert.equal(key.length, 32);
    assert.equal((key[0] ?? 0) & 7, 0);
    assert.equal((key[31] ?? 0) & 0xc0, 0x40);
  }
  assert.equal(new Set(keys.map(toHex)).size, keys.length);
});

Deno.test("publicKey() and sharedSecret() refuse keys of another length", () => {
  assert.throws(() => publicKey(new Uint8Array(31)), RangeError);
  assert.throws(() => sharedSecret(new Uint8Array(32), new Uint8Array(33)), RangeError);
});

/** BLAKE2s and what WireGuard builds on it, against the reference vectors and wireguard-go's. */
import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
import fc from "fast-check";
import { concatBytes, fromHex, toHex } from "../../lib/base/bytes.ts";
import {
  blake2s,
  hmacBlake2s,
  kdf1,
  kdf2,
  kdf3,
  keyedBlake2s128,
} from "../../lib/crypto/blake2s.ts";
import vectors from "../vectors/crypto/blake2s_kat.json" with { type: "json" };

const utf8 = new TextEncoder();

/** The bytes 00, 01, … as all BLAKE2 vectors have them. */
function counting(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => i);
}

Deno.test("blake2s() equals the reference (BLAKE2 blake2-kat.json)", () => {
  vectors.unkeyed.forEach((hash, length) => assert.equal(toHex(blake2s(counting(length))), hash));
  assert.equal(
    toHex(blake2s(utf8.encode("abc"))),
    "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982", // RFC 7693 appendix B
  );
});

Deno.test("blake2s() hashes its parts as if they were one, as OpenSSL does", () => {
  fc.assert(fc.property(fc.array(fc.uint8Array({ maxLength: 100 })), (parts) => {
    const whole = createHash("blake2s256").update(concatBytes(...parts)).digest("hex");
    assert.equal(toHex(blake2s(...parts)), whole);
  }));
});

Deno.test("keyedBlake2s128() equals the reference (golang/crypto hashes128)", () => {
  const key = counting(32);
  vectors.keyed128.forEach((hash, length) =>
    assert.equal(toHex(keyedBlake2s128(key, counting(length))), hash)
  );
});

Deno.test("keyedBlake2s128() refuses a key of 0 or 33 bytes", () => {
  assert.throws(() => keyedBlake2s128(new Uint8Array(0), counting(1)), RangeError);
  assert.throws(() => keyedBlake2s128(new Uint8Array(33), counting(1)), RangeError);
});

Deno.test("hmacBlake2s() equals OpenSSL's for any key and parts", () => {
  const bytes = fc.uint8Array({ maxLength: 130 });
  fc.assert(fc.property(bytes, bytes, bytes, (key, first, second) => {
    const expected = createHmac("blake2s256", key).update(first).update(second).digest("hex");
    assert.equal(toHex(hmacBlake2s(key, first, second)), expected);
  }));
});

Deno.test("kdf1(), kdf2() and kdf3() equal wireguard-go's (device/kdf_test.go)", async (t) => {
  const rows = [
    {
      name: "test-key",
      key: "test-key",
      input: "test-input",
      out: [
        "6f0e5ad38daba1bea8a0d213688736f19763239305e0f58aba697f9ffc41c633",
        "df1194df20802a4fe594cde27e92991c8cae66c366e8106aaa937a55fa371e8a",
        "fac6e2745a325f5dc5d11a5b165aad08b0ada28e7b4e666b7c077934a4d76c24",
      ],
    },
    {
      name: "wireguard",
      key: "wireguard",
      input: "wireguard",
      out: [
        "491d43bbfdaa8750aaf535e334ecbfe5129967cd64635101c566d4caefda96e8",
        "1e71a379baefd8a79aa4662212fcafe19a23e2b609a3db7d6bcba8f560e3d25f",
        "31e1ae48bddfbe5de38f295e5452b1909a1b4e38e183926af3780b0c1e1f0160",
      ],
    },
    {
      name: "empty",
      key: "",
      input: "",
      out: [
        "8387b46bf43eccfcf349552a095d8315c4055beb90208fb1be23b894bc2ed5d0",
        "58a0e5f6faefccf4807bff1f05fa8a9217945762040bcec2f4b4a62bdfe0e86e",
        "0ce6ea98ec548f8e281e93e32db65621c45eb18dc6f0a7ad94178610a2f7338e",
      ],
    },
  ];
  for (const { name, key, input, out } of rows) {
    await t.step(name, () => {
      const [keyBytes, inputBytes] = [utf8.encode(key), utf8.encode(input)];
      assert.deepEqual(kdf1(keyBytes, inputBytes).map(toHex), out.slice(0, 1));
      assert.deepEqual(kdf2(keyBytes, inputBytes).map(toHex), out.slice(0, 2));
      assert.deepEqual(kdf3(keyBytes, inputBytes).map(toHex), out);
    });
  }
});

Deno.test("blake2s() gives the constants every handshake begins with (WireGuard §5.4.2)", () => {
  const construction = blake2s(utf8.encode("Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"));
  assert.equal(
    toHex(construction),
    "60e26daef327efc02ec335e2a025d2d016eb4206f87277f52d38d1988b78cd36",
  );
  assert.equal(
    toHex(blake2s(construction, utf8.encode("WireGuard v1 zx2c4 Jason@zx2c4.com"))),
    "2211b361081ac566691243db458ad5322d9c6c662293e8b70ee19c65ba079ef3",
  );
});

Deno.test("keyedBlake2s128() gives a cookie (computed, WireGuard §5.4.7)", () => {
  const cookie = keyedBlake2s128(new Uint8Array(32).fill(7), fromHex("c00002016cca"));
  assert.equal(toHex(cookie), "2969009a150c9e0d6f3b247d381da6aa");
});

import { strictEqual } from "node:assert/strict";
import { toHex } from "../../lib/base/bytes.ts";
import { hmacSha1, sha1 } from "../../lib/crypto/sha1.ts";

const ascii = (text: string) => new TextEncoder().encode(text);
const filled = (byte: number, count: number) => new Uint8Array(count).fill(byte);

/** RFC 2202 §3, test cases 1, 2, 3, 5, 6. */
const ROWS = [
  {
    key: filled(0x0b, 20),
    data: ascii("Hi There"),
    mac: "b617318655057264e28bc0b6fb378c8ef146be00",
  },
  {
    key: ascii("Jefe"),
    data: ascii("what do ya want for nothing?"),
    mac: "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
  },
  {
    key: filled(0xaa, 20),
    data: filled(0xdd, 50),
    mac: "125d7342b9ac11cd91a39af48aa17b4f63f175d3",
  },
  {
    key: filled(0x0c, 20),
    data: ascii("Test With Truncation"),
    mac: "4c1a03424b55e07fe7f27be1d58bb9324a9a5a04",
  },
  {
    key: filled(0xaa, 80),
    data: ascii("Test Using Larger Than Block-Size Key - Hash Key First"),
    mac: "aa4ae5e15272d00e95705637ce8a3b55ed402112",
  },
];

ROWS.forEach(({ key, data, mac }, i) => {
  Deno.test(`hmacSha1() row ${i + 1} (RFC 2202 §3)`, () => {
    strictEqual(toHex(hmacSha1(key, data)), mac);
  });
});

Deno.test("sha1() of abc (FIPS 180-4, appendix of its examples)", () => {
  strictEqual(toHex(sha1(ascii("abc"))), "a9993e364706816aba3e25717850c26c9cd0d89d");
});

/** XChaCha20-Poly1305 against Wycheproof, the draft, and a computed cookie. */
import assert from "node:assert/strict";
import { concatBytes, fromHex, toHex } from "../../lib/base/bytes.ts";
import { xchachaOpen, xchachaSeal } from "../../lib/crypto/xchacha.ts";
import vectors from "../vectors/crypto/wycheproof_xchacha20_poly1305.json" with { type: "json" };

const NONCE_HEX_DIGITS = 48;

Deno.test("xchachaSeal() and xchachaOpen() do what every vector says (Wycheproof xchacha20_poly1305)", () => {
  let ran = 0;
  for (const vector of vectors) {
    if (vector.iv.length !== NONCE_HEX_DIGITS) continue;
    const [key, nonce, ad, text] = [vector.key, vector.iv, vector.aad, vector.msg].map(fromHex);
    assert(key && nonce && ad && text);
    const sealed = concatBytes(fromHex(vector.ct), fromHex(vector.tag));
    const opened = xchachaOpen(key, nonce, sealed, ad);
    const about = `tcId ${vector.tcId} ${vector.comment}`;
    if (vector.result === "valid") {
      assert.equal(toHex(xchachaSeal(key, nonce, text, ad)), toHex(sealed), about);
      assert.equal(opened && toHex(opened), vector.msg, about);
    } else {
      assert.equal(opened, undefined, about);
    }
    ran++;
  }
  assert(ran > 250, `ran ${ran}`);
});

Deno.test("xchachaSeal() equals the draft's example (draft-irtf-cfrg-xchacha §A.3.1)", () => {
  const text = new TextEncoder().encode(
    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, " +
      "sunscreen would be it.",
  );
  const key = Uint8Array.from({ length: 32 }, (_, i) => 0x80 + i);
  const nonce = Uint8Array.from({ length: 24 }, (_, i) => 0x40 + i);
  const sealed = toHex(xchachaSeal(key, nonce, text, fromHex("50515253c0c1c2c3c4c5c6c7")));
  assert.equal(sealed.slice(0, 32), "bd6d179d3e83d43b9576579493c0e939");
  assert.equal(sealed.slice(-32), "c0875924c1c7987947deafd8780acf49");
});

Deno.test("xchachaOpen() opens a cookie reply (computed, WireGuard §5.4.7)", () => {
  const cookie = xchachaOpen(
    fromHex("6d3aeef16e9251e8a904ae3a8926c7828239871061752e0e34bf1bd59c7d1623"),
    Uint8Array.from({ length: 24 }, (_, i) => i),
    fromHex("949ab3e6f3e38eeb9ab653a0c5c0ed5343b9dc054d811bdbae37272f19769118"),
    fromHex("7b51e07fa48796a2300ed2a670585fce"),
  );
  assert.equal(cookie && toHex(cookie), "2969009a150c9e0d6f3b247d381da6aa");
});

Deno.test("xchachaOpen() calls what is shorter than a tag unauthentic", () => {
  const [key, nonce] = [new Uint8Array(32), new Uint8Array(24)];
  for (let length = 0; length < 16; length++) {
    assert.equal(xchachaOpen(key, nonce, new Uint8Array(length), new Uint8Array()), undefined);
  }
  assert.throws(() => xchachaOpen(key, new Uint8Array(12), key, key), RangeError);
});

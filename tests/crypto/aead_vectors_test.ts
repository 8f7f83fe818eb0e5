/** ChaCha20-Poly1305 against official vectors: the WASM core and both plain twins face the same ones. */
import assert from "node:assert/strict";
import { concatBytes, fromHex, toHex } from "../../lib/base/bytes.ts";
import vectors from "../vectors/crypto/wycheproof_chacha20_poly1305.json" with { type: "json" };
import { type FullAead, NOBLE_AEAD, NODE_AEAD, wasmFullAead } from "./plain_aead.ts";

const NONCE_HEX_DIGITS = 24;
const IMPLEMENTATIONS: readonly { name: string; make(): FullAead }[] = [
  { name: "WASM core", make: wasmFullAead },
  { name: "noble", make: () => NOBLE_AEAD },
  { name: "node:crypto", make: () => NODE_AEAD },
];

for (const { name, make } of IMPLEMENTATIONS) {
  Deno.test(`${name} seals and opens as every vector says (Wycheproof chacha20_poly1305)`, () => {
    const aead = make();
    let ran = 0;
    for (const vector of vectors) {
      if (vector.iv.length !== NONCE_HEX_DIGITS) continue; // Our interfaces know no other nonce.
      const [key, nonce, ad, text] = [vector.key, vector.iv, vector.aad, vector.msg].map(fromHex);
      assert(key && nonce && ad && text);
      const sealed = concatBytes(fromHex(vector.ct), fromHex(vector.tag));
      const opened = aead.open(key, nonce, ad, sealed);
      const about = `tcId ${vector.tcId} ${vector.comment}`;
      if (vector.result === "valid") {
        assert.equal(toHex(aead.seal(key, nonce, ad, text)), toHex(sealed), about);
        assert.equal(opened && toHex(opened), vector.msg, about);
      } else {
        assert.equal(opened, undefined, about);
      }
      ran++;
    }
    assert(ran > 300, `ran ${ran}`);
  });

  Deno.test(`${name} opens the message of RFC 8439 §A.5`, () => {
    const key = fromHex("1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0");
    const nonce = fromHex("000000000102030405060708");
    const ad = fromHex("f33388860000000000004e91");
    const text = new TextEncoder().encode(
      "Internet-Drafts are draft documents valid for a maximum of six months and may be updated, " +
        "replaced, or obsoleted by other documents at any time. It is inappropriate to use " +
        "Internet-Drafts as reference material or to cite them other than as /“work in progress./”",
    );
    const sealed = make().seal(key, nonce, ad, text);
    assert.equal(toHex(sealed.subarray(0, 16)), "64a0861575861af460f062c79be643bd");
    assert.equal(toHex(sealed.subarray(-16)), "eead9d67890cbb22392336fea1851f38");
    assert.deepEqual(make().open(key, nonce, ad, sealed), new Uint8Array(text));
  });
}

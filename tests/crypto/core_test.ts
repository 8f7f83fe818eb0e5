/** The WebAssembly core as an artifact: what is embedded, and what it leaves in its memory. */
import assert from "node:assert/strict";
import { aeadOpen, aeadSeal } from "../../lib/crypto/aead.ts";
import { blake2s, hmacBlake2s, kdf3, keyedBlake2s128 } from "../../lib/crypto/blake2s.ts";
import { openBox, precomputeBox, sealBox } from "../../lib/crypto/box.ts";
import { handshakeCore, instantiateCore } from "../../lib/crypto/wasm/core.ts";
import { CORE_BASE64 } from "../../lib/crypto/wasm/core_wasm.ts";
import { publicKey, sharedSecret } from "../../lib/crypto/x25519.ts";
import { xchachaOpen, xchachaSeal } from "../../lib/crypto/xchacha.ts";

Deno.test("CORE_BASE64 holds the bytes of core.wasm", async () => {
  const url = new URL("../../lib/crypto/wasm/core.wasm", import.meta.url);
  assert.deepEqual(Uint8Array.fromBase64(CORE_BASE64), await Deno.readFile(url));
});

Deno.test("instantiateCore() asks for nothing from outside", () => {
  const module = new WebAssembly.Module(Uint8Array.fromBase64(CORE_BASE64));
  assert.deepEqual(WebAssembly.Module.imports(module), []);
});

Deno.test("CryptoCore leaves neither key nor key stream behind, whether the tag was right or wrong", () => {
  const core = instantiateCore();
  const { memory, keyAt, nonceAt, textAt, adAt } = core;
  const belowText = memory.subarray(0, adAt);
  const begin = () => {
    memory.fill(0x5a, keyAt, keyAt + 32);
    memory.fill(0xa5, nonceAt, nonceAt + 12);
  };
  const isWiped = () => belowText.every((byte) => byte === 0);
  begin();
  core.seal(0, 100);
  assert(isWiped());
  begin();
  assert.equal(core.open(0, 100), 1);
  assert(isWiped());
  begin();
  memory.fill(1, textAt, textAt + 116);
  assert.equal(core.open(0, 100), 0);
  assert(isWiped());
  assert(memory.subarray(textAt, textAt + 116).every((byte) => byte === 1));
});

/** Where the constants of the core begin, which are all that may stay. */
const CONSTANTS_AT = 73_728;

Deno.test("handshake primitives leave nothing at all in the core's memory, whatever came of them", async (t) => {
  const of = (length: number) => new Uint8Array(length).fill(0x5a);
  const [key, nonce, text, ad] = [of(32), of(24), of(1_000), of(1_024)];
  const forged = of(1_016);
  const calls: readonly { readonly name: string; run(): unknown }[] = [
    { name: "publicKey", run: () => publicKey(key) },
    { name: "sharedSecret", run: () => sharedSecret(key, of(32)) },
    { name: "sharedSecret, small order", run: () => sharedSecret(key, new Uint8Array(32)) },
    { name: "precomputeBox", run: () => precomputeBox(key, of(32)) },
    { name: "precomputeBox, small order", run: () => precomputeBox(key, new Uint8Array(32)) },
    { name: "sealBox", run: () => sealBox({ bytes: key }, nonce, text) },
    { name: "sealBox of nothing", run: () => sealBox({ bytes: key }, nonce, new Uint8Array(0)) },
    {
      name: "openBox",
      run: () => openBox({ bytes: key }, nonce, sealBox({ bytes: key }, nonce, text)),
    },
    { name: "openBox, forged", run: () => openBox({ bytes: key }, nonce, forged) },
    { name: "aeadSeal", run: () => aeadSeal(key, 1, text, ad) },
    { name: "aeadOpen", run: () => aeadOpen(key, 1, aeadSeal(key, 1, text, ad), ad) },
    { name: "aeadOpen, forged", run: () => aeadOpen(key, 1, forged, ad) },
    { name: "xchachaSeal", run: () => xchachaSeal(key, nonce, text, ad) },
    {
      name: "xchachaOpen",
      run: () => xchachaOpen(key, nonce, xchachaSeal(key, nonce, text, ad), ad),
    },
    { name: "xchachaOpen, forged", run: () => xchachaOpen(key, nonce, forged, ad) },
    { name: "blake2s", run: () => blake2s(text, key) },
    { name: "keyedBlake2s128", run: () => keyedBlake2s128(key, text) },
    { name: "hmacBlake2s", run: () => hmacBlake2s(of(100), text) },
    { name: "kdf3", run: () => kdf3(key, text) },
  ];
  const { memory } = handshakeCore().run;
  for (const { name, run } of calls) {
    await t.step(name, () => {
      run();
      const left = memory.subarray(0, CONSTANTS_AT).findIndex((byte) => byte !== 0);
      assert.equal(left, -1, `byte at ${left}`);
    });
  }
});

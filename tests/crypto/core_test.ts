/** The WebAssembly core as an artifact: what is embedded, and what it leaves in its memory. */
import assert from "node:assert/strict";
import { instantiateAeadCore } from "../../lib/crypto/wasm/core.ts";
import { AEAD_CORE_BASE64 } from "../../lib/crypto/wasm/aead_core_wasm.ts";

Deno.test("AEAD_CORE_BASE64 holds the bytes of aead_core.wasm", async () => {
  const url = new URL("../../lib/crypto/wasm/aead_core.wasm", import.meta.url);
  assert.deepEqual(Uint8Array.fromBase64(AEAD_CORE_BASE64), await Deno.readFile(url));
});

Deno.test("instantiateAeadCore() asks for nothing from outside", () => {
  const module = new WebAssembly.Module(Uint8Array.fromBase64(AEAD_CORE_BASE64));
  assert.deepEqual(WebAssembly.Module.imports(module), []);
});

Deno.test("AeadCore leaves neither key nor key stream behind, whether the tag was right or wrong", () => {
  const core = instantiateAeadCore();
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

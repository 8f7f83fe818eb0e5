/** Placeholder until the WASM core is in: noble behind the shape of `Aead`. */
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { ByteWriter } from "../base/bytes.ts";
import type { Aead } from "./aead.ts";

function cipherOf(key: Uint8Array, counter: number) {
  const nonce = new Uint8Array(12);
  new ByteWriter(nonce, 4).u64le(BigInt(counter));
  return chacha20poly1305(key, nonce);
}

export function instantiateWasmAead(): Aead {
  return {
    sealInPlace(key, counter, buffer, offset, length) {
      const sealed = cipherOf(key, counter).encrypt(buffer.subarray(offset, offset + length));
      buffer.set(sealed, offset);
    },
    openInPlace(key, counter, buffer, offset, length) {
      if (length < 16) return false;
      try {
        const sealed = buffer.subarray(offset, offset + length);
        buffer.set(cipherOf(key, counter).decrypt(sealed), offset);
        return true;
      } catch {
        return false;
      }
    },
  };
}

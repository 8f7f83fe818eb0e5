/**
 * The plain twins that the WASM core is compared with: noble's ChaCha20-Poly1305, and OpenSSL's through `node:crypto`.
 * `FullAead` is the primitive with any nonce and associated data; `PlainAead` has the shape that packets use.
 */
import { createCipheriv, createDecipheriv } from "node:crypto";
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { ByteWriter, concatBytes } from "../../lib/base/bytes.ts";
import type { Aead } from "../../lib/crypto/aead.ts";
import { instantiateCore } from "../../lib/crypto/wasm/core.ts";

/** ChaCha20-Poly1305 as RFC 8439 §2.8 has it. `key` 32 bytes, `nonce` 12 bytes, sealed text = ciphertext || tag. */
export interface FullAead {
  seal(key: Uint8Array, nonce: Uint8Array, ad: Uint8Array, text: Uint8Array): Uint8Array;
  open(
    key: Uint8Array,
    nonce: Uint8Array,
    ad: Uint8Array,
    sealed: Uint8Array,
  ): Uint8Array | undefined;
}

const TAG_BYTES = 16;

export const NOBLE_AEAD: FullAead = {
  seal: (key, nonce, ad, text) => chacha20poly1305(key, nonce, ad).encrypt(text),
  open(key, nonce, ad, sealed) {
    try {
      return chacha20poly1305(key, nonce, ad).decrypt(sealed);
    } catch {
      return undefined; // Every other argument comes from the test, so that only the tag can be wrong.
    }
  },
};

export const NODE_AEAD: FullAead = {
  seal(key, nonce, ad, text) {
    const cipher = createCipheriv("chacha20-poly1305", key, nonce, { authTagLength: TAG_BYTES });
    cipher.setAAD(ad, { plaintextLength: text.length });
    return concatBytes(cipher.update(text), cipher.final(), cipher.getAuthTag());
  },
  open(key, nonce, ad, sealed) {
    const textBytes = sealed.length - TAG_BYTES;
    const decipher = createDecipheriv("chacha20-poly1305", key, nonce, {
      authTagLength: TAG_BYTES,
    });
    decipher.setAAD(ad, { plaintextLength: textBytes });
    decipher.setAuthTag(sealed.subarray(textBytes));
    const text = decipher.update(sealed.subarray(0, textBytes));
    try {
      return concatBytes(text, decipher.final());
    } catch {
      return undefined;
    }
  },
};

/** The WASM core itself, below the in-place interface, which has neither associated data nor free nonces. */
export function wasmFullAead(): FullAead {
  const core = instantiateCore();
  const { memory, textAt } = core;
  const load = (key: Uint8Array, nonce: Uint8Array, ad: Uint8Array, text: Uint8Array) => {
    memory.set(key, core.keyAt);
    memory.set(nonce, core.nonceAt);
    memory.set(ad, core.adAt);
    memory.set(text, textAt);
  };
  return {
    seal(key, nonce, ad, text) {
      load(key, nonce, ad, text);
      core.seal(ad.length, text.length);
      return memory.slice(textAt, textAt + text.length + TAG_BYTES);
    },
    open(key, nonce, ad, sealed) {
      load(key, nonce, ad, sealed);
      const textBytes = sealed.length - TAG_BYTES;
      if (core.open(ad.length, textBytes) === 0) return undefined;
      return memory.slice(textAt, textAt + textBytes);
    },
  };
}

/** The shape of `Aead` over any full one. */
export class PlainAead implements Aead {
  readonly #aead: FullAead;

  constructor(aead: FullAead = NOBLE_AEAD) {
    this.#aead = aead;
  }

  sealInPlace(
    key: Uint8Array,
    counter: number,
    buffer: Uint8Array,
    offset: number,
    length: number,
  ): void {
    const text = buffer.subarray(offset, offset + length);
    buffer.set(this.#aead.seal(key, nonceOf(counter), new Uint8Array(), text), offset);
  }

  openInPlace(
    key: Uint8Array,
    counter: number,
    buffer: Uint8Array,
    offset: number,
    length: number,
  ): boolean {
    if (length < TAG_BYTES) return false;
    const sealed = buffer.subarray(offset, offset + length);
    const text = this.#aead.open(key, nonceOf(counter), new Uint8Array(), sealed);
    if (text === undefined) return false;
    buffer.set(text, offset);
    return true;
  }
}

function nonceOf(counter: number): Uint8Array {
  const nonce = new Uint8Array(12);
  new ByteWriter(nonce, 4).u64le(BigInt(counter));
  return nonce;
}

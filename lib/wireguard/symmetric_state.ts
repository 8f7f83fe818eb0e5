/**
 * Noise's SymmetricState (Noise specification rev. 34 §5.2), with the CipherState folded in: in IKpsk2 every key seals
 * exactly one message, so that the nonce is always 0. Names are Noise's; the whitepaper's C and H are `ck` and `h`.
 */
import { aeadOpen, aeadSeal } from "../crypto/aead.ts";
import { blake2s, kdf2, kdf3 } from "../crypto/blake2s.ts";

const NOTHING = new Uint8Array(0);
const NONCE = 0;

export class SymmetricState {
  #ck: Uint8Array;
  #k: Uint8Array = NOTHING;
  #h: Uint8Array;

  /** `protocolName` is longer than 32 bytes, or Noise would not hash it; `prologue` is the first thing mixed in. */
  constructor(protocolName: Uint8Array, prologue: Uint8Array) {
    this.#ck = blake2s(protocolName); // Noise §5.2, InitializeSymmetric
    this.#h = blake2s(this.#ck, prologue); // Noise §5.3, Initialize
  }

  /** The handshake hash, 32 bytes, borrowed. */
  get handshakeHash(): Uint8Array {
    return this.#h;
  }

  mixHash(data: Uint8Array): void {
    this.#h = blake2s(this.#h, data);
  }

  mixKey(input: Uint8Array): void {
    const [ck, k] = kdf2(this.#ck, input);
    this.#replaceKeys(ck, k);
  }

  mixKeyAndHash(input: Uint8Array): void {
    const [ck, temporary, k] = kdf3(this.#ck, input);
    this.mixHash(temporary);
    temporary.fill(0);
    this.#replaceKeys(ck, k);
  }

  /** Ciphertext and tag of `plaintext`. */
  encryptAndHash(plaintext: Uint8Array): Uint8Array {
    const ciphertext = aeadSeal(this.#k, NONCE, plaintext, this.#h);
    this.mixHash(ciphertext);
    return ciphertext;
  }

  /** The plaintext, or `undefined` when the tag is wrong: the state must not be used further then. */
  decryptAndHash(ciphertext: Uint8Array): Uint8Array | undefined {
    const plaintext = aeadOpen(this.#k, NONCE, ciphertext, this.#h);
    if (plaintext !== undefined) this.mixHash(ciphertext);
    return plaintext;
  }

  /** The two transport keys, 32 bytes each: the initiator's for sending first. */
  split(): [Uint8Array, Uint8Array] {
    return kdf2(this.#ck, NOTHING);
  }

  /** A copy with a life of its own: whoever tries a message keeps the original in case it is forged. */
  clone(): SymmetricState {
    const copy = new SymmetricState(NOTHING, NOTHING);
    copy.#ck = new Uint8Array(this.#ck);
    copy.#k = new Uint8Array(this.#k);
    copy.#h = new Uint8Array(this.#h);
    return copy;
  }

  /** Erases the keys; the state must not be used further. */
  wipe(): void {
    this.#ck.fill(0);
    this.#k.fill(0);
  }

  #replaceKeys(ck: Uint8Array, k: Uint8Array): void {
    this.wipe();
    this.#ck = ck;
    this.#k = k;
  }
}

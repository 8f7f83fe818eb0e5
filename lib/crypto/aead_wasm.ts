/**
 * `Aead` over the WebAssembly core: one copy into its memory and one out, nothing else per packet.
 * Both copies are `set` of a `subarray`: for a full packet the two together take 70 ns, a twentieth of the cipher, where a loop over
 * words, which allocates nothing, takes 300; below some 150 bytes the loop would win by 15 ns, and lose that on the
 * `DataView` of a buffer that is handed in as bytes. See also `copyBytes` in `wire/checksum.ts`.
 * A fast twin: it splits the counter into words itself. The plain twin is `tests/crypto/plain_aead.ts`.
 */
import { assertLength, KEY_BYTES } from "../base/bytes.ts";
import { type CryptoCore, instantiateCore, MAX_TEXT_BYTES } from "./wasm/core.ts";

const LITTLE_ENDIAN = true;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const TWO_32 = 0x1_0000_0000;

/** Has the shape of `Aead` in `aead.ts`, which is where its methods are documented. */
export class WasmAead {
  readonly #core: CryptoCore;
  readonly #memory: Uint8Array;
  readonly #nonce: DataView;

  constructor(core: CryptoCore = instantiateCore()) {
    this.#core = core;
    this.#memory = core.memory;
    this.#nonce = new DataView(core.memory.buffer, core.nonceAt, NONCE_BYTES);
  }

  sealInPlace(
    key: Uint8Array,
    counter: number,
    buffer: Uint8Array,
    offset: number,
    length: number,
  ): void {
    const sealedLength = length + TAG_BYTES;
    assertRange(buffer, offset, sealedLength);
    this.#setKey(key, counter);
    const { textAt } = this.#core;
    this.#memory.set(buffer.subarray(offset, offset + length), textAt);
    this.#core.seal(0, length);
    buffer.set(this.#memory.subarray(textAt, textAt + sealedLength), offset);
  }

  openInPlace(
    key: Uint8Array,
    counter: number,
    buffer: Uint8Array,
    offset: number,
    length: number,
  ): boolean {
    if (length < TAG_BYTES) return false;
    assertRange(buffer, offset, length);
    this.#setKey(key, counter);
    const { textAt } = this.#core;
    const openedLength = length - TAG_BYTES;
    this.#memory.set(buffer.subarray(offset, offset + length), textAt);
    if (this.#core.open(0, openedLength) === 0) return false;
    buffer.set(this.#memory.subarray(textAt, textAt + openedLength), offset);
    return true;
  }

  #setKey(key: Uint8Array, counter: number): void {
    assertLength(key, KEY_BYTES, "key");
    if (!Number.isSafeInteger(counter) || counter < 0) {
      throw new RangeError(`counter must be an integer in [0, 2^53): is ${counter}`);
    }
    this.#memory.set(key, this.#core.keyAt);
    // Nonce: zero 4 | counter u64le. The core wiped the zeros' place after the last call.
    this.#nonce.setUint32(4, counter % TWO_32, LITTLE_ENDIAN);
    this.#nonce.setUint32(8, counter / TWO_32, LITTLE_ENDIAN);
  }
}

/** Throws unless `buffer` holds `sealedLength` bytes at `offset` and the core can take as many. */
function assertRange(buffer: Uint8Array, offset: number, sealedLength: number): void {
  const isInside = Number.isSafeInteger(offset) && Number.isSafeInteger(sealedLength) &&
    offset >= 0 && sealedLength >= TAG_BYTES && offset + sealedLength <= buffer.length;
  if (!isInside) {
    throw new RangeError(
      `Message must lie in its buffer with its tag: offset ${offset}, length ${sealedLength}, buffer ${buffer.length}`,
    );
  }
  if (sealedLength > MAX_TEXT_BYTES + TAG_BYTES) {
    throw new RangeError(
      `Message must have at most ${MAX_TEXT_BYTES} bytes: has ${sealedLength - TAG_BYTES}`,
    );
  }
}

/**
 * The WebAssembly core as a typed object: its memory, where things lie in it, and its operations.
 * Who calls this writes and reads the memory itself, and keeps to the bounds here: the core checks none.
 * `assembly/layout.ts` has the layout, `assembly/index.ts` what there is.
 */
import { CORE_BASE64 } from "./core_wasm.ts";

export interface CryptoCore {
  /** The core's whole memory. */
  readonly memory: Uint8Array<ArrayBuffer>;
  /** Where the 32-byte key goes. Wiped by every call that reads it. */
  readonly keyAt: number;
  /** Where the 12-byte nonce goes. Wiped by every call that reads it. */
  readonly nonceAt: number;
  /** Where the 24-byte nonce of boxes and XChaCha20 goes. Wiped by every call that reads it. */
  readonly longNonceAt: number;
  /** Where up to `MAX_AD_BYTES` of associated data go. */
  readonly adAt: number;
  /** Where up to `MAX_TEXT_BYTES` of text go. Directly behind lies the tag of an AEAD, directly before that of a box. */
  readonly textAt: number;
  /** Where a MAC's key goes, padded with zeros to 64 bytes. Wiped by every call that reads it. */
  readonly macKeyAt: number;
  /** Where a private key goes, 32 bytes of any value. Wiped by every call that reads it. */
  readonly scalarAt: number;
  /** Where a public key goes, 32 bytes of any value. Wiped by every call that reads it. */
  readonly pointAt: number;
  /** Where digests, shared secrets and derived keys are found, up to `OUT_BYTES`. The caller's to wipe. */
  readonly outAt: number;

  /** ChaCha20-Poly1305: encrypts the text in place and writes its tag. */
  seal(adBytes: number, textBytes: number): void;
  /** 1 and the text decrypted in place, or 0 and the text untouched when the tag is wrong. */
  open(adBytes: number, textBytes: number): number;
  /** XChaCha20-Poly1305 under the long nonce; else as `seal`. */
  sealLong(adBytes: number, textBytes: number): void;
  /** XChaCha20-Poly1305 under the long nonce; else as `open`. */
  openLong(adBytes: number, textBytes: number): number;
  /** XSalsa20-Poly1305 under the long nonce: encrypts the text in place and writes the tag before it. */
  sealBox(textBytes: number): void;
  /** 1 and the text decrypted in place, or 0 and the text untouched when the tag is wrong. */
  openBox(textBytes: number): number;
  /** X25519 of scalar and point, 32 bytes to `out`; 0 when they are all zero. */
  x25519(): number;
  /** HSalsa20 of X25519 of scalar and point, 32 bytes to `out`; 0 when the latter is all zero. */
  boxKey(): number;
  /** Begins a BLAKE2s of `digestBytes` (1 to 32), keyed with the first `keyBytes` (0 to 32) of the key. */
  hashBegin(digestBytes: number, keyBytes: number): void;
  /** Takes text into the hash or MAC that was begun, and wipes it. */
  hashText(textBytes: number): void;
  /** The digest to `out`: always 32 bytes, of which the first are meant. */
  hashEnd(): void;
  /** Begins an HMAC over BLAKE2s under the MAC's key. */
  macBegin(): void;
  /** The HMAC to `out`, 32 bytes. */
  macEnd(): void;
  /** WireGuard's KDF of the MAC's key and the text, which is wiped: `count` (1 to 3) keys of 32 bytes to `out`. */
  kdf(textBytes: number, count: number): void;
}

export const MAX_AD_BYTES = 1_024;
/** The largest datagram there is, and room to spare in the core's 128 KiB. */
export const MAX_TEXT_BYTES = 65_536;
const OUT_BYTES = 96;
/** Ciphers write whole batches of key stream: up to this much of it lies behind text and tag. */
const OVERRUN_BYTES = 256;
const TAG_BYTES = 16;

/**
 * What is compiled, and the core behind the functions of `crypto/`, which are no objects that could hold it. Both are made
 * when they are first needed and hold no secret between calls.
 */
let compiled: WebAssembly.Module | undefined;
let shared: HandshakeCore | undefined;

/** Instantiates the core, synchronously. Every call gives an independent one; the first one compiles. */
export function instantiateCore(): CryptoCore {
  compiled ??= new WebAssembly.Module(Uint8Array.fromBase64(CORE_BASE64));
  const { exports } = new WebAssembly.Instance(compiled);
  const { memory } = exports;
  if (!(memory instanceof WebAssembly.Memory)) throw new TypeError("Export is no memory: memory");
  const { buffer } = memory;
  if (!(buffer instanceof ArrayBuffer)) throw new TypeError("Memory is shared: memory");
  return {
    memory: new Uint8Array(buffer),
    keyAt: offsetOf(exports, "KEY"),
    nonceAt: offsetOf(exports, "NONCE"),
    longNonceAt: offsetOf(exports, "LONG_NONCE"),
    adAt: offsetOf(exports, "AD"),
    textAt: offsetOf(exports, "TEXT"),
    macKeyAt: offsetOf(exports, "MAC_KEY"),
    scalarAt: offsetOf(exports, "SCALAR"),
    pointAt: offsetOf(exports, "POINT"),
    outAt: offsetOf(exports, "OUT"),
    seal: functionOf(exports, "seal"),
    open: functionOf(exports, "open"),
    sealLong: functionOf(exports, "sealLong"),
    openLong: functionOf(exports, "openLong"),
    sealBox: functionOf(exports, "sealBox"),
    openBox: functionOf(exports, "openBox"),
    x25519: functionOf(exports, "x25519"),
    boxKey: functionOf(exports, "boxKey"),
    hashBegin: functionOf(exports, "hashBegin"),
    hashText: functionOf(exports, "hashText"),
    hashEnd: functionOf(exports, "hashEnd"),
    macBegin: functionOf(exports, "macBegin"),
    macEnd: functionOf(exports, "macEnd"),
    kdf: functionOf(exports, "kdf"),
  };
}

/** The core of all handshakes. Between the calls of one synchronous function it is that function's alone. */
export function handshakeCore(): HandshakeCore {
  return shared ??= new HandshakeCore(instantiateCore());
}

/** A core with the copies in and out that leave nothing behind: what is taken out is wiped inside. */
export class HandshakeCore {
  readonly run: CryptoCore;

  constructor(core: CryptoCore) {
    this.run = core;
  }

  /** Copies `bytes` in; the caller has checked their length. */
  put(at: number, bytes: Uint8Array): void {
    this.run.memory.set(bytes, at);
  }

  /** The text from `from` bytes behind its beginning to `to`, copied; everything that lay in and around it is wiped. */
  takeText(from: number, to: number): Uint8Array<ArrayBuffer> {
    const { memory, adAt, textAt } = this.run;
    const text = memory.slice(textAt + from, textAt + to);
    memory.fill(0, adAt, textAt + Math.max(to, 0) + TAG_BYTES + OVERRUN_BYTES);
    return text;
  }

  /** The first `length` bytes of `out`, copied; all of it is wiped. */
  takeOut(length: number): Uint8Array<ArrayBuffer> {
    const { memory, outAt } = this.run;
    const out = memory.slice(outAt, outAt + length);
    memory.fill(0, outAt, outAt + OUT_BYTES);
    return out;
  }
}

/** Throws unless `bytes` has at most `most` bytes; `name` is the argument's name for the message. */
export function assertFits(bytes: Uint8Array, most: number, name: string): void {
  if (bytes.length <= most) return;
  throw new RangeError(`${name} must have at most ${most} bytes: has ${bytes.length}`);
}

function functionOf(exports: WebAssembly.Exports, name: string): (...args: number[]) => number {
  const value = exports[name];
  if (typeof value !== "function") throw new TypeError(`Export is no function: ${name}`);
  return value as (...args: number[]) => number;
}

function offsetOf(exports: WebAssembly.Exports, name: string): number {
  const value = exports[name];
  if (!(value instanceof WebAssembly.Global)) throw new TypeError(`Export is no global: ${name}`);
  return value.value;
}

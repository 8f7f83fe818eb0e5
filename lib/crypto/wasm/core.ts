/**
 * The WebAssembly AEAD core as a typed object: its memory, where things lie in it, and its two operations.
 * Nothing happens at import. Who calls this writes and reads the memory itself: see `aead_core.ts` for the layout.
 */
import { AEAD_CORE_BASE64 } from "./aead_core_wasm.ts";

export interface AeadCore {
  /** The core's whole memory. */
  readonly memory: Uint8Array;
  /** Where the 32-byte key goes. Wiped by every call. */
  readonly keyAt: number;
  /** Where the 12-byte nonce goes. Wiped by every call. */
  readonly nonceAt: number;
  /** Where up to `MAX_AD_BYTES` of associated data go. */
  readonly adAt: number;
  /** Where up to `MAX_TEXT_BYTES` of text go; the tag lies directly behind them. */
  readonly textAt: number;
  /** Encrypts the text in place and writes its tag. */
  seal(adBytes: number, textBytes: number): void;
  /** 1 and the text decrypted in place, or 0 and the text untouched when the tag is wrong. */
  open(adBytes: number, textBytes: number): number;
}

export const MAX_AD_BYTES = 1_024;
/** The largest datagram there is, and room to spare in the core's 128 KiB. */
export const MAX_TEXT_BYTES = 65_536;

/** Compiles and instantiates the core, synchronously. Every call gives an independent one. */
export function instantiateAeadCore(): AeadCore {
  const module = new WebAssembly.Module(Uint8Array.fromBase64(AEAD_CORE_BASE64));
  const { exports } = new WebAssembly.Instance(module);
  const { memory } = exports;
  if (!(memory instanceof WebAssembly.Memory)) throw new TypeError("Export is no memory: memory");
  return {
    memory: new Uint8Array(memory.buffer),
    keyAt: functionOf(exports, "keyAt")(),
    nonceAt: functionOf(exports, "nonceAt")(),
    adAt: functionOf(exports, "adAt")(),
    textAt: functionOf(exports, "textAt")(),
    seal: functionOf(exports, "seal"),
    open: functionOf(exports, "open"),
  };
}

function functionOf(exports: WebAssembly.Exports, name: string): (...args: number[]) => number {
  const value = exports[name];
  if (typeof value !== "function") throw new TypeError(`Export is no function: ${name}`);
  return value as (...args: number[]) => number;
}

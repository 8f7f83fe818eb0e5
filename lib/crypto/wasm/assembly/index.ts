// @ts-nocheck: AssemblyScript, not TypeScript. `../build.ts` compiles it.
/**
 * The cryptographic core: what a packet needs (ChaCha20-Poly1305) and what a handshake does (X25519, BLAKE2s, the boxes).
 * No branch and no address depends on a secret. Lengths are the caller's to check: `../core.ts` says their bounds.
 */
export { open, openLong, seal, sealLong } from "./aead.ts";
export { hashBegin, hashEnd, hashText, kdf, macBegin, macEnd } from "./blake2s.ts";
export { AD, KEY, LONG_NONCE, MAC_KEY, NONCE, OUT, POINT, SCALAR, TEXT } from "./layout.ts";
export { openBox, sealBox } from "./salsa20.ts";
export { boxKey, x25519 } from "./x25519.ts";

/** What other rooms use of `crypto/`. Whoever needs a single primitive imports its file. */
export { type Aead, AEAD_TAG_BYTES, loadAead } from "./aead.ts";
export { generatePrivateKey, publicKey } from "./x25519.ts";

/** What other rooms use of `crypto/`. Who needs one primitive imports its file. */
export { type Aead, AEAD_TAG_BYTES, loadAead } from "./aead.ts";
export { generatePrivateKey, publicKey } from "./x25519.ts";

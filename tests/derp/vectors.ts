/**
 * Login frames of DERP, byte for byte.
 * Origin: computed for this project from coder/tailscale's sources in Python, the NaCl box beneath cross-checked with
 * noble in TypeScript; keys a = 01*32, b = 02*32, nonce 04*24. No licence applies.
 */
import { fromHex } from "../../lib/base/bytes.ts";

export const PRIVATE_KEY_A = new Uint8Array(32).fill(1);
export const PUBLIC_KEY_A = fromHex(
  "a4e09292b651c278b9772c569f5fa9bb13d906b46ab68c9df9dc2b4409f8a209",
);
export const PRIVATE_KEY_B = new Uint8Array(32).fill(2);
export const PUBLIC_KEY_B = fromHex(
  "ce8d3ad1ccb633ec7b70c17814a5c76ecd029685050d344745ba05870e587d59",
);
/** Of both boxes: 24 bytes. */
export const NONCE_BYTE = 4;

/** ServerKey frame of server b. */
export const SERVER_KEY_FRAME = "010000002844455250f09f9491" +
  "ce8d3ad1ccb633ec7b70c17814a5c76ecd029685050d344745ba05870e587d59";

/** ClientInfo frame of client a, JSON {"version":2,"CanAckPings":true}. */
export const CLIENT_INFO_FRAME = "0200000068" +
  "a4e09292b651c278b9772c569f5fa9bb13d906b46ab68c9df9dc2b4409f8a209" +
  "040404040404040404040404040404040404040404040404" +
  "72aae5dd28d5390cac3bcf089a2112145e7d8d056324f186e7165c1ba4980f65" +
  "dac813854462653a1dfc37e34acb8df9";

/** ServerInfo frame of server b to client a, JSON {"version":2}. */
export const SERVER_INFO_FRAME = "0300000035" +
  "040404040404040404040404040404040404040404040404" +
  "311240fe8e4dcb463940b69e7fa72e9f5e7d8d056324f186e7165c1bf5";

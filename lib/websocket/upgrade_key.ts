/** The two header values that prove a websocket handshake was understood (RFC 6455 §1.3, §4.1, §4.2.2). */
import { type Random, randomBytes } from "../base/core.ts";
import { sha1 } from "../crypto/sha1.ts";
import { encodeLatin1 } from "../http1/mod.ts";

const ACCEPT_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; // RFC 6455 §1.3
const NONCE_BYTES = 16;

/** A fresh `Sec-WebSocket-Key`: base64 of 16 random bytes. */
export function newWebsocketKey(random: Random): string {
  return toBase64(randomBytes(random, NONCE_BYTES));
}

/** Whether `text` is base64 of exactly 16 bytes (RFC 6455 §4.2.1 item 5). */
export function isWebsocketKey(text: string): boolean {
  return /^[A-Za-z0-9+/]{22}==$/.test(text);
}

/** The `Sec-WebSocket-Accept` that answers `key`. */
export function websocketAcceptOf(key: string): string {
  return toBase64(sha1(encodeLatin1(key + ACCEPT_GUID)));
}

function toBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}

/**
 * Who may use a shared tunnel: whoever holds the session token. Both sides prove that they do and neither sends it, by an HMAC
 * over what both drew and the tunnel's name, under a key that comes of the token. The name says everything that must be equal, so
 * that another account, agent, network or version of hawser is simply another tunnel.
 */
import { concatBytes, equalSecret, toHex } from "../base/bytes.ts";
import { hmacBlake2s } from "../crypto/blake2s.ts";
import { SharingError } from "./frame.ts";

export const NONCE_BYTES = 32;
const PROOF_BYTES = 32;
/** Of the greeting and of all that follows. Whoever speaks another one is left alone. */
const VERSION = 2;
const ACCOUNT_NAME_BYTES = 8;
const TUNNEL_NAME_BYTES = 12;

/** Of one account at one deployment: 32 bytes, secret. */
export function accountKey(deployment: URL, token: string): Uint8Array {
  return hmacBlake2s(utf8(token), utf8(`hawser shared tunnel\0${deployment.href}`));
}

/** With which the names of all tunnels of the account begin, and no others. */
export function accountName(key: Uint8Array): string {
  return `${toHex(hmacBlake2s(key, utf8("account")).subarray(0, ACCOUNT_NAME_BYTES))}-`;
}

/** The name of the account's tunnel with `settings`, which says all that must be equal: 41 characters of a file name. */
export function tunnelName(key: Uint8Array, settings: string): string {
  const digest = hmacBlake2s(key, utf8(`tunnel\0${settings}`));
  return accountName(key) + toHex(digest.subarray(0, TUNNEL_NAME_BYTES));
}

/** What one conversation is about. */
export interface Greeting {
  readonly key: Uint8Array;
  readonly name: string;
  /** 32 bytes, drawn by the client. */
  readonly clientNonce: Uint8Array;
  /** 32 bytes, drawn by the holder. */
  readonly holderNonce: Uint8Array;
}

/** That `side` holds the key. 32 bytes. */
export function proofOf(side: "client" | "holder", greeting: Greeting): Uint8Array {
  const { key, name, clientNonce, holderNonce } = greeting;
  return hmacBlake2s(key, utf8(`${side}\0`), clientNonce, holderNonce, utf8(name));
}

export function isProof(
  proof: Uint8Array,
  side: "client" | "holder",
  greeting: Greeting,
): boolean {
  return equalSecret(proof, proofOf(side, greeting));
}

export function encodeHello(clientNonce: Uint8Array): Uint8Array {
  return concatBytes(Uint8Array.of(VERSION), clientNonce);
}

/** The client's nonce, a copy. Throws `SharingError`, also for another version. */
export function decodeHello(payload: Uint8Array): Uint8Array {
  if (payload[0] !== VERSION || payload.length !== 1 + NONCE_BYTES) {
    throw new SharingError("Cannot read the greeting of a shared tunnel", { code: "bad-hello" });
  }
  return payload.slice(1);
}

export function encodeChallenge(holderNonce: Uint8Array, proof: Uint8Array): Uint8Array {
  return concatBytes(holderNonce, proof);
}

/** Copies. Throws `SharingError`. */
export function decodeChallenge(
  payload: Uint8Array,
): { readonly holderNonce: Uint8Array; readonly proof: Uint8Array } {
  if (payload.length !== NONCE_BYTES + PROOF_BYTES) {
    throw new SharingError("Cannot read the answer of a shared tunnel", { code: "bad-challenge" });
  }
  return { holderNonce: payload.slice(0, NONCE_BYTES), proof: payload.slice(NONCE_BYTES) };
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

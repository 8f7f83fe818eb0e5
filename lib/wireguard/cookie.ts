/**
 * The two macs of handshake messages and the cookies behind the second (whitepaper §5.3, §5.4.4, §5.4.7), both roles.
 *   mac1 = MAC(HASH(LABEL_MAC1 || receiver's static), message before mac1)
 *   mac2 = MAC(cookie, message before mac2), or zeros without a cookie
 *   cookie = MAC(secret of the receiver, source of the message), sealed for the way with the message's mac1 as data
 * `MacWriter` is the side that sends handshake messages, `MacChecker` the side that receives them. When a device is
 * under load, and so asks for mac2, is `handshake_gate.ts`.
 */
import { equalSecret, KEY_BYTES } from "../base/bytes.ts";
import { type Instant, type Random, randomBytes } from "../base/core.ts";
import { blake2s, keyedBlake2s128 } from "../crypto/blake2s.ts";
import { xchachaOpen, xchachaSeal } from "../crypto/xchacha.ts";
import {
  COOKIE_NONCE_BYTES,
  COOKIE_REFRESH_TIME_MS,
  LABEL_COOKIE,
  LABEL_MAC1,
  MAC_BYTES,
} from "./constants.ts";
import { type CookieReply, encodeCookieReply, mac1Offset, mac2Offset } from "./messages.ts";

/** The key of mac1 for messages to `receiverPublicKey`, 32 bytes. */
export function mac1KeyOf(receiverPublicKey: Uint8Array): Uint8Array {
  return blake2s(new TextEncoder().encode(LABEL_MAC1), receiverPublicKey);
}

/** The key that seals the cookies given out by `receiverPublicKey`, 32 bytes. */
export function cookieKeyOf(receiverPublicKey: Uint8Array): Uint8Array {
  return blake2s(new TextEncoder().encode(LABEL_COOKIE), receiverPublicKey);
}

/**
 * Replies to one message that are tried: opening costs, and whoever sees our datagrams can name the message. A good one is
 * taken once, as there is but one.
 */
const MAX_REPLIES_TRIED = 8;

/** Writes the macs of what we send to one peer, and keeps the cookie it gave us. */
export class MacWriter {
  readonly #mac1Key: Uint8Array;
  readonly #cookieKey: Uint8Array;
  #lastMac1: Uint8Array | undefined;
  #repliesLeft = 0;
  #cookie: { readonly value: Uint8Array; readonly receivedAt: Instant } | undefined;

  /** `receiverPublicKey`, 32 bytes, is only looked at. */
  constructor(receiverPublicKey: Uint8Array) {
    this.#mac1Key = mac1KeyOf(receiverPublicKey);
    this.#cookieKey = cookieKeyOf(receiverPublicKey);
  }

  /** Fills in both macs of an initiation or a response that is otherwise complete. */
  writeMacs(message: Uint8Array, now: Instant): void {
    const mac1At = mac1Offset(message.length);
    const mac2At = mac2Offset(message.length);
    const mac1 = keyedBlake2s128(this.#mac1Key, message.subarray(0, mac1At));
    message.set(mac1, mac1At);
    this.#lastMac1 = mac1;
    this.#repliesLeft = MAX_REPLIES_TRIED;
    const cookie = this.#cookie;
    if (cookie !== undefined && now - cookie.receivedAt < COOKIE_REFRESH_TIME_MS) {
      message.set(keyedBlake2s128(cookie.value, message.subarray(0, mac2At)), mac2At);
    }
  }

  /**
   * Takes the cookie out of a reply to the message that was written last; false when it is none.
   * Nothing is sent again for it: the next initiation carries it (whitepaper §6.6).
   */
  consumeReply(reply: CookieReply, now: Instant): boolean {
    if (this.#lastMac1 === undefined || this.#repliesLeft === 0) return false;
    this.#repliesLeft--;
    const { nonce, sealedCookie } = reply;
    const value = xchachaOpen(this.#cookieKey, nonce, sealedCookie, this.#lastMac1);
    if (value === undefined) return false;
    this.#repliesLeft = 0;
    this.#cookie = { value, receivedAt: now };
    return true;
  }

  wipe(): void {
    this.#cookie?.value.fill(0);
    this.#cookie = undefined;
    this.#lastMac1 = undefined;
  }
}

/** Checks the macs of what we receive, and gives out cookies. One for a device. */
export class MacChecker {
  readonly #mac1Key: Uint8Array;
  readonly #cookieKey: Uint8Array;
  readonly #random: Random;
  readonly #secret = new Uint8Array(KEY_BYTES);
  #secretMadeAt: Instant = -Infinity;

  /** `publicKey` is our own static key, 32 bytes, only looked at. */
  constructor(publicKey: Uint8Array, random: Random) {
    this.#mac1Key = mac1KeyOf(publicKey);
    this.#cookieKey = cookieKeyOf(publicKey);
    this.#random = random;
  }

  /** Whether the sender of an initiation or a response knows our static key. */
  isMac1Valid(message: Uint8Array): boolean {
    const at = mac1Offset(message.length);
    const expected = keyedBlake2s128(this.#mac1Key, message.subarray(0, at));
    return equalSecret(expected, message.subarray(at, at + MAC_BYTES));
  }

  /** Whether the sender holds the cookie we gave to `source`: it receives what is sent there. */
  isMac2Valid(message: Uint8Array, source: Uint8Array, now: Instant): boolean {
    if (this.#isSecretOld(now)) return false;
    const at = mac2Offset(message.length);
    const expected = keyedBlake2s128(this.#cookieFor(source), message.subarray(0, at));
    return equalSecret(expected, message.subarray(at));
  }

  /** A cookie reply to `message` of `senderIndex`, to be sent to `source` and nowhere else. */
  createReply(
    message: Uint8Array,
    options: { readonly senderIndex: number; readonly source: Uint8Array; readonly now: Instant },
  ): Uint8Array {
    if (this.#isSecretOld(options.now)) {
      this.#random.fill(this.#secret);
      this.#secretMadeAt = options.now;
    }
    const mac1At = mac1Offset(message.length);
    const mac1 = message.subarray(mac1At, mac1At + MAC_BYTES);
    const nonce = randomBytes(this.#random, COOKIE_NONCE_BYTES);
    const cookie = this.#cookieFor(options.source);
    return encodeCookieReply({
      receiverIndex: options.senderIndex,
      nonce,
      sealedCookie: xchachaSeal(this.#cookieKey, nonce, cookie, mac1),
    });
  }

  /** Erases the secret: cookies that were given out are worth nothing from now on. */
  wipe(): void {
    this.#secret.fill(0);
    this.#secretMadeAt = -Infinity;
  }

  #isSecretOld(now: Instant): boolean {
    return now - this.#secretMadeAt >= COOKIE_REFRESH_TIME_MS;
  }

  #cookieFor(source: Uint8Array): Uint8Array {
    return keyedBlake2s128(this.#secret, source);
  }
}

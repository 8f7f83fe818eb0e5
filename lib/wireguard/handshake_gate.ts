/**
 * How many handshake messages a device looks into (whitepaper §5.3): from a first rate on it is under load and asks
 * for a cookie, beyond a second rate it drops. Both are counted in seconds, over messages whose mac1 was right.
 */
import type { Instant } from "../base/core.ts";
import {
  MAX_COOKIE_REPLIES_PER_SECOND,
  MAX_HANDSHAKES_PER_SECOND,
  UNDER_LOAD_AFTER_TIME_MS,
  UNDER_LOAD_HANDSHAKES_PER_SECOND,
} from "./limits.ts";

const WINDOW_MS = 1_000;

export interface HandshakeGateOptions {
  /** Messages a second above which senders must show a cookie; 0 asks always. @default 64 */
  readonly underLoadAbovePerSecond?: number | undefined;
  /** Messages a second that are processed at all. @default 200 */
  readonly maxPerSecond?: number | undefined;
}

export class HandshakeGate {
  readonly #underLoadAbove: number;
  readonly #maxPerSecond: number;
  #windowStart: Instant = -Infinity;
  #arrived = 0;
  #processed = 0;
  #replied = 0;
  #underLoadUntil: Instant = -Infinity;

  constructor(options: HandshakeGateOptions = {}) {
    this.#underLoadAbove = options.underLoadAbovePerSecond ?? UNDER_LOAD_HANDSHAKES_PER_SECOND;
    this.#maxPerSecond = options.maxPerSecond ?? MAX_HANDSHAKES_PER_SECOND;
    if (!(this.#underLoadAbove >= 0) || !(this.#maxPerSecond > 0)) {
      throw new RangeError(
        `Cannot gate handshakes at ${this.#underLoadAbove} and ${this.#maxPerSecond} a second`,
      );
    }
  }

  /** Should be called for every handshake message with a valid mac1; whether its sender must show a cookie. */
  isUnderLoad(now: Instant): boolean {
    if (now - this.#windowStart >= WINDOW_MS) {
      this.#windowStart = now;
      this.#arrived = 0;
      this.#processed = 0;
      this.#replied = 0;
    }
    this.#arrived++;
    if (this.#arrived > this.#underLoadAbove) {
      this.#underLoadUntil = now + UNDER_LOAD_AFTER_TIME_MS;
    }
    return now < this.#underLoadUntil;
  }

  /** Should be called after `isUnderLoad`, before a cookie is made; false when the sender gets no answer. */
  admitReply(): boolean {
    this.#replied++;
    return this.#replied <= MAX_COOKIE_REPLIES_PER_SECOND;
  }

  /** Should be called after `isUnderLoad`, before the first key exchange; false when the message must be dropped. */
  admit(): boolean {
    this.#processed++;
    return this.#processed <= this.#maxPerSecond;
  }
}

/**
 * Whether a relay still lives: after a silence it is pinged, soon when something was sent to it meanwhile. Without a sign of
 * life it is doubted first, and dead later.
 * DERP prescribes nothing of this; the reasons stand beside the constants.
 */
import { equalBytes } from "../base/bytes.ts";
import { assertNever, type Instant, type Random, randomBytes } from "../base/core.ts";
import { Deadlines, earlier } from "../base/deadlines.ts";
import { PING_BYTES } from "./frame.ts";

/** Silence from the relay before we ping: proxies often cut after 60 s, and the relay's own keepalive comes every 60–65 s. */
export const SILENCE_MS = 25_000;
/** Silence after something was sent before we ping. Not all that is sent is answered, but in a session much is. */
export const UNANSWERED_MS = 2_000;
/** How long a sign of life may take after a ping: before the connection is doubted, and before it is given up. */
export const DOUBT_MS = 1_000;
export const PONG_LIMIT_MS = 10_000;

/**
 * `silence`: when to ping, because nothing came.
 * `unanswered`: when to ping, because nothing came after something was sent.
 * `doubt`: when to doubt the connection, because a ping had no effect.
 * `pong`: when to give it up for the same reason.
 */
type Timer = "silence" | "unanswered" | "doubt" | "pong";

/** Why the relay is pinged, and how long it may take; `doubtMs` 0: it is doubted until it answers. */
export interface PingReason {
  readonly isAsked: boolean;
  readonly limitMs: number;
  readonly doubtMs: number;
}

interface Ping {
  readonly data: Uint8Array;
  readonly sentAt: Instant;
  readonly isAsked: boolean;
}

export class Liveness {
  readonly #random: Random;
  readonly #deadlines = new Deadlines<Timer>();
  #ping: Ping | undefined;
  /** Whether something was sent since something came. */
  #isUnanswered = false;
  #isDoubted = false;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Whether a ping should have been answered by now. */
  get isDoubted(): boolean {
    return this.#isDoubted;
  }

  /** Should be called with everything that is sent; cheap. */
  handleSent(now: Instant): void {
    if (this.#isUnanswered) return;
    this.#isUnanswered = true;
    this.#deadlines.set("unanswered", now + UNANSWERED_MS);
  }

  /** Should be called with everything that came. Whatever it is, it answers a ping of our own, but not one asked for. */
  handleActivity(now: Instant): void {
    this.#deadlines.set("silence", now + SILENCE_MS);
    if (this.#isUnanswered) {
      this.#isUnanswered = false;
      this.#deadlines.clear("unanswered");
    }
    if (this.#ping?.isAsked !== true) this.#believe();
  }

  /** Should be called when a pong came. Returns the round trip, or `undefined` when it answers no ping of ours. */
  handlePong(data: Uint8Array, now: Instant): number | undefined {
    const ping = this.#ping;
    if (ping === undefined || !equalBytes(data, ping.data)) return undefined;
    this.#ping = undefined;
    this.#believe();
    return now - ping.sentAt;
  }

  /** What is due: a ping must be begun, or the relay is dead. */
  handleTimeout(now: Instant): "ping" | "dead" | undefined {
    for (;;) {
      const timer = this.#deadlines.pop(now);
      switch (timer) {
        case undefined:
          return undefined;
        case "pong":
          this.#deadlines.clearAll();
          return "dead";
        case "silence":
        case "unanswered":
          if (!this.#deadlines.has("pong")) return "ping";
          break;
        case "doubt":
          this.#isDoubted = true;
          break;
        default:
          assertNever(timer);
      }
    }
  }

  pollTimeout(): Instant | undefined {
    return this.#deadlines.next();
  }

  /** Begins a ping and returns its 8 bytes. An earlier one is no longer matched, but its limit goes on. */
  begin(now: Instant, why: PingReason): Uint8Array {
    const data = randomBytes(this.#random, PING_BYTES);
    this.#ping = { data, sentAt: now, isAsked: why.isAsked };
    const limitAt = now + why.limitMs;
    this.#deadlines.set("pong", earlier(this.#deadlines.get("pong"), limitAt) ?? limitAt);
    if (why.doubtMs === 0) this.#isDoubted = true;
    else if (!this.#isDoubted) this.#deadlines.set("doubt", now + why.doubtMs);
    return data;
  }

  #believe(): void {
    this.#isDoubted = false;
    this.#deadlines.clear("doubt");
    this.#deadlines.clear("pong");
  }
}

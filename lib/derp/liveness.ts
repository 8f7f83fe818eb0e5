/**
 * Whether a relay still lives: after a silence it is pinged, and without a sign of life in time it is dead.
 * DERP prescribes nothing of this; the reasons stand beside the constants.
 */
import { equalBytes } from "../base/bytes.ts";
import { assertNever, type Instant, type Random, randomBytes } from "../base/core.ts";
import { Deadlines, earlier } from "../base/deadlines.ts";
import { PING_BYTES } from "./frame.ts";

/** Silence from the relay before we ping: proxies often cut after 60 s, and the relay's own keepalive comes every 60–65 s. */
export const SILENCE_MS = 25_000;
/** How long a sign of life may take after a ping. */
export const PONG_LIMIT_MS = 10_000;

/**
 * `silence`: when to ping, because nothing came.
 * `pong`: when to give the connection up, because a ping had no effect.
 */
type Timer = "silence" | "pong";

interface Ping {
  readonly data: Uint8Array;
  readonly sentAt: Instant;
  readonly isAsked: boolean;
}

export class Liveness {
  readonly #random: Random;
  readonly #deadlines = new Deadlines<Timer>();
  #ping: Ping | undefined;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Should be called with everything that came. Whatever it is, it answers a ping of our own, but not one asked for. */
  handleActivity(now: Instant): void {
    this.#deadlines.set("silence", now + SILENCE_MS);
    if (this.#ping?.isAsked !== true) this.#deadlines.clear("pong");
  }

  /** Should be called when a pong came. Returns the round trip, or `undefined` when it answers no ping of ours. */
  handlePong(data: Uint8Array, now: Instant): number | undefined {
    const ping = this.#ping;
    if (ping === undefined || !equalBytes(data, ping.data)) return undefined;
    this.#ping = undefined;
    this.#deadlines.clear("pong");
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
          if (!this.#deadlines.has("pong")) return "ping";
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
  begin(now: Instant, why: { readonly isAsked: boolean; readonly limitMs: number }): Uint8Array {
    const data = randomBytes(this.#random, PING_BYTES);
    this.#ping = { data, sentAt: now, isAsked: why.isAsked };
    const limitAt = now + why.limitMs;
    this.#deadlines.set("pong", earlier(this.#deadlines.get("pong"), limitAt) ?? limitAt);
    return data;
  }
}

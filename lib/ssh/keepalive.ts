/**
 * When to ask the server for a sign of life, and when to give up: OpenSSH's `ServerAliveInterval` and
 * `ServerAliveCountMax`. Whatever arrives proves liveness, an answer to the request or anything else.
 * A core: it is told the time, and pings when asked to. A machine that slept asks once before it counts.
 */
import type { Instant } from "../base/core.ts";
import { Deadlines } from "../base/deadlines.ts";
import { formatElapsed } from "../base/duration.ts";

export interface KeepaliveOptions {
  /** Silence after which a request is sent. 0 turns keepalives off. */
  readonly intervalMs: number;
  /** Requests in a row that may stay without answer. @default 3 */
  readonly countMax?: number;
}

export type KeepaliveOutput =
  | { readonly kind: "ping" }
  /** The limit was reached; `message` says so for people. */
  | { readonly kind: "dead"; readonly message: string };

/** silence: When to act on nothing having arrived for an interval. */
type Timer = "silence";

export class Keepalive {
  readonly #intervalMs: number;
  readonly #countMax: number;
  readonly #deadlines = new Deadlines<Timer>();
  readonly #outputs: KeepaliveOutput[] = [];
  #receivedAt: Instant;
  #unanswered = 0;

  constructor(options: KeepaliveOptions, now: Instant) {
    this.#intervalMs = options.intervalMs;
    this.#countMax = options.countMax ?? 3;
    if (!(this.#intervalMs >= 0)) {
      throw new RangeError(`intervalMs must not be negative: ${this.#intervalMs}`);
    }
    if (!Number.isInteger(this.#countMax) || this.#countMax < 1) {
      throw new RangeError(`countMax must be a positive integer: ${this.#countMax}`);
    }
    this.#receivedAt = now;
    if (this.#intervalMs > 0) this.#deadlines.set("silence", now + this.#intervalMs);
  }

  /** Something arrived. Cheap: called for every chunk. */
  handleReceived(now: Instant): void {
    this.#receivedAt = now;
    this.#unanswered = 0;
  }

  handleTimeout(now: Instant): void {
    if (this.#deadlines.pop(now) === undefined) return;
    const quietUntil = this.#receivedAt + this.#intervalMs;
    if (this.#unanswered === 0 && quietUntil > now) {
      this.#deadlines.set("silence", quietUntil);
      return;
    }
    if (this.#unanswered >= this.#countMax) {
      const silence = formatElapsed(now - this.#receivedAt);
      this.#outputs.push({
        kind: "dead",
        message: `No answer from the workspace for ${silence} ` +
          `(${this.#countMax} keepalives, one each ${formatElapsed(this.#intervalMs)})`,
      });
      return;
    }
    this.#unanswered++;
    this.#outputs.push({ kind: "ping" });
    this.#deadlines.set("silence", now + this.#intervalMs);
  }

  pollOutput(): KeepaliveOutput | undefined {
    return this.#outputs.shift();
  }

  pollTimeout(): Instant | undefined {
    return this.#deadlines.next();
  }
}

/**
 * When to ping a peer over its relay until it answers once: right after dialling, the peer may not know us yet and
 * ignores us, and neither side is told when that ends. So pings go out soon after one another at first and then rarer,
 * a bounded number of times. A pong says that the peer knows our keys, which makes a handshake worth sending.
 */
import { type Instant, type Random, randomFraction } from "../base/core.ts";

const FIRST_DELAY_MS = 250;
const MAX_DELAY_MS = 5_000;
const BACKOFF = 1.6;
/** Delays are spread by up to this part of themselves, so that many clients of one restart do not march in step. */
const JITTER = 0.2;
/** About 50 seconds in all. */
export const MAX_PROBE_PINGS = 14;

type ProbeState =
  | { readonly kind: "idle" }
  | {
    readonly kind: "probing";
    readonly sentCount: number;
    readonly delayMs: number;
    readonly dueAt: Instant;
  }
  | { readonly kind: "answered" }
  | { readonly kind: "exhausted" };

export class RelayProbe {
  readonly #random: Random;
  #state: ProbeState = { kind: "idle" };

  constructor(random: Random) {
    this.#random = random;
  }

  get state(): "idle" | "probing" | "answered" | "exhausted" {
    return this.#state.kind;
  }

  /** Starts anew, with a ping due at once; for example when the relay connection is new. */
  start(now: Instant): void {
    this.#state = { kind: "probing", sentCount: 0, delayMs: FIRST_DELAY_MS, dueAt: now };
  }

  /** Ends the probing; `start` begins again. */
  stop(): void {
    this.#state = { kind: "idle" };
  }

  /** Any pong of the peer over a relay. */
  handlePong(): void {
    this.#state = { kind: "answered" };
  }

  /** Whether a ping must leave at `now`; answering true counts it as sent. */
  takeDue(now: Instant): boolean {
    const state = this.#state;
    if (state.kind !== "probing" || now < state.dueAt) return false;
    const isSpent = state.sentCount >= MAX_PROBE_PINGS;
    if (isSpent) {
      this.#state = { kind: "exhausted" };
      return false;
    }
    const jitteredMs = state.delayMs * (1 + JITTER * randomFraction(this.#random));
    this.#state = {
      kind: "probing",
      sentCount: state.sentCount + 1,
      delayMs: Math.min(state.delayMs * BACKOFF, MAX_DELAY_MS),
      dueAt: now + jitteredMs,
    };
    return true;
  }

  /** When to call `takeDue` next, or `undefined` for never. */
  pollTimeout(): Instant | undefined {
    return this.#state.kind === "probing" ? this.#state.dueAt : undefined;
  }
}

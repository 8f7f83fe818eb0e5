/**
 * Whether the path in use still carries what is sent: when data flowed and nothing is heard any more, the peer is asked by
 * a ping, and asked once more when it does not answer. TCP's own traffic makes this quick: whichever direction of a path
 * dies, soon nothing comes back.
 */
import type { Instant } from "../../base/core.ts";

/** What to do next: ping; ping, and count on the path no longer; give the path up. */
export type SilenceVerdict = "ask" | "doubt" | "dead";

type State =
  /** Nothing flows, or all that flowed is accounted for. */
  | { readonly kind: "idle" }
  | { readonly kind: "watching"; readonly lookAt: Instant }
  | {
    readonly kind: "asked";
    readonly times: number;
    readonly since: Instant;
    readonly until: Instant;
    readonly heardBefore: number;
  };

const MIN_SILENCE_MS = 150;
const MIN_ANSWER_MS = 100;
const MAX_ANSWER_MS = 1_000;
/** Assumed of a path whose latency is not known yet. */
const UNKNOWN_LATENCY_MS = 100;
/** A keystroke now and then is not worth a ping each: beyond so many packets since the last ping it is a flow. */
const FLOW_PACKETS = 32;
const ASK_SPACING_MS = 500;
/** So many packets in the time of one answer are an answer too. A retransmission or two are not: they may be all that is left. */
const ANSWER_PACKETS = 4;
const MAX_ASKS = 2;

export class SilenceWatch {
  #state: State = { kind: "idle" };
  #latencyMs = UNKNOWN_LATENCY_MS;
  /** When something was last sent or heard, and when something of the peer was. */
  #flowedAt: Instant = -Infinity;
  #provenAt: Instant = -Infinity;
  #askedAt: Instant = -Infinity;
  #heardCount = 0;
  #flowCount = 0;

  /** Should be called when data was sent on the path. */
  handleSent(now: Instant): void {
    this.#flow(now);
  }

  /** Should be called when data was heard on the path. */
  handleHeard(now: Instant): void {
    this.#heardCount++;
    this.#provenAt = now;
    this.#flow(now);
  }

  /** Should be called when any ping of the path was answered; `latencyMs` as slow as answers lately were. */
  handlePong(latencyMs: number, now: Instant): void {
    this.#latencyMs = latencyMs;
    this.#provenAt = now;
    if (this.#state.kind !== "asked") return;
    this.#state = this.#flowedAt > this.#state.since ? this.#watching(now) : { kind: "idle" };
  }

  /** The path is doubted for another reason, and was pinged just now. */
  suspect(now: Instant): void {
    this.#ask(1, now);
  }

  /** Another path from now on. */
  reset(latencyMs: number | undefined): void {
    this.#latencyMs = latencyMs ?? UNKNOWN_LATENCY_MS;
    this.#state = { kind: "idle" };
    this.#flowCount = 0;
    this.#askedAt = -Infinity;
  }

  /** What is due; `undefined` when nothing is. */
  handleTimeout(now: Instant): SilenceVerdict | undefined {
    const state = this.#state;
    switch (state.kind) {
      case "idle":
        return undefined;
      case "watching":
        return state.lookAt <= now ? this.#look(now) : undefined;
      case "asked":
        return state.until <= now ? this.#judge(state, now) : undefined;
    }
  }

  pollTimeout(): Instant | undefined {
    const state = this.#state;
    if (state.kind === "idle") return undefined;
    return state.kind === "watching" ? state.lookAt : state.until;
  }

  #flow(now: Instant): void {
    this.#flowedAt = now;
    this.#flowCount++;
    if (this.#state.kind === "idle") this.#state = this.#watching(now);
  }

  #look(now: Instant): SilenceVerdict | undefined {
    const silentAt = this.#provenAt + this.#silenceMs;
    const askAt = this.#flowCount >= FLOW_PACKETS
      ? silentAt
      : Math.max(silentAt, this.#askedAt + ASK_SPACING_MS);
    if (askAt > now) {
      this.#state = { kind: "watching", lookAt: askAt };
      return undefined;
    }
    this.#ask(1, now);
    return "ask";
  }

  #judge(state: Extract<State, { kind: "asked" }>, now: Instant): SilenceVerdict | undefined {
    if (this.#heardCount - state.heardBefore >= ANSWER_PACKETS) {
      this.#state = this.#watching(now);
      return undefined;
    }
    if (state.times >= MAX_ASKS) {
      this.#state = { kind: "idle" };
      return "dead";
    }
    this.#ask(state.times + 1, now);
    return "doubt";
  }

  #ask(times: number, now: Instant): void {
    this.#askedAt = now;
    this.#flowCount = 0;
    const until = now + this.#answerMs;
    this.#state = { kind: "asked", times, since: now, until, heardBefore: this.#heardCount };
  }

  #watching(now: Instant): State {
    return { kind: "watching", lookAt: now + this.#silenceMs };
  }

  /** Longer than an answer to what was sent takes. */
  get #silenceMs(): number {
    return Math.max(MIN_SILENCE_MS, 50 + 1.5 * this.#latencyMs);
  }

  get #answerMs(): number {
    return Math.min(MAX_ANSWER_MS, Math.max(MIN_ANSWER_MS, 50 + 1.5 * this.#latencyMs));
  }
}

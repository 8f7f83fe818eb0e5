/**
 * Whether an agent that was reached has fallen silent. What is sent need not be answered: a session's last acknowledgement has
 * nothing to follow it for ten seconds. So an agent that was not heard since is asked first, and silent is who does not answer that.
 *
 *   heard ──sent, or the way is lost──▶ unanswered ──▶ asked ──▶ silent        whatever comes from it, from any ──▶ heard
 *
 * Nothing follows from a silence here: what is to be done about it, the relays and WireGuard do by themselves.
 */
import type { Core, Instant } from "../base/core.ts";
import type { TunnelNode } from "./node.ts";

export type AgentSilenceEvent =
  /** Nothing came for what was sent at `since`. */
  | { readonly kind: "silent"; readonly since: Instant }
  /** It is over, by a sign of life or because nobody expects one any more. Also of one that was not told: we slept through it. */
  | { readonly kind: "silenceEnded"; readonly since: Instant };

/** One object, reused: while data flows it begins with whatever is sent and ends with whatever comes. */
interface Unanswered {
  readonly kind: "unanswered";
  since: Instant;
  askAt: Instant;
}

type Phase =
  | { readonly kind: "heard" }
  | Unanswered
  | { readonly kind: "asked"; readonly since: Instant; readonly tellAt: Instant }
  | { readonly kind: "silent"; readonly since: Instant; readonly askAt: Instant };

/** Time for an answer before the agent is asked, and for the answer to that: three seconds make a silence. */
const ASK_MS = 1_500;
const TELL_MS = 1_500;
const ASK_AGAIN_MS = 2_000;
/** A deadline that is met so late was slept through: what came meanwhile has not been read yet. */
const LATE_MS = 500;
const HEARD: Phase = { kind: "heard" };

export class AgentSilence implements Core<AgentSilenceEvent> {
  readonly #id: string;
  readonly #node: TunnelNode;
  readonly #events: AgentSilenceEvent[] = [];
  readonly #unanswered: Unanswered = { kind: "unanswered", since: 0, askAt: 0 };
  #phase: Phase = HEARD;
  #pongAt: Instant = -Infinity;
  /** Whether it was seen that the way is lost or doubted. */
  #isTroubled = false;

  constructor(options: { readonly id: string; readonly node: TunnelNode }) {
    this.#id = options.id;
    this.#node = options.node;
  }

  /** The agent answered a ping. */
  handlePong(now: Instant): void {
    this.#pongAt = now;
  }

  /** Should be called in every turn while the agent is reachable: what was sent and heard. Cheap. */
  review(now: Instant): void {
    const peer = this.#node.wireguardOf(this.#id);
    if (peer === undefined) return this.end(now);
    const heardAt = Math.max(peer.heardAt, this.#pongAt);
    if (this.#phase.kind !== "heard" && heardAt > this.#phase.since) this.end(now);
    // What left in the instant in which something came is an answer to that, or the next question.
    if (this.#phase.kind === "heard" && peer.dataSentAt >= heardAt) this.#begin(peer.dataSentAt);
  }

  /** Should be called when a way may be lost or doubted, in `region` where the agent is at home. */
  reviewWay(region: number, now: Instant): void {
    const { relays } = this.#node;
    const was = this.#isTroubled;
    this.#isTroubled = !this.#node.canSend(this.#id, now) ||
      relays.readyLink(region)?.isDoubted === true;
    if (this.#isTroubled && !was && this.#phase.kind === "heard") this.#begin(now);
  }

  /** Nothing is expected of the agent. */
  end(now: Instant): void {
    const phase = this.#phase;
    this.#phase = HEARD;
    if (phase.kind === "heard") return;
    const { since } = phase;
    const isLong = phase.kind === "silent" || now - since >= ASK_MS + TELL_MS;
    if (isLong) this.#events.push({ kind: "silenceEnded", since });
  }

  handleTimeout(now: Instant): void {
    const phase = this.#phase;
    switch (phase.kind) {
      case "heard":
        return;
      case "unanswered":
        if (phase.askAt <= now) this.#ask(phase.since, now);
        return;
      case "asked":
        if (phase.tellAt > now) return;
        if (phase.tellAt + LATE_MS <= now) return this.#ask(phase.since, now);
        this.#phase = { kind: "silent", since: phase.since, askAt: now + ASK_AGAIN_MS };
        this.#events.push({ kind: "silent", since: phase.since });
        return;
      case "silent":
        if (phase.askAt > now) return;
        this.#node.ping(this.#id, now);
        this.#phase = { ...phase, askAt: now + ASK_AGAIN_MS };
    }
  }

  pollTimeout(): Instant | undefined {
    switch (this.#phase.kind) {
      case "heard":
        return undefined;
      case "asked":
        return this.#phase.tellAt;
      case "unanswered":
      case "silent":
        return this.#phase.askAt;
    }
  }

  pollEvent(): AgentSilenceEvent | undefined {
    return this.#events.shift();
  }

  #begin(since: Instant): void {
    this.#unanswered.since = since;
    this.#unanswered.askAt = since + ASK_MS;
    this.#phase = this.#unanswered;
  }

  #ask(since: Instant, now: Instant): void {
    this.#node.ping(this.#id, now);
    this.#phase = { kind: "asked", since, tellAt: now + TELL_MS };
  }
}

/**
 * What the coordinator says of the agent, as it is to be acted on: not too often (`agent_changes.ts`), and not at once when it
 * is that nobody vouches for the agent any more (`agent_presence.ts`).
 */
import type { Core, Instant } from "../base/core.ts";
import { earlier } from "../base/deadlines.ts";
import { AgentChanges, type AgentWord } from "./agent_changes.ts";
import { AgentPresence, type PresenceEvent } from "./agent_presence.ts";

export type AgentNewsEvent =
  /** The agent is there, as `word` says; `noteChange` if that changed anything. */
  | { readonly kind: "word"; readonly word: AgentWord }
  | PresenceEvent;

/** Bounds of the time after which an unanswered initiation counts as lost once the agent says that it knows us. */
const MIN_ANSWER_MS = 25;
const MAX_ANSWER_MS = 400;

export class AgentNews implements Core<AgentNewsEvent> {
  readonly #changes = new AgentChanges();
  readonly #presence = new AgentPresence();
  #word: AgentWord | undefined;
  /** When the coordinator was asked for the agent, to tell how far away it is. */
  #askedAt: Instant | undefined;
  #answerMs = MAX_ANSWER_MS;
  #roundTripMs: number | undefined;

  /** How long an answer of the agent may take: guessed from the coordinator's answer to the first question. */
  get answerMs(): number {
    return this.#answerMs;
  }

  /** How far away the coordinator was at its first answer; `undefined` before that. */
  get roundTripMs(): number | undefined {
    return this.#roundTripMs;
  }

  /** The coordinator was asked for the agent. */
  handleConnected(now: Instant): void {
    this.#presence.handleConnected(now);
    this.#askedAt = now;
  }

  handleNode(word: AgentWord, now: Instant): void {
    if (this.#askedAt !== undefined) {
      const roundTripMs = now - this.#askedAt;
      this.#roundTripMs ??= roundTripMs;
      this.#answerMs = Math.min(MAX_ANSWER_MS, MIN_ANSWER_MS + 1.5 * roundTripMs);
      this.#askedAt = undefined;
    }
    this.#presence.vouch();
    this.#word = this.#changes.offer(word, now);
  }

  /** The agent said that it knows us, or has had its time to. */
  handleReady(): void {
    this.#changes.noteReady();
  }

  /** The coordinator lost the agent, or will never speak to us again. */
  handleLost(now: Instant): void {
    this.#presence.handleLost(now);
  }

  /** We lost the coordinator. */
  handleCutOff(): void {
    this.#presence.handleCutOff();
  }

  /** The machine slept. */
  handleWake(now: Instant): void {
    this.#presence.handleWake(now);
  }

  /** The agent told the coordinator that it leaves. */
  handleRemoved(now: Instant): void {
    this.#presence.handleRemoved(now);
  }

  /** Should be called when a word moved the agent or changed its key. */
  noteChange(now: Instant): void {
    this.#changes.noteChange(now);
  }

  /** After `unvouched`: the agent was heard of at `heardAt`. Whether that is reason to keep it. */
  mayKeep(heardAt: Instant | undefined, now: Instant): boolean {
    return this.#presence.mayKeep(heardAt, now);
  }

  /** The agent is gone, or nobody waits for it: what was said of it goes with it. */
  forget(): void {
    this.#changes.forget();
    this.#presence.vouch();
    this.#word = undefined;
  }

  handleTimeout(now: Instant): void {
    this.#presence.handleTimeout(now);
    this.#word ??= this.#changes.takeDue(now);
  }

  pollTimeout(): Instant | undefined {
    return earlier(this.#presence.pollTimeout(), this.#changes.pollTimeout());
  }

  pollEvent(): AgentNewsEvent | undefined {
    const ending = this.#presence.pollEvent();
    if (ending !== undefined) return ending;
    const word = this.#word;
    this.#word = undefined;
    return word === undefined ? undefined : { kind: "word", word };
  }
}

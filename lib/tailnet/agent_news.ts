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
  /** When the coordinator was told of us, how far away it is, and when the agent said first that it knows us. */
  #toldAt: Instant | undefined;
  #roundTripMs: number | undefined;
  #readyAt: Instant | undefined;

  /** How long an answer of the agent may take: guessed from the coordinator's answer to the first question. */
  get answerMs(): number {
    return this.#answerMs;
  }

  /** How long the agent took to learn of us, without the way there and back; `undefined`: it did not say. */
  get readyLagMs(): number | undefined {
    if (this.#toldAt === undefined || this.#readyAt === undefined) return undefined;
    if (this.#roundTripMs === undefined) return undefined;
    return Math.max(0, this.#readyAt - this.#toldAt - this.#roundTripMs);
  }

  /** The coordinator was asked for the agent. */
  handleConnected(now: Instant): void {
    this.#presence.handleConnected(now);
    this.#askedAt = now;
  }

  /** The coordinator was told of us. */
  handleTold(now: Instant): void {
    this.#toldAt ??= now;
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

  /** The agent said so at `saidAt`, if it did: it knows us. */
  handleReady(saidAt: Instant | undefined): void {
    this.#readyAt ??= saidAt;
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

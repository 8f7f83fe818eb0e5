/**
 * How often what the coordinator says of the agent is acted on: an agent that moves or changes its key costs a connection or a
 * key exchange, so one change has to be old enough before the next is taken. Of what is said meanwhile the last word counts.
 */
import type { Instant } from "../base/core.ts";
import type { TailnetNode } from "./node_message.ts";

export interface AgentWord {
  readonly node: TailnetNode;
  /** Whether the agent said that it knows us. */
  readonly isReady: boolean;
}

/** Age of a change before the next. */
const CHANGE_GAP_MS = 1_000;

export class AgentChanges {
  #changedAt: Instant = -Infinity;
  #held: AgentWord | undefined;

  /** Takes a word; gives it back if it may be acted on now, else holds it until `pollTimeout`. */
  offer(word: AgentWord, now: Instant): AgentWord | undefined {
    if (now >= this.#changedAt + CHANGE_GAP_MS) return word;
    this.#held = word;
    return undefined;
  }

  /** The word that was held back, once its time has come. */
  takeDue(now: Instant): AgentWord | undefined {
    if (now < this.#changedAt + CHANGE_GAP_MS) return undefined;
    const held = this.#held;
    this.#held = undefined;
    return held;
  }

  /** When to call `takeDue`. */
  pollTimeout(): Instant | undefined {
    return this.#held === undefined ? undefined : this.#changedAt + CHANGE_GAP_MS;
  }

  /** Should be called when a word moved the agent or changed its key. */
  noteChange(now: Instant): void {
    this.#changedAt = now;
  }

  /** The agent said that it knows us: that holds for the word that waits as well. */
  noteReady(): void {
    if (this.#held !== undefined) this.#held = { ...this.#held, isReady: true };
  }

  /** The agent is gone, and what was said of it with it. */
  forget(): void {
    this.#held = undefined;
  }
}

/**
 * Whether the coordinator vouches for the agent, and how long it is kept when nobody does (coder/coder
 * `tailnet/configmaps.go` `lostTimeout`).
 */
import { assertNever, type Core, type Instant } from "../base/core.ts";

export type PresenceEvent =
  /** It left deliberately, and what it said last had its time to arrive. */
  | { readonly kind: "left" }
  /** Nobody vouched for it for long: unless it was heard of meanwhile (`mayKeep`), it is gone. */
  | { readonly kind: "unvouched" };

type Standing =
  | { readonly kind: "vouched" }
  /** We have no coordinator to ask: it may be as well as ever, and is waited for as long as we are cut off. */
  | { readonly kind: "unasked" }
  | { readonly kind: "lost"; readonly until: Instant }
  | { readonly kind: "leaving"; readonly until: Instant };

/** A peer that nobody vouches for is kept this long after the last handshake. */
const LOST_TIMEOUT_MS = 15 * 60_000;
/** What the agent said last, an exit status perhaps, may still be on its way over the relay. */
const REMOVAL_GRACE_MS = 1_000;

export class AgentPresence implements Core<PresenceEvent> {
  #standing: Standing = { kind: "vouched" };
  #event: PresenceEvent | undefined;

  /** The coordinator speaks of the agent, or nobody waits for it any more. */
  vouch(): void {
    this.#standing = { kind: "vouched" };
    this.#event = undefined;
  }

  /** The coordinator lost the agent, or will never speak to us again. */
  handleLost(now: Instant): void {
    if (this.#standing.kind === "leaving") return;
    this.#standing = { kind: "lost", until: now + LOST_TIMEOUT_MS };
  }

  /** We lost the coordinator. */
  handleCutOff(): void {
    if (this.#standing.kind === "vouched") this.#standing = { kind: "unasked" };
  }

  /** We have a coordinator again: if it does not speak of the agent, that has left or is cut off itself. */
  handleConnected(now: Instant): void {
    if (this.#standing.kind === "unasked") this.handleLost(now);
  }

  /** The machine slept: who could not be heard of meanwhile is not gone for that, and is waited for anew. */
  handleWake(now: Instant): void {
    if (this.#standing.kind === "lost") this.handleLost(now);
  }

  /** The agent told the coordinator that it leaves. */
  handleRemoved(now: Instant): void {
    this.#standing = { kind: "leaving", until: now + REMOVAL_GRACE_MS };
  }

  /** Whether a last handshake at `heardAt` is reason to keep it: then it is asked again when that is old. */
  mayKeep(heardAt: Instant | undefined, now: Instant): boolean {
    const until = (heardAt ?? -Infinity) + LOST_TIMEOUT_MS;
    if (until <= now) return false;
    this.#standing = { kind: "lost", until };
    return true;
  }

  handleTimeout(now: Instant): void {
    const standing = this.#standing;
    switch (standing.kind) {
      case "vouched":
      case "unasked":
        return;
      case "lost":
        if (standing.until <= now) this.#end({ kind: "unvouched" });
        return;
      case "leaving":
        if (standing.until <= now) this.#end({ kind: "left" });
        return;
      default:
        return assertNever(standing);
    }
  }

  pollTimeout(): Instant | undefined {
    return "until" in this.#standing ? this.#standing.until : undefined;
  }

  pollEvent(): PresenceEvent | undefined {
    const event = this.#event;
    this.#event = undefined;
    return event;
  }

  #end(event: PresenceEvent): void {
    this.#standing = { kind: "vouched" };
    this.#event = event;
  }
}

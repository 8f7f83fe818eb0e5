/**
 * What a relay still brings of a peer after a move to a straight way. What we say of that goes back over the relay: by UDP it
 * would come before what the peer sent meanwhile is heard of, and the peer's TCP takes the one for losses of the other, and may
 * stand still for a timeout (`tests/netstack/way_change_test.ts`).
 */
import type { Instant } from "../base/core.ts";

/** An acknowledgement is less, with SACK blocks and all. */
const DATA_BYTES = 256;
/** More would send what is about the straight way over the relay for long, which costs more than it saves. */
const DRAINED_AFTER_MS = 20;
/** A peer that goes on by the relay has its reasons. */
const MAX_DRAIN_MS = 2_000;

export class Draining {
  #dataAt: Instant = -Infinity;
  /** `undefined` while the relay is the way. */
  #until: Instant | undefined;

  /** Should be called when a packet of the peer, proven to be its own, came over a relay. */
  handleRelayed(packetBytes: number, now: Instant): void {
    if (packetBytes >= DATA_BYTES) this.#dataAt = now;
  }

  /** Should be called when packets to the peer go over the relay anyway. */
  handleRelayUsed(): void {
    this.#until = undefined;
  }

  /** Whether a packet that may go straight goes over the relay nonetheless. */
  isGoingOn(now: Instant): boolean {
    this.#until ??= now + MAX_DRAIN_MS;
    return now < this.#until && now - this.#dataAt <= DRAINED_AFTER_MS;
  }
}

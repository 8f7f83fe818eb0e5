/** Packets that a relay holds back on order, by the time they are due. Bounded. */
import type { Instant } from "../base/core.ts";

export const MAX_DELAYED_PACKETS = 8192;

export interface DelayedPacket {
  /** Sender's and receiver's keys, 32 bytes each. */
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  readonly packet: Uint8Array;
}

export class DelayLine {
  /** Ordered by time; equal times in the order they came. */
  readonly #waiting: { readonly at: Instant; readonly packet: DelayedPacket }[] = [];

  /** Keeps a copy of the packet until `at`; false when too many wait. */
  push(packet: DelayedPacket, at: Instant): boolean {
    if (this.#waiting.length >= MAX_DELAYED_PACKETS) return false;
    let low = 0;
    let high = this.#waiting.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#waiting[middle]?.at ?? Infinity) <= at) low = middle + 1;
      else high = middle;
    }
    const copy = { ...packet, packet: packet.packet.slice() };
    this.#waiting.splice(low, 0, { at, packet: copy });
    return true;
  }

  /** The next packet that is due. */
  pop(now: Instant): DelayedPacket | undefined {
    const first = this.#waiting[0];
    if (first === undefined || first.at > now) return undefined;
    this.#waiting.shift();
    return first.packet;
  }

  nextAt(): Instant | undefined {
    return this.#waiting[0]?.at;
  }
}

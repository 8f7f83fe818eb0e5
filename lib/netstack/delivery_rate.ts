/**
 * What the path delivered lately, and how much of ours it holds at that rate without a queue. A loss at random leaves both
 * as they were; one for want of room shows in them: what is lost is not delivered, and what queues takes longer than the
 * least round trip (Linux `net/ipv4/tcp_westwood.c`, westwood_update_window, tcp_westwood_bw_rttmin).
 */
import type { Instant } from "../base/core.ts";

/** Less tells more of the machine's turns than of the network's rate. */
const MIN_INTERVAL_MS = 10;

export class DeliveryRate {
  #since: Instant = -Infinity;
  #bytes = 0;
  /** Bytes in a millisecond, of the last interval and the one before: one in which repairs were waited for tells nothing. */
  #rate = 0;
  #rateBefore = 0;

  /** Should be called with every ACK that delivered bytes, in order or not; `srttMs` -1 for unknown. */
  handleDelivered(bytes: number, srttMs: number, now: Instant): void {
    if (this.#since === -Infinity) {
      this.#since = now;
      return;
    }
    this.#bytes += bytes;
    const elapsedMs = now - this.#since;
    if (elapsedMs < Math.max(MIN_INTERVAL_MS, srttMs)) return;
    this.#rateBefore = this.#rate;
    this.#rate = this.#bytes / elapsedMs;
    this.#since = now;
    this.#bytes = 0;
  }

  /** What the path holds without a queue, when its least round trip is `minRttMs`; 0 while nothing is known. */
  pathBytes(minRttMs: number): number {
    return minRttMs === Infinity ? 0 : Math.max(this.#rate, this.#rateBefore) * minRttMs;
  }
}

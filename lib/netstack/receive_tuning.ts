/**
 * How much a peer may have under way to us: what the way there holds, or what a round trip of the present rate carries
 * twice over, so that a sender who doubles what it sends with each round trip is not held up. The whole buffer would be
 * too much: where something between drops what it cannot hold, a sender that is let fill it loses hundreds of segments at
 * once, repairs of them among those, and stands still for seconds.
 */
import type { Instant } from "../base/core.ts";
import { seqDiff } from "../base/seq.ts";

/** The way that segments take to us. */
export interface ReceiveWay {
  /** What it holds when we do not look at it for a moment; infinite when nothing is known. */
  readonly burstBytes: number;
  /** Its least round-trip time, where somebody measured it. */
  readonly rttMs: number | undefined;
}

/** Nothing is known of it: the buffer alone is the limit. */
export const UNKNOWN_WAY: ReceiveWay = { burstBytes: Infinity, rttMs: undefined };

/** Less tells more of the machine's turns than of the network's rate. */
const MIN_INTERVAL_MS = 10;
const GROWTH = 2;

export class ReceiveTuning {
  #since: Instant = -Infinity;
  #from = 0;
  /** Bytes in a millisecond, of this interval and the one before: a pause of ours is no slower network. */
  #rate = 0;
  #rateBefore = 0;

  /** What may be under way, when `rcvNxt` is acknowledged over `way`; `minRttMs` as the connection itself measured. */
  limitBytes(rcvNxt: number, way: ReceiveWay, minRttMs: number, now: Instant): number {
    if (way.burstBytes === Infinity) return Infinity;
    const rttMs = Math.min(way.rttMs ?? Infinity, minRttMs);
    if (rttMs === Infinity) return Infinity;
    this.#measure(rcvNxt, Math.max(MIN_INTERVAL_MS, rttMs), now);
    const rate = Math.max(this.#rate, this.#rateBefore);
    return Math.max(way.burstBytes, GROWTH * rate * rttMs);
  }

  #measure(rcvNxt: number, intervalMs: number, now: Instant): void {
    const elapsedMs = now - this.#since;
    if (elapsedMs < intervalMs) return;
    this.#rateBefore = this.#rate;
    this.#rate = elapsedMs === Infinity ? 0 : seqDiff(rcvNxt, this.#from) / elapsedMs;
    this.#since = now;
    this.#from = rcvNxt;
  }
}

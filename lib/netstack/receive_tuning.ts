/**
 * How much a peer may have under way to us: what the way there holds, or what a round trip of the present rate carries
 * twice over, so that a sender who doubles what it sends with each round trip is not held up. The whole buffer would be
 * too much: where something between drops what it cannot hold, a sender that is let fill it loses hundreds of segments at
 * once, repairs of them among those, and stands still for seconds.
 *
 * Where queues on the way hold less than a round trip carries, as those of a relay do, it is bursts that are lost, at any rate, and
 * with them most of what a sender's own search for the rate had found. There the limit leads: it grows by half with each round
 * trip and with what is acknowledged, so that no ACK lets a burst go; by little when a busy machine's turn brings as much as such a
 * queue holds; and what is lost takes a part of it back.
 */
import type { Instant } from "../base/core.ts";
import { seqDiff } from "../base/seq.ts";
import type { Arrivals } from "./ack_pacing.ts";

/** The way that segments take to us. */
export interface ReceiveWay {
  /** What it holds when we do not look at it for a moment; infinite when nothing is known. */
  readonly burstBytes: number;
  /** Its least round-trip time, where somebody measured it. */
  readonly rttMs: number | undefined;
  /** What a queue on it holds of one burst, where that is less than it may have under way. */
  readonly queueBytes?: number;
  /** Whether whatever is lost on it found no room in that queue. @default false */
  readonly losesNothingElse?: boolean;
}

/** Nothing is known of it: the buffer alone is the limit. */
export const UNKNOWN_WAY: ReceiveWay = { burstBytes: Infinity, rttMs: undefined };

/** Less tells more of the machine's turns than of the network's rate. */
const MIN_INTERVAL_MS = 10;
const GROWTH = 2;
/** Where queues are short. */
const GENTLE_GROWTH = 1.5;
/** With shorter round trips all that is under way is little, and what is lost is soon repaired. */
const MIN_ROUND_TRIP_MS = 5;
/** How long a busy machine may leave a queue alone. */
const TURN_MS = 10;
/** Growth in a round trip from where such a turn fills a queue. */
const CALM_SEGMENTS = 4;
/** Part of the limit that a loss leaves (RFC 9438 §4.6). */
const KEPT = 0.7;

export class ReceiveTuning implements Arrivals {
  readonly #mssBytes: number;
  #since: Instant = -Infinity;
  #from = 0;
  /** Bytes in a millisecond, of this interval and the one before: a pause of ours is no slower network. */
  #rate = 0;
  #rateBefore = 0;
  #rttMs = Infinity;
  /** What the limit grows to. */
  #targetBytes = Infinity;
  #limitBytes = Infinity;
  /** From here on the limit grows by little; `Infinity` on ways without short queues. */
  #calmBytes = Infinity;
  /** Of the way; 0 where it is not short. */
  #queueBytes = 0;
  #hadHole = false;

  constructor(mssBytes: number) {
    this.#mssBytes = mssBytes;
  }

  get rttMs(): number {
    return this.#queueBytes === 0 ? Infinity : this.#rttMs;
  }

  get roundTripBytes(): number {
    return Math.max(this.#rate, this.#rateBefore) * this.#rttMs;
  }

  /** What may be under way, when `rcvNxt` has come over `way`; `minRttMs` as the connection itself measured. */
  limitBytes(rcvNxt: number, way: ReceiveWay, minRttMs: number, now: Instant): number {
    const isKnown = way.burstBytes !== Infinity;
    this.#rttMs = isKnown ? Math.min(way.rttMs ?? Infinity, minRttMs) : Infinity;
    this.#useQueue(way);
    if (this.#rttMs === Infinity) return this.#limitBytes = this.#targetBytes = Infinity;
    this.#measure(rcvNxt, Math.max(MIN_INTERVAL_MS, this.#rttMs), now);
    if (this.#queueBytes === 0) {
      this.#targetBytes = Math.max(way.burstBytes, GROWTH * this.roundTripBytes);
      return this.#limitBytes = this.#targetBytes;
    }
    this.#targetBytes = Math.max(this.#queueBytes, GENTLE_GROWTH * this.roundTripBytes);
    const limitBytes = Math.max(this.#queueBytes, this.#limitBytes);
    return this.#limitBytes = Math.min(this.#targetBytes, limitBytes);
  }

  #useQueue({ queueBytes, losesNothingElse = false }: ReceiveWay): void {
    const isFar = this.#rttMs !== Infinity && this.#rttMs >= MIN_ROUND_TRIP_MS;
    const usedBytes = isFar && queueBytes !== undefined ? queueBytes : 0;
    if (usedBytes === this.#queueBytes) return;
    this.#queueBytes = usedBytes;
    const turnBytes = usedBytes * this.#rttMs / TURN_MS;
    this.#calmBytes = usedBytes > 0 && losesNothingElse ? turnBytes : Infinity;
  }

  /** The limit when `bytes` more are acknowledged at once. */
  grow(bytes: number): number {
    const growthBytes = this.#limitBytes < this.#calmBytes
      ? (GENTLE_GROWTH - 1) * bytes
      : CALM_SEGMENTS * this.#mssBytes * bytes / this.#limitBytes;
    this.#limitBytes = Math.min(this.#targetBytes, this.#limitBytes + growthBytes);
    return this.#limitBytes;
  }

  /** Should be called before each ACK: whether something is missing before what came last. */
  handleHole(hasHole: boolean): void {
    if (hasHole && !this.#hadHole && this.#calmBytes !== Infinity) {
      this.#calmBytes = KEPT * this.#limitBytes;
      this.#limitBytes = this.#calmBytes;
    }
    this.#hadHole = hasHole;
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

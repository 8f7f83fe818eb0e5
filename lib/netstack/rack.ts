/**
 * RACK: what deliveries tell about losses (RFC 8985 §5, §6). A segment is lost when one sent later was delivered and
 * the reordering window has passed; unlike counting duplicates this finds lost retransmissions and lost tails too.
 * Before reordering was ever seen, three SACKed segments close the window at once, as RFC 6675 would.
 * Left out: DSACK and the widening of the window it drives (§6.2 step 4), as the peers send none.
 */
import type { Instant } from "../base/core.ts";
import { seqGt, seqLt } from "../base/seq.ts";

/** RFC 5681 §3.2. */
export const DUPLICATE_THRESHOLD = 3;

/** RFC 8985 §6.2 step 4: the reordering window is a quarter of the least round-trip time. */
const REORDERING_WINDOW_FRACTION = 1 / 4;

export class Rack {
  /** When the most recently sent of all delivered segments was sent (RACK.xmit_ts); -1 before the first. */
  sentAt: Instant = -1;
  /** Where it ends (RACK.end_seq). */
  end = 0;
  /** How long it took (RACK.rtt). */
  rttMs = 0;
  isReorderingSeen = false;

  /** Of the ACK being processed: bytes it delivered, in order or not. */
  deliveredBytes = 0;
  /** Of the ACK being processed: least round trip of a segment sent once (Karn, RFC 6298 §3); -1 for none. */
  sampleMs = -1;

  /** Highest sequence number delivered (RACK.fack). */
  #fack = 0;
  #isFackSet = false;
  /** As it was before the ACK being processed: its blocks name newer segments first. */
  #fackBefore = 0;
  #wasFackSet = false;

  /** Should be called before the deliveries of an ACK are reported. */
  beginAck(): void {
    this.deliveredBytes = 0;
    this.sampleMs = -1;
    this.#fackBefore = this.#fack;
    this.#wasFackSet = this.#isFackSet;
  }

  /** Should be called for every segment that an ACK delivers. */
  noteDelivery(segment: DeliveredSegment, now: Instant, minRttMs: number): void {
    this.deliveredBytes += segment.bytes;
    const rttMs = now - segment.sentAt;
    if (segment.isRetransmitted) {
      // RFC 8985 §6.2 step 2: too soon to be the answer to the retransmission.
      if (rttMs < minRttMs) return;
    } else {
      if (this.sampleMs < 0 || rttMs < this.sampleMs) this.sampleMs = rttMs;
      // RFC 8985 §6.2 step 3.
      if (this.#wasFackSet && seqLt(segment.end, this.#fackBefore)) this.isReorderingSeen = true;
    }
    if (!this.#isFackSet || seqGt(segment.end, this.#fack)) {
      this.#fack = segment.end;
      this.#isFackSet = true;
    }
    if (this.isSentBefore(segment.sentAt, segment.end)) {
      this.sentAt = segment.sentAt;
      this.end = segment.end;
      this.rttMs = rttMs;
    }
  }

  /** Whether the most recent delivery was sent before (`sentAt`, `end`): RACK_sent_after with the roles swapped. */
  isSentBefore(sentAt: Instant, end: number): boolean {
    return this.sentAt < sentAt || (this.sentAt === sentAt && seqLt(this.end, end));
  }

  /** Whether the most recent delivery was sent after (`sentAt`, `end`), so that segment was overtaken. */
  hasOvertaken(sentAt: Instant, end: number): boolean {
    return this.sentAt > sentAt || (this.sentAt === sentAt && seqGt(this.end, end));
  }

  /** How much later than its round trip a segment may be (RFC 8985 §6.2 step 4). */
  reorderingWindowMs(o: ReorderingContext): number {
    if (!this.isReorderingSeen && (o.isRecovering || o.sackedCount >= DUPLICATE_THRESHOLD)) {
      return 0;
    }
    return Math.min(o.minRttMs * REORDERING_WINDOW_FRACTION, o.srttMs);
  }
}

/** A segment as `SentSegments` reports it; the object is reused. */
export class DeliveredSegment {
  sentAt: Instant = 0;
  end = 0;
  bytes = 0;
  isRetransmitted = false;
}

export interface ReorderingContext {
  readonly isRecovering: boolean;
  readonly sackedCount: number;
  readonly minRttMs: number;
  readonly srttMs: number;
}

/**
 * The scoreboard: every segment sent and not yet acknowledged, in order, with what is known of its fate
 * (RFC 6675 §3, kept per segment as RFC 8985 §5.2 does). A table of numbers: no object per segment.
 * The plain twin is in `tests/netstack/sent_segments_test.ts`.
 */
import type { Instant } from "../base/core.ts";
import { seqDiff, seqGt, seqLte } from "../base/seq.ts";
import { MAX_SEGMENTS_IN_FLIGHT } from "./limits.ts";
import { DeliveredSegment, type Rack } from "./rack.ts";

const SegmentFlag = {
  /** The peer has it, out of order. */
  sacked: 1,
  /** Taken for lost and not sent again yet. */
  lost: 2,
  /** Sent more than once; its ACK is ambiguous (Karn). */
  retransmitted: 4,
} as const;

/** Acknowledged in order, these say nothing of the round trip. */
const AMBIGUOUS = SegmentFlag.lost | SegmentFlag.retransmitted;

const INITIAL_CAPACITY = 16;

export class SentSegments {
  /** Where the oldest segment begins: SND.UNA. */
  #start = 0;
  #end = new Uint32Array(0);
  #sentAt = new Float64Array(0);
  #flags = new Uint8Array(0);
  #mask = -1;
  #head = 0;
  #count = 0;
  #sackedBytes = 0;
  #sackedCount = 0;
  #lostBytes = 0;
  #everLostBytes = 0;
  #retransmittedCount = 0;
  /** No segment before this position is lost. */
  #lostHint = 0;
  readonly #delivered = new DeliveredSegment();

  /** Begins, empty, at sequence number `start`. */
  reset(start: number): void {
    this.#start = start;
    this.#head = 0;
    this.#count = 0;
    this.#sackedBytes = 0;
    this.#sackedCount = 0;
    this.#lostBytes = 0;
    this.#retransmittedCount = 0;
    this.#lostHint = 0;
  }

  get count(): number {
    return this.#count;
  }

  get isFull(): boolean {
    return this.#count >= MAX_SEGMENTS_IN_FLIGHT;
  }

  /** What the network is thought to hold (RFC 6675 §2 "pipe"): not SACKed, and not lost or sent again. */
  get pipeBytes(): number {
    return seqDiff(this.#lastEnd(), this.#start) - this.#sackedBytes - this.#lostBytes;
  }

  get sackedCount(): number {
    return this.#sackedCount;
  }

  /** Taken for lost and not sent again yet. */
  get lostBytes(): number {
    return this.#lostBytes;
  }

  get hasLost(): boolean {
    return this.#lostBytes > 0;
  }

  /** Everything that was ever taken for lost, repairs that were lost again included. */
  get everLostBytes(): number {
    return this.#everLostBytes;
  }

  /** Whether any segment may have been overtaken: else there is nothing to detect. */
  get isSuspicious(): boolean {
    return this.#sackedCount > 0 || this.#retransmittedCount > 0;
  }

  startOf(position: number): number {
    return position === 0 ? this.#start : this.endOf(position - 1);
  }

  endOf(position: number): number {
    return this.#end[(this.#head + position) & this.#mask] ?? 0;
  }

  sentAtOf(position: number): Instant {
    return this.#sentAt[(this.#head + position) & this.#mask] ?? 0;
  }

  isRetransmittedAt(position: number): boolean {
    return (this.#flagsOf(position) & SegmentFlag.retransmitted) !== 0;
  }

  isSackedAt(position: number): boolean {
    return (this.#flagsOf(position) & SegmentFlag.sacked) !== 0;
  }

  isLostAt(position: number): boolean {
    return (this.#flagsOf(position) & SegmentFlag.lost) !== 0;
  }

  /** Adds a segment that begins where the last one ended. */
  push(end: number, now: Instant): void {
    if (this.#count === this.#end.length) this.#grow();
    const at = (this.#head + this.#count) & this.#mask;
    this.#end[at] = end;
    this.#sentAt[at] = now;
    this.#flags[at] = 0;
    this.#count++;
  }

  /** Drops what lies below `ack` and reports to `rack` what was not SACKed before. */
  acknowledge(ack: number, now: Instant, rack: Rack, minRttMs: number): void {
    let gone = 0;
    let isAmbiguous = false;
    while (gone < this.#count && seqLte(this.endOf(gone), ack)) {
      if ((this.#flagsOf(gone) & AMBIGUOUS) !== 0) isAmbiguous = true;
      const bytes = seqDiff(this.endOf(gone), this.#start);
      this.#leave(gone, bytes, now, rack, minRttMs);
      this.#start = this.endOf(gone);
      gone++;
    }
    // Karn (RFC 6298 §3): once a retransmission filled a hole, the segments behind it have waited at the peer.
    if (isAmbiguous) rack.sampleMs = -1;
    this.#head = (this.#head + gone) & this.#mask;
    this.#count -= gone;
    this.#lostHint = Math.max(0, this.#lostHint - gone);
    if (this.#count > 0 && seqGt(ack, this.#start)) this.#cutHead(ack);
  }

  /** Marks what lies within [left, right) as received out of order (RFC 6675 §4 Update). Partly covered: not. */
  markSacked(left: number, right: number, now: Instant, rack: Rack, minRttMs: number): void {
    for (let i = this.#firstFrom(left); i < this.#count && seqLte(this.endOf(i), right); i++) {
      const flags = this.#flagsOf(i);
      if ((flags & SegmentFlag.sacked) !== 0) continue;
      const bytes = seqDiff(this.endOf(i), this.startOf(i));
      this.#report(i, bytes, now, rack, minRttMs);
      if ((flags & SegmentFlag.lost) !== 0) this.#lostBytes -= bytes;
      this.#setFlags(i, (flags | SegmentFlag.sacked) & ~SegmentFlag.lost);
      this.#sackedBytes += bytes;
      this.#sackedCount++;
    }
  }

  /**
   * Marks overtaken segments as lost (RFC 8985 §6.2 step 5). Returns how long the latest of those that were overtaken
   * but have time left may still take, in ms; 0 when none has.
   */
  detectLost(rack: Rack, reorderingWindowMs: number, now: Instant): number {
    let waitMs = 0;
    for (let i = 0; i < this.#count; i++) {
      const flags = this.#flagsOf(i);
      const sentAt = this.sentAtOf(i);
      if (!rack.hasOvertaken(sentAt, this.endOf(i))) {
        // Segments are first sent in order, so behind one that was sent once nothing was sent earlier.
        if ((flags & SegmentFlag.retransmitted) === 0) break;
        continue;
      }
      if ((flags & (SegmentFlag.sacked | SegmentFlag.lost)) !== 0) continue;
      const remainingMs = sentAt + rack.rttMs + reorderingWindowMs - now;
      if (remainingMs <= 0) this.markLost(i);
      else if (remainingMs > waitMs) waitMs = remainingMs;
    }
    return waitMs;
  }

  markLost(position: number): void {
    const flags = this.#flagsOf(position);
    if ((flags & (SegmentFlag.sacked | SegmentFlag.lost)) !== 0) return;
    this.#setFlags(position, flags | SegmentFlag.lost);
    const bytes = seqDiff(this.endOf(position), this.startOf(position));
    this.#lostBytes += bytes;
    this.#everLostBytes += bytes;
    if (position < this.#lostHint) this.#lostHint = position;
  }

  /** Should be called at a retransmission timeout: whatever is not SACKed is lost (RFC 6675 §5.1, RFC 8985 §6.3). */
  markAllLost(): void {
    // A SACKed segment right at SND.UNA means the peer reneged (RFC 2018 §8): forget what it said.
    const hasReneged = this.#count > 0 && this.isSackedAt(0);
    for (let i = 0; i < this.#count; i++) {
      if (hasReneged) this.#setFlags(i, this.#flagsOf(i) & ~SegmentFlag.sacked);
      this.markLost(i);
    }
    if (hasReneged) {
      this.#sackedBytes = 0;
      this.#sackedCount = 0;
    }
    this.#lostHint = 0;
  }

  /** Position of the oldest lost segment, or -1. */
  nextLost(): number {
    if (this.#lostBytes === 0) return -1;
    while (this.#lostHint < this.#count && !this.isLostAt(this.#lostHint)) this.#lostHint++;
    return this.#lostHint < this.#count ? this.#lostHint : -1;
  }

  /** Should be called when the segment at `position` was sent again. */
  markRetransmitted(position: number, now: Instant): void {
    const flags = this.#flagsOf(position);
    if ((flags & SegmentFlag.lost) !== 0) {
      this.#lostBytes -= seqDiff(this.endOf(position), this.startOf(position));
    }
    if ((flags & SegmentFlag.retransmitted) === 0) this.#retransmittedCount++;
    this.#setFlags(position, (flags | SegmentFlag.retransmitted) & ~SegmentFlag.lost);
    this.#sentAt[(this.#head + position) & this.#mask] = now;
  }

  #lastEnd(): number {
    return this.#count === 0 ? this.#start : this.endOf(this.#count - 1);
  }

  #flagsOf(position: number): number {
    return this.#flags[(this.#head + position) & this.#mask] ?? 0;
  }

  #setFlags(position: number, flags: number): void {
    this.#flags[(this.#head + position) & this.#mask] = flags;
  }

  /** Takes the segment at `position` out of the sums; it is the oldest one left. */
  #leave(position: number, bytes: number, now: Instant, rack: Rack, minRttMs: number): void {
    const flags = this.#flagsOf(position);
    if ((flags & SegmentFlag.sacked) === 0) this.#report(position, bytes, now, rack, minRttMs);
    else {
      this.#sackedBytes -= bytes;
      this.#sackedCount--;
    }
    if ((flags & SegmentFlag.lost) !== 0) this.#lostBytes -= bytes;
    if ((flags & SegmentFlag.retransmitted) !== 0) this.#retransmittedCount--;
  }

  #report(position: number, bytes: number, now: Instant, rack: Rack, minRttMs: number): void {
    const delivered = this.#delivered;
    delivered.sentAt = this.sentAtOf(position);
    delivered.end = this.endOf(position);
    delivered.bytes = bytes;
    delivered.isRetransmitted = this.isRetransmittedAt(position);
    rack.noteDelivery(delivered, now, minRttMs);
  }

  /** An ACK inside a segment: the peer took a part of it, for want of window. */
  #cutHead(ack: number): void {
    const bytes = seqDiff(ack, this.#start);
    if (this.isSackedAt(0)) this.#sackedBytes -= bytes;
    if (this.isLostAt(0)) this.#lostBytes -= bytes;
    this.#start = ack;
  }

  /** First position whose segment begins at or behind `left`. */
  #firstFrom(left: number): number {
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (seqDiff(this.startOf(middle), left) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #grow(): void {
    const capacity = Math.max(INITIAL_CAPACITY, this.#end.length * 2);
    const end = new Uint32Array(capacity);
    const sentAt = new Float64Array(capacity);
    const flags = new Uint8Array(capacity);
    for (let i = 0; i < this.#count; i++) {
      end[i] = this.endOf(i);
      sentAt[i] = this.sentAtOf(i);
      flags[i] = this.#flagsOf(i);
    }
    this.#end = end;
    this.#sentAt = sentAt;
    this.#flags = flags;
    this.#mask = capacity - 1;
    this.#head = 0;
  }
}

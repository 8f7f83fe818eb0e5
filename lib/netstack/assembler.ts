/**
 * Which sequence numbers beyond RCV.NXT have arrived: sorted, disjoint, non-touching half-open ranges, in two arrays
 * of numbers. Also remembers which ranges changed last, for the order of SACK blocks (RFC 2018 §4).
 * The plain twin, a set of single numbers, is in `tests/netstack/assembler_test.ts`.
 */
import { seqDiff, seqGt, seqGte, seqLt, seqLte } from "../base/seq.ts";
import { MAX_SACK_BLOCKS, type TcpHeader } from "../wire/tcp.ts";
import { MAX_OUT_OF_ORDER_RANGES } from "./limits.ts";

const NOT_FOUND = -1;

export class Assembler {
  readonly #maxRanges: number;
  #left: Uint32Array<ArrayBuffer>;
  #right: Uint32Array<ArrayBuffer>;
  #count = 0;
  /** A sequence number within each of the ranges that changed last, newest first; may be outdated. */
  readonly #recent = new Uint32Array(MAX_SACK_BLOCKS);
  #recentCount = 0;

  constructor(maxRanges = MAX_OUT_OF_ORDER_RANGES) {
    this.#maxRanges = maxRanges;
    this.#left = new Uint32Array(0);
    this.#right = new Uint32Array(0);
  }

  get rangeCount(): number {
    return this.#count;
  }

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  leftOf(index: number): number {
    return this.#left[index] ?? 0;
  }

  rightOf(index: number): number {
    return this.#right[index] ?? 0;
  }

  /** Adds [left, right), which is not empty. False when that would make one range too many: then nothing changed. */
  insert(left: number, right: number): boolean {
    // Found from the back, as data mostly extends the newest range: first..last are the ranges it touches or overlaps.
    let last = this.#count - 1;
    while (last >= 0 && seqGt(this.leftOf(last), right)) last--;
    let first = last + 1;
    while (first > 0 && seqGte(this.rightOf(first - 1), left)) first--;

    if (first > last) {
      if (this.#count === this.#maxRanges) return false;
      this.#openGap(first);
      this.#left[first] = left;
      this.#right[first] = right;
    } else {
      if (seqLt(left, this.leftOf(first))) this.#left[first] = left;
      const end = this.rightOf(last);
      this.#right[first] = seqGt(right, end) ? right : end;
      this.#remove(first + 1, last - first);
    }
    this.#remember(left);
    return true;
  }

  /** Takes out every range that begins at or below `rcvNxt`; returns the number data is then complete up to. */
  advance(rcvNxt: number): number {
    let next = rcvNxt;
    let gone = 0;
    while (gone < this.#count && seqLte(this.leftOf(gone), next)) {
      if (seqGt(this.rightOf(gone), next)) next = this.rightOf(gone);
      gone++;
    }
    if (gone > 0) this.#remove(0, gone);
    return next;
  }

  /** Fills in SACK blocks, the range that changed last first (RFC 2018 §4 (1), (3)); at most `MAX_SACK_BLOCKS`. */
  writeSackBlocks(header: TcpHeader): void {
    let blocks = 0;
    for (let i = 0; i < this.#recentCount && blocks < MAX_SACK_BLOCKS; i++) {
      const index = this.indexOf(this.#recent[i] ?? 0);
      if (index === NOT_FOUND || isAmong(header, blocks, this.leftOf(index))) continue;
      header.sackLeft[blocks] = this.leftOf(index);
      header.sackRight[blocks] = this.rightOf(index);
      blocks++;
    }
    // Room that is left repeats others, the highest first, in case the ACKs that named them were lost.
    for (let i = this.#count - 1; i >= 0 && blocks < MAX_SACK_BLOCKS; i--) {
      if (isAmong(header, blocks, this.leftOf(i))) continue;
      header.sackLeft[blocks] = this.leftOf(i);
      header.sackRight[blocks] = this.rightOf(i);
      blocks++;
    }
    header.sackCount = blocks;
  }

  /** The range that contains `seq`, or -1. */
  indexOf(seq: number): number {
    let low = 0;
    let high = this.#count - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      if (seqLt(seq, this.leftOf(middle))) high = middle - 1;
      else if (seqGte(seq, this.rightOf(middle))) low = middle + 1;
      else return middle;
    }
    return NOT_FOUND;
  }

  clear(): void {
    this.#count = 0;
    this.#recentCount = 0;
  }

  #remember(seq: number): void {
    // Entries that fell into the same range are dropped, so that the others keep their place in the order.
    const index = this.indexOf(seq);
    const left = this.leftOf(index);
    const lengthBytes = seqDiff(this.rightOf(index), left);
    let kept = 0;
    for (let i = 0; i < this.#recentCount; i++) {
      const other = this.#recent[i] ?? 0;
      const distance = seqDiff(other, left);
      if (distance >= 0 && distance < lengthBytes) continue;
      this.#recent[kept++] = other;
    }
    this.#recentCount = Math.min(kept + 1, MAX_SACK_BLOCKS);
    this.#recent.copyWithin(1, 0, this.#recentCount - 1);
    this.#recent[0] = seq;
  }

  #openGap(index: number): void {
    if (this.#count === this.#left.length) this.#grow();
    this.#left.copyWithin(index + 1, index, this.#count);
    this.#right.copyWithin(index + 1, index, this.#count);
    this.#count++;
  }

  #remove(index: number, count: number): void {
    if (count === 0) return;
    this.#left.copyWithin(index, index + count, this.#count);
    this.#right.copyWithin(index, index + count, this.#count);
    this.#count -= count;
  }

  #grow(): void {
    const capacity = Math.min(this.#maxRanges, Math.max(16, this.#left.length * 2));
    const left = new Uint32Array(capacity);
    const right = new Uint32Array(capacity);
    left.set(this.#left);
    right.set(this.#right);
    this.#left = left;
    this.#right = right;
  }
}

function isAmong(header: TcpHeader, count: number, left: number): boolean {
  for (let i = 0; i < count; i++) {
    if (header.sackLeft[i] === left) return true;
  }
  return false;
}

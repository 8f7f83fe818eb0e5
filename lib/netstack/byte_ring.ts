/**
 * A ring of bytes that grows by doubling up to a limit. Positions are distances from the oldest byte kept.
 * The length is what counts as content; bytes may be placed behind it, out of order, and be counted in later.
 */
import { copyAndSum, copyBytes, joinSums } from "../wire/checksum.ts";
import { INITIAL_RING_BYTES, MAX_IDLE_RING_BYTES } from "./limits.ts";

const EMPTY = new Uint8Array(0);

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export class ByteRing {
  readonly limitBytes: number;
  #bytes: Uint8Array = EMPTY;
  #view: DataView = viewOf(EMPTY);
  #mask = -1;
  #head = 0;
  #length = 0;
  /** End of what was placed, in order or not: what growing must carry over. */
  #extent = 0;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  /** Bytes of content. */
  get length(): number {
    return this.#length;
  }

  get capacityBytes(): number {
    return this.#bytes.length;
  }

  /** Places `length` bytes of `source` at `position`, within the limit, without counting them in. Copies. */
  place(position: number, source: DataView, sourceOffset: number, length: number): void {
    this.#reserve(position + length);
    const at = (this.#head + position) & this.#mask;
    const first = Math.min(length, this.#bytes.length - at);
    copyBytes(source, sourceOffset, this.#view, at, first);
    if (first < length) copyBytes(source, sourceOffset + first, this.#view, 0, length - first);
    if (position + length > this.#extent) this.#extent = position + length;
  }

  /** Counts in `count` bytes that were placed right behind the content. */
  extend(count: number): void {
    this.#length += count;
  }

  /** Appends as much of `source` as fits under `roomBytes` and the limit; returns the count. Copies. */
  append(source: Uint8Array, roomBytes: number): number {
    const count = Math.min(source.length, roomBytes, this.limitBytes - this.#length);
    if (count <= 0) return 0;
    this.#reserve(this.#length + count);
    const at = (this.#head + this.#length) & this.#mask;
    const first = Math.min(count, this.#bytes.length - at);
    this.#bytes.set(first === source.length ? source : source.subarray(0, first), at);
    if (first < count) this.#bytes.set(source.subarray(first, count), 0);
    this.#length += count;
    this.#extent = Math.max(this.#extent, this.#length);
    return count;
  }

  /** Moves up to `into.length` of the oldest bytes into `into`; returns the count. */
  take(into: Uint8Array): number {
    const count = Math.min(into.length, this.#length);
    if (count === 0) return 0;
    const first = Math.min(count, this.#bytes.length - this.#head);
    into.set(this.#bytes.subarray(this.#head, this.#head + first), 0);
    if (first < count) into.set(this.#bytes.subarray(0, count - first), first);
    this.drop(count);
    return count;
  }

  /** Forgets the oldest `count` bytes. */
  drop(count: number): void {
    this.#head = (this.#head + count) & this.#mask;
    this.#length -= count;
    this.#extent -= count;
    if (this.#extent > 0) return;
    this.#head = 0;
    // A large array is not kept for the next megabyte that may never come.
    if (this.#bytes.length > MAX_IDLE_RING_BYTES) this.#replace(EMPTY);
  }

  /** Copies `length` bytes from `position` on into `target`; returns their one's complement sum. */
  copyTo(position: number, length: number, target: DataView, targetOffset: number): number {
    const at = (this.#head + position) & this.#mask;
    const first = Math.min(length, this.#bytes.length - at);
    const sum = copyAndSum(this.#view, at, target, targetOffset, first);
    if (first === length) return sum;
    const rest = copyAndSum(this.#view, 0, target, targetOffset + first, length - first);
    return joinSums(sum, first, rest);
  }

  /** Gives the memory back; the ring is empty and may be used again. */
  release(): void {
    this.#replace(EMPTY);
    this.#head = 0;
    this.#length = 0;
    this.#extent = 0;
  }

  #reserve(needed: number): void {
    if (needed <= this.#bytes.length) return;
    let capacity = Math.max(this.#bytes.length, INITIAL_RING_BYTES);
    while (capacity < needed) capacity *= 2;
    const grown = new Uint8Array(capacity);
    const first = Math.min(this.#extent, this.#bytes.length - this.#head);
    grown.set(this.#bytes.subarray(this.#head, this.#head + first), 0);
    if (first < this.#extent) grown.set(this.#bytes.subarray(0, this.#extent - first), first);
    this.#replace(grown);
    this.#head = 0;
  }

  #replace(bytes: Uint8Array): void {
    this.#bytes = bytes;
    this.#view = viewOf(bytes);
    this.#mask = bytes.length - 1;
  }
}

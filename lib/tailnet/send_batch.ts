/**
 * What is gathered for one write to a socket: a fixed buffer with room in front for a websocket header, so that packets
 * are written, sealed and framed where they will be sent from. A batch is either being filled by its link or taken by
 * whoever writes it.
 */
import type { Batch } from "./line.ts";
import { MAX_HEADER_BYTES } from "../websocket/mod.ts";

/** Frames a write; 64 KB costs about a fifteenth of the CPU of single-frame writes. */
export const STREAM_BATCH_BYTES = 65_536;
/**
 * A batch is one message in a websocket, and servers read none of 32 KiB or more (coder/websocket read.go
 * `defaultReadLimit`): they close with 1009.
 */
export const MESSAGE_BATCH_BYTES = 32_767;

const NOTHING = new Uint8Array(0);

export class SendBatch implements Batch {
  readonly buffer: Uint8Array<ArrayBuffer>;
  /** Where the payload begins. */
  readonly start = MAX_HEADER_BYTES;
  /** Where the next byte goes. */
  end = MAX_HEADER_BYTES;
  #bytes = NOTHING;
  #isTaken = false;

  constructor(capacityBytes: number) {
    this.buffer = new Uint8Array(MAX_HEADER_BYTES + capacityBytes);
  }

  /** What to write; of a batch that was taken. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  get isTaken(): boolean {
    return this.#isTaken;
  }

  /** Hands the batch over as it is from `start` on; nothing is to be added until it is released. */
  takeFrom(start: number): this {
    this.#isTaken = true;
    this.#bytes = this.buffer.subarray(start, this.end);
    return this;
  }

  /** Written, or of no use any more: the batch is empty, and the link's again. */
  release(): void {
    this.#isTaken = false;
    this.#bytes = NOTHING;
    this.clear();
  }

  get isEmpty(): boolean {
    return this.end === this.start;
  }

  get roomBytes(): number {
    return this.buffer.length - this.end;
  }

  /** Appends a copy; false when it does not fit. */
  append(bytes: Uint8Array): boolean {
    if (bytes.length > this.roomBytes) return false;
    this.buffer.set(bytes, this.end);
    this.end += bytes.length;
    return true;
  }

  clear(): void {
    this.end = this.start;
  }
}

/** Two batches in turn: one is filled while the other is being written. */
export class BatchPair {
  #filling: SendBatch;
  #spare: SendBatch;
  #isShort = false;

  constructor(capacityBytes: number) {
    this.#filling = new SendBatch(capacityBytes);
    this.#spare = new SendBatch(capacityBytes);
  }

  /** The one to fill; `undefined` while there is none. */
  fillable(): SendBatch | undefined {
    if (this.#filling.isTaken) [this.#filling, this.#spare] = [this.#spare, this.#filling];
    return this.#filling.isTaken ? undefined : this.#filling;
  }

  /** The one to fill with so many bytes more. */
  withRoom(byteCount: number): SendBatch | undefined {
    const batch = this.fillable();
    if (batch !== undefined && batch.roomBytes >= byteCount) return batch;
    this.#isShort = true;
    return undefined;
  }

  /** Whether there was no room since this was asked last. */
  takeShortage(): boolean {
    const isShort = this.#isShort;
    this.#isShort = false;
    return isShort;
  }
}

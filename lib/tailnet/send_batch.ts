/**
 * What is gathered for one write to a socket: a fixed buffer with room in front for a websocket header, so that packets
 * are written, sealed and framed where they will be sent from.
 */
import { MAX_HEADER_BYTES } from "../websocket/mod.ts";

/** Frames a write; 64 KB costs about a fifteenth of the CPU of single-frame writes. */
export const STREAM_BATCH_BYTES = 65_536;
/**
 * A batch is one message in a websocket, and servers read none of 32 KiB or more (coder/websocket read.go
 * `defaultReadLimit`): they close with 1009.
 */
export const MESSAGE_BATCH_BYTES = 32_767;

export class SendBatch {
  readonly buffer: Uint8Array<ArrayBuffer>;
  /** Where the payload begins. */
  readonly start = MAX_HEADER_BYTES;
  /** Where the next byte goes. */
  end = MAX_HEADER_BYTES;

  constructor(capacityBytes: number) {
    this.buffer = new Uint8Array(MAX_HEADER_BYTES + capacityBytes);
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

/**
 * What must leave a yamux session: frames without a body first, then data, one frame per stream in turn.
 * Everything leaves as chunks of whole frames below 32 KiB, the smallest message limit a server has had
 * (`codersdk` websockets up to Coder v2.8, the library's default).
 */
import { FrameType, HEADER_BYTES, writeHeader } from "./frame.ts";
import type { FrameHeader } from "./frame.ts";
import type { ByteQueue } from "./byte_queue.ts";

export const MAX_CHUNK_BYTES = 32 * 1024 - 1;

/** Answers that may wait: a peer that pings or opens streams without reading cannot make more of them. */
export const MAX_WAITING_REPLIES = 1024;

export class TransmitQueue {
  readonly #frames: FrameHeader[] = [];
  readonly #chunk = new Uint8Array(MAX_CHUNK_BYTES);
  #length = 0;

  get waitingFrames(): number {
    return this.#frames.length;
  }

  /** Queues a frame without a body. */
  push(header: FrameHeader): void {
    this.#frames.push(header);
  }

  /** Forgets everything that waits. */
  clear(): void {
    this.#frames.length = 0;
  }

  /** Begins a chunk with the frames that wait; true when there is room for more behind them. */
  begin(): boolean {
    this.#length = 0;
    let taken = 0;
    for (const header of this.#frames) {
      if (!this.hasRoom()) break;
      this.append(header);
      taken++;
    }
    this.#frames.splice(0, taken);
    return this.hasRoom();
  }

  hasRoom(): boolean {
    return this.#length + HEADER_BYTES <= MAX_CHUNK_BYTES;
  }

  /** Appends a frame without a body to the chunk; check `hasRoom` first. */
  append(header: FrameHeader): void {
    writeHeader(this.#chunk, this.#length, header);
    this.#length += HEADER_BYTES;
  }

  /** Appends one Data frame from `source`, at most `maxBytes` of it; the body bytes, 0 when none fit. */
  appendData(streamId: number, source: ByteQueue, maxBytes: number): number {
    const bodyAt = this.#length + HEADER_BYTES;
    if (bodyAt >= MAX_CHUNK_BYTES) return 0;
    const length = source.takeInto(this.#chunk, bodyAt, maxBytes);
    if (length === 0) return 0;
    writeHeader(this.#chunk, this.#length, { type: FrameType.data, flags: 0, streamId, length });
    this.#length = bodyAt + length;
    return length;
  }

  /** A copy of the chunk, or `undefined` when nothing was appended. */
  end(): Uint8Array<ArrayBuffer> | undefined {
    return this.#length === 0 ? undefined : this.#chunk.slice(0, this.#length);
  }
}

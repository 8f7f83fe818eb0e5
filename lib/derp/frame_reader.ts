/**
 * Cuts a byte stream into DERP frames. A frame that is whole inside a chunk is a range of that chunk; only one that
 * crosses chunks is copied, into a buffer that grows with what came. Frames nobody wants are skipped without a copy.
 * Layout: see `frame.ts`. Not here: what payloads mean.
 */
import { DerpError } from "./errors.ts";
import { FRAME_HEADER_BYTES } from "./frame.ts";

const INITIAL_CARRY_BYTES = 2048;
const EMPTY = new Uint8Array(0);

/** What a reader does with a frame of that type: the longest payload it takes, or `SKIP_FRAME` to read and discard it. */
export type FrameLimit = (type: number) => number;

/** As a limit: the frame is discarded. Its length is still bounded by the reader's `maxSkippedBytes`. */
export const SKIP_FRAME = -1;

export interface DerpFrameReaderOptions {
  readonly limit: FrameLimit;
  /** Longest payload of a discarded frame. */
  readonly maxSkippedBytes: number;
}

/** One frame at a time, in the fields, which the next call overwrites. */
export class DerpFrameReader {
  type = 0;
  /** The payload is `bytes[start..end)`: the chunk, or a buffer of the reader's own. */
  bytes: Uint8Array = EMPTY;
  start = 0;
  end = 0;

  readonly #limit: FrameLimit;
  readonly #maxSkippedBytes: number;
  #chunk: Uint8Array = EMPTY;
  #view: DataView = new DataView(EMPTY.buffer);
  #at = 0;
  #carry = new Uint8Array(INITIAL_CARRY_BYTES);
  #carryView = new DataView(this.#carry.buffer);
  #carryBytes = 0;
  #skipBytes = 0;

  constructor(options: DerpFrameReaderOptions) {
    this.#limit = options.limit;
    this.#maxSkippedBytes = options.maxSkippedBytes;
  }

  /** Takes the next chunk, borrowed until `next` returned false. Throws `TypeError` when the last one is not used up. */
  handleBytes(chunk: Uint8Array): void {
    if (this.#at < this.#chunk.length) {
      throw new TypeError("Cannot take a chunk: drain the frames of the last one first");
    }
    this.#chunk = chunk;
    this.#view = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    this.#at = 0;
  }

  /** Drops what is left of the chunk. */
  discard(): void {
    this.#at = this.#chunk.length;
  }

  /** A view of the payload from `from` on; valid until the next `next` or `handleBytes`. */
  payload(from = 0): Uint8Array {
    return this.bytes.subarray(this.start + from, this.end);
  }

  /** Moves to the next whole frame; false when the chunk is used up. Throws `DerpError` for a frame over its limit. */
  next(): boolean {
    for (;;) {
      if (this.#skipBytes > 0 && !this.#skip()) return false;
      if (this.#carryBytes > 0) {
        const outcome = this.#nextCarried();
        if (outcome === "unwanted") continue;
        return outcome === "frame";
      }
      const at = this.#at;
      const available = this.#chunk.length - at;
      if (available < FRAME_HEADER_BYTES) {
        this.#take(available);
        return false;
      }
      const type = this.#view.getUint8(at);
      const length = this.#view.getUint32(at + 1);
      if (!this.#isWanted(type, length)) {
        this.#at += FRAME_HEADER_BYTES;
        this.#skipBytes = length;
        continue;
      }
      if (available < FRAME_HEADER_BYTES + length) {
        this.#take(available);
        return false;
      }
      this.type = type;
      this.bytes = this.#chunk;
      this.start = at + FRAME_HEADER_BYTES;
      this.end = this.#at = this.start + length;
      return true;
    }
  }

  #isWanted(type: number, length: number): boolean {
    const limit = this.#limit(type);
    const isWanted = limit !== SKIP_FRAME;
    const maxBytes = isWanted ? limit : this.#maxSkippedBytes;
    if (length > maxBytes) {
      throw new DerpError(
        `Cannot read DERP frame: type ${type} of ${length} bytes exceeds ${maxBytes}`,
        { code: "frame-too-large", spec: "coder/tailscale derp/derp.go" },
      );
    }
    return isWanted;
  }

  /** Whether all bytes to be skipped were there. */
  #skip(): boolean {
    const skipped = Math.min(this.#skipBytes, this.#chunk.length - this.#at);
    this.#at += skipped;
    this.#skipBytes -= skipped;
    return this.#skipBytes === 0;
  }

  /** Goes on with a frame that began in an earlier chunk. */
  #nextCarried(): "frame" | "unwanted" | "incomplete" {
    this.#take(FRAME_HEADER_BYTES - this.#carryBytes);
    if (this.#carryBytes < FRAME_HEADER_BYTES) return "incomplete";
    const type = this.#carryView.getUint8(0);
    const length = this.#carryView.getUint32(1);
    if (!this.#isWanted(type, length)) {
      this.#carryBytes = 0;
      this.#skipBytes = length;
      return "unwanted";
    }
    this.#take(FRAME_HEADER_BYTES + length - this.#carryBytes);
    if (this.#carryBytes < FRAME_HEADER_BYTES + length) return "incomplete";
    this.#carryBytes = 0;
    this.type = type;
    this.bytes = this.#carry;
    this.start = FRAME_HEADER_BYTES;
    this.end = FRAME_HEADER_BYTES + length;
    return "frame";
  }

  /** Moves at most `count` bytes of the chunk behind what was carried. */
  #take(count: number): void {
    const taken = Math.min(count, this.#chunk.length - this.#at);
    if (taken <= 0) return;
    const filled = this.#carryBytes + taken;
    if (filled > this.#carry.length) {
      const grown = new Uint8Array(Math.max(filled, 2 * this.#carry.length));
      grown.set(this.#carry.subarray(0, this.#carryBytes));
      this.#carry = grown;
      this.#carryView = new DataView(grown.buffer);
    }
    this.#carry.set(this.#chunk.subarray(this.#at, this.#at + taken), this.#carryBytes);
    this.#carryBytes = filled;
    this.#at += taken;
  }
}

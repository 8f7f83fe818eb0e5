/** One of the three ways of a held session's bytes: its sender waits when too much was not taken, its receiver keeps no more than that. */
import { SharingError } from "../sharing/frame.ts";
import { FLOW_BYTES } from "../sharing/session_message.ts";

/** Told in portions, so that small writes do not each have an answer. */
const TELL_BYTES = FLOW_BYTES / 4;
/** Small pieces are kept together. */
const MIN_CHUNK_BYTES = 4_096;

/** At the sender. */
export class Outflow {
  #leftBytes = FLOW_BYTES;
  #isOver = false;
  #wake: (() => void) | undefined;

  /** How many of `wanted` bytes may be sent now, when some may; 0 when nobody takes them any more. One at a time. */
  async take(wanted: number): Promise<number> {
    while (this.#leftBytes === 0 && !this.#isOver) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    if (this.#isOver) return 0;
    const count = Math.min(wanted, this.#leftBytes);
    this.#leftBytes -= count;
    return count;
  }

  /** Throws `SharingError` when more was taken than was sent. */
  handleTaken(count: number): void {
    if (this.#leftBytes + count > FLOW_BYTES) {
      throw new SharingError("More was taken of a session than was sent", { code: "bad-flow" });
    }
    this.#leftBytes += count;
    this.#wake?.();
  }

  end(): void {
    this.#isOver = true;
    this.#wake?.();
  }
}

/** Bytes that came; room behind them for more. */
interface Chunk {
  readonly buffer: Uint8Array;
  start: number;
  end: number;
}

/** At the receiver. */
export class Inflow {
  readonly #tell: (count: number) => void;
  #chunks: Chunk[] = [];
  #heldBytes = 0;
  #untoldBytes = 0;
  #isEnded = false;
  #wake: (() => void) | undefined;

  /** `tell` tells the sender what was taken. */
  constructor(tell: (count: number) => void) {
    this.#tell = tell;
  }

  /** `bytes` are copied. Throws `SharingError` for more than may come. */
  handleData(bytes: Uint8Array): void {
    if (this.#isEnded || bytes.length === 0) return;
    if (this.#heldBytes + this.#untoldBytes + bytes.length > FLOW_BYTES) {
      throw new SharingError("More came of a session than may", { code: "bad-flow" });
    }
    this.#heldBytes += bytes.length;
    let last = this.#chunks.at(-1);
    if (last === undefined || last.buffer.length - last.end < bytes.length) {
      const buffer = new Uint8Array(Math.max(MIN_CHUNK_BYTES, bytes.length));
      last = { buffer, start: 0, end: 0 };
      this.#chunks.push(last);
    }
    last.buffer.set(bytes, last.end);
    last.end += bytes.length;
    this.#wake?.();
  }

  /** No more comes. */
  handleEnd(): void {
    this.#isEnded = true;
    this.#wake?.();
  }

  /** Nobody wants what has come. */
  drop(): void {
    this.#chunks = [];
    this.handleEnd();
  }

  /** As `ByteStream.read`, the end as `null`. */
  async read(into: Uint8Array): Promise<number | null> {
    for (;;) {
      const [chunk] = this.#chunks;
      if (chunk !== undefined) {
        const count = Math.min(into.length, chunk.end - chunk.start);
        into.set(chunk.buffer.subarray(chunk.start, chunk.start + count));
        chunk.start += count;
        if (chunk.start === chunk.end) this.#chunks.shift();
        this.#heldBytes -= count;
        this.#untoldBytes += count;
        if (this.#untoldBytes >= TELL_BYTES && !this.#isEnded) {
          this.#tell(this.#untoldBytes);
          this.#untoldBytes = 0;
        }
        return count;
      }
      if (this.#isEnded) return null;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }
}

/**
 * One yamux stream: its two windows, its two half-closes and what waits in either direction (hashicorp/yamux,
 * spec.md "Streams" and "Flow Control", stream.go `processFlags`, `sendWindowUpdate`, `Close`).
 *
 *   opening ──ACK──▶ open ──our FIN──▶ localClosed ──their FIN──▶ closed
 *      └──────────────┴──their FIN──▶ remoteClosed ──our FIN─────▶ closed        RST from either side: reset
 *
 * The session calls `handle…` for the parts of a frame and `transmit` when it is the stream's turn.
 */
import type { Instant } from "../base/core.ts";
import { Deadlines } from "../base/deadlines.ts";
import { ByteQueue } from "./byte_queue.ts";
import { violation } from "./errors.ts";
import { Flag, FrameType, INITIAL_WINDOW_BYTES } from "./frame.ts";
import { YamuxStream } from "./stream.ts";
import type { ProtocolHalf, YamuxStreamState } from "./stream.ts";
import type { TransmitQueue } from "./transmit_queue.ts";

export type StreamDeadline =
  /** When to give the session up because nobody acknowledged the stream. */
  | "acknowledge"
  /** When to reset a stream that we ended and the peer did not. */
  | "close";

/** What a stream tells its session. */
export interface StreamHost {
  readonly closeTimeoutMs: number;
  /** Something is to be sent: give the stream a turn. */
  wantsTransmit(core: StreamCore): void;
  tellReadable(core: StreamCore): void;
  tellWritable(core: StreamCore): void;
  /** An RST must leave at once. */
  sendReset(core: StreamCore): void;
  /** The stream is over, state `closed` or `reset`: forget it. */
  handleOver(core: StreamCore): void;
}

/** Credit is granted when at least so much was consumed (stream.go `sendWindowUpdate`). */
const CREDIT_THRESHOLD_BYTES = INITIAL_WINDOW_BYTES / 2;
const MAX_WINDOW = 0xffff_ffff;

export class StreamCore implements ProtocolHalf {
  readonly id: number;
  readonly stream: YamuxStream;
  readonly received: ByteQueue = new ByteQueue(INITIAL_WINDOW_BYTES);
  readonly unsent: ByteQueue = new ByteQueue(INITIAL_WINDOW_BYTES);
  readonly deadlines: Deadlines<StreamDeadline> = new Deadlines();
  /** An event of this kind waits to be polled: it is not queued twice. */
  readableQueued = false;
  writableQueued = false;
  readonly #host: StreamHost;
  #state: YamuxStreamState;
  /** Bytes we may still send. */
  #sendWindowBytes = INITIAL_WINDOW_BYTES;
  /** Bytes the peer may still send. */
  #receiveWindowBytes = INITIAL_WINDOW_BYTES;
  /** `closeWrite` was called then; the FIN leaves behind the last queued byte. */
  #finWantedAt: Instant | undefined;
  /** The application wrote less than it wanted: tell it when there is room. */
  #isWriteBlocked = false;

  constructor(id: number, state: "opening" | "open", host: StreamHost) {
    this.id = id;
    this.#state = state;
    this.#host = host;
    this.stream = new YamuxStream(this);
  }

  get state(): YamuxStreamState {
    return this.#state;
  }

  get canWrite(): boolean {
    return this.#finWantedAt === undefined &&
      (this.#state === "opening" || this.#state === "open" || this.#state === "remoteClosed");
  }

  write(bytes: Uint8Array): number {
    if (!this.canWrite) return 0;
    const count = Math.min(bytes.length, this.unsent.writableBytes);
    this.unsent.push(bytes.subarray(0, count));
    this.#isWriteBlocked = count < bytes.length;
    if (count > 0) this.#host.wantsTransmit(this);
    return count;
  }

  closeWrite(now: Instant): void {
    if (!this.canWrite) return;
    this.#finWantedAt = now;
    this.#host.wantsTransmit(this);
  }

  reset(): void {
    if (this.#isOver) return;
    this.#host.sendReset(this);
    this.#enter("reset");
  }

  /** The session ended under the stream. */
  abandon(): void {
    if (!this.#isOver) this.#enter("reset");
  }

  handleAck(): void {
    if (this.#state === "opening") this.#enter("open");
  }

  handleReset(): void {
    this.#enter("reset");
  }

  /** The peer grants more window. Throws `YamuxError` when it is more than a window can be. */
  handleCredit(incrementBytes: number): void {
    if (this.#sendWindowBytes + incrementBytes > MAX_WINDOW) {
      throw violation("window-overflow", `window of stream ${this.id} exceeds ${MAX_WINDOW}`);
    }
    this.#sendWindowBytes += incrementBytes;
    if (this.unsent.length > 0) this.#host.wantsTransmit(this);
  }

  /** A body of `lengthBytes` follows. Throws `YamuxError` when the peer may not send it. */
  handleBodyHeader(lengthBytes: number): void {
    if (this.#state === "remoteClosed") {
      throw violation("unexpected-flag", `data on stream ${this.id} behind its FIN`);
    }
    if (lengthBytes > this.#receiveWindowBytes) {
      const window = this.#receiveWindowBytes;
      throw violation(
        "window-exceeded",
        `${lengthBytes} bytes on stream ${this.id}, window ${window}`,
      );
    }
    this.#receiveWindowBytes -= lengthBytes;
  }

  /** A piece of a body, copied. */
  handleBody(bytes: Uint8Array): void {
    if (this.#isOver) return; // reset while the body was under way
    this.received.push(bytes);
    this.#host.tellReadable(this);
  }

  /** Throws `YamuxError` for a second FIN, which a Go peer takes for the end of the session (stream.go `processFlags`). */
  handleFin(): void {
    if (this.#isOver) return;
    if (this.#state === "remoteClosed") {
      throw violation("unexpected-flag", `second FIN on stream ${this.id}`);
    }
    this.#host.tellReadable(this);
    this.#enter(this.#state === "localClosed" ? "closed" : "remoteClosed");
  }

  /** The application has read: credit may be due. */
  handleConsumed(): void {
    if (this.#creditBytes >= CREDIT_THRESHOLD_BYTES) this.#host.wantsTransmit(this);
  }

  /** Puts what fits into the chunk under way; true when the stream needs another turn. */
  transmit(queue: TransmitQueue): boolean {
    const credit = this.#creditBytes;
    if (credit >= CREDIT_THRESHOLD_BYTES) {
      this.#receiveWindowBytes += credit;
      queue.append({ type: FrameType.windowUpdate, flags: 0, streamId: this.id, length: credit });
    }
    const sentBytes = queue.appendData(this.id, this.unsent, this.#sendWindowBytes);
    this.#sendWindowBytes -= sentBytes;
    if (sentBytes > 0 && this.#isWriteBlocked) {
      this.#isWriteBlocked = false;
      this.#host.tellWritable(this);
    }
    if (this.unsent.length > 0) return this.#sendWindowBytes > 0;
    if (this.#finWantedAt === undefined) return false;
    if (!queue.hasRoom()) return true;
    this.#transmitFin(queue, this.#finWantedAt);
    return false;
  }

  /** Exactly one FIN: the states that follow are none in which one is due. */
  #transmitFin(queue: TransmitQueue, wantedAt: Instant): void {
    if (this.#isOver || this.#state === "localClosed") return;
    queue.append({ type: FrameType.windowUpdate, flags: Flag.fin, streamId: this.id, length: 0 });
    if (this.#state === "remoteClosed") {
      this.#enter("closed");
    } else {
      this.#enter("localClosed");
      this.deadlines.set("close", wantedAt + this.#host.closeTimeoutMs);
    }
  }

  get #isOver(): boolean {
    return this.#state === "closed" || this.#state === "reset";
  }

  /** What the peer may be granted: the window less what it still has and what waits to be read. */
  get #creditBytes(): number {
    if (this.#state === "remoteClosed" || this.#isOver) return 0; // it will send no more
    return INITIAL_WINDOW_BYTES - this.received.length - this.#receiveWindowBytes;
  }

  #enter(next: YamuxStreamState): void {
    this.#state = next;
    // Any answer, and our own end, stop the wait for the acknowledgement (session.go `establishStream`, stream.go `Close`).
    this.deadlines.clear("acknowledge");
    if (!this.#isOver) return;
    this.deadlines.clearAll();
    this.unsent.clear();
    if (next === "reset") this.received.clear();
    this.#host.handleOver(this);
  }
}

/** The application's half of a yamux stream: read, write, half-close, reset. `stream_core.ts` is the protocol's half. */
import type { Instant } from "../base/core.ts";
import { INITIAL_WINDOW_BYTES } from "./frame.ts";
import type { ByteQueue } from "./byte_queue.ts";

export type YamuxStreamState =
  | "opening"
  | "open"
  | "localClosed"
  | "remoteClosed"
  | "closed"
  | "reset";

/** What the application's half asks of the protocol's half. */
export interface ProtocolHalf {
  readonly id: number;
  readonly state: YamuxStreamState;
  readonly canWrite: boolean;
  readonly received: ByteQueue;
  readonly unsent: ByteQueue;
  /** The application has read: credit may be due. */
  handleConsumed(): void;
  write(bytes: Uint8Array): number;
  closeWrite(now: Instant): void;
  reset(): void;
}

/** Made by the session only. */
export class YamuxStream {
  readonly id: number;
  /** Free for the owner. */
  tag: unknown = undefined;
  readonly #core: ProtocolHalf;

  constructor(core: ProtocolHalf) {
    this.id = core.id;
    this.#core = core;
  }

  get state(): YamuxStreamState {
    return this.#core.state;
  }

  /** Bytes that `read` would give now. */
  get readableBytes(): number {
    return this.#core.received.length;
  }

  /** Bytes that `write` would take now. */
  get writableBytes(): number {
    return this.#core.canWrite ? this.#core.unsent.writableBytes : 0;
  }

  /** Whether the peer's FIN was reached: nothing is left before it. */
  get isReadEnded(): boolean {
    const { state, received } = this.#core;
    return (state === "remoteClosed" || state === "closed") && received.length === 0;
  }

  /** A copy of what has arrived, at most `maxBytes`; empty when nothing has. Gives the peer credit for it. */
  read(maxBytes: number = INITIAL_WINDOW_BYTES): Uint8Array<ArrayBuffer> {
    const taken = this.#core.received.take(maxBytes);
    if (taken.length > 0) this.#core.handleConsumed();
    return taken;
  }

  /** Copies `bytes` into the send buffer as far as they fit; the count. 0 on a stream that can send no more. */
  write(bytes: Uint8Array): number {
    return this.#core.write(bytes);
  }

  /** Half-close: FIN behind what was written. Reading goes on. Idempotent. */
  closeWrite(now: Instant): void {
    this.#core.closeWrite(now);
  }

  /** Ends both directions at once (RST); what was not sent is dropped. Idempotent. */
  reset(): void {
    this.#core.reset();
  }
}

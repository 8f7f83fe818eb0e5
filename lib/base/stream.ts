/**
 * A byte stream as the rooms above the network see it: pull to read, await to write, half-close by itself.
 * Backpressure is real: what is not read closes the sender's window, `write` resolves when the bytes were taken.
 */
import { ExpectedError } from "./errors.ts";

/** What the reset of a TCP connection inside the tunnel says. */
export const RESET_BY_PEER = "Connection reset by peer";

/** Why a stream ended. */
export type StreamEnd =
  /** Both directions ended in order. */
  | { readonly kind: "closed" }
  /** The peer reset the stream. */
  | { readonly kind: "reset"; readonly message: string }
  /** We gave the stream up. */
  | { readonly kind: "aborted"; readonly message: string }
  /** The network under the stream is gone for good. */
  | { readonly kind: "lost"; readonly message: string };

export interface ByteStream {
  /**
   * Reads at most `into.length` bytes into `into`, which is borrowed until the promise settles.
   * Resolves to the count, or `null` at the end of the stream; rejects with `StreamError` when it broke.
   * One read at a time.
   */
  read(into: Uint8Array): Promise<number | null>;
  /**
   * Writes all of `bytes`, borrowed until the promise settles; resolves when every byte was taken into the send buffer.
   * Rejects with `StreamError` when the stream broke. One write at a time.
   */
  write(bytes: Uint8Array): Promise<void>;
  /** Half-close: the peer reads the end after what was written (FIN). Reading goes on. Idempotent. */
  closeWrite(): Promise<void>;
  /** Ends both directions at once (RST). Idempotent. */
  abort(message?: string): void;
  /** Resolves once, when the stream is over in both directions; never rejects. */
  readonly closed: Promise<StreamEnd>;
  /** The least time from here to the other end and back that was measured on the present way, in ms; `undefined` when nobody measures. */
  readonly roundTripMs?: number | undefined;
}

/** A stream broke; `end` says how. */
export class StreamError extends ExpectedError {
  override name = "StreamError";
  readonly end: StreamEnd;

  constructor(end: StreamEnd) {
    super(end.kind === "closed" ? "Stream is closed" : end.message);
    this.end = end;
  }
}

/**
 * A client's websocket as two streams of bytes: messages mean nothing, what is sent leaves in binary ones (RFC 6455 §5.6), and a
 * server that fell silent is asked (§5.5.2) and given up. A core. What arrives is kept until it is read, within a bound: whoever
 * drives it reads the connection only while there is room. Half of such a socket cannot be closed, only all of it.
 */
import type { Core, Instant, Random } from "../base/core.ts";
import { Deadlines } from "../base/deadlines.ts";
import { CloseCode } from "./close.ts";
import { WebsocketConnection } from "./connection.ts";
import { encodeFrame } from "./frame.ts";

/** How the socket ended. */
export type ByteSocketEnd =
  /** The server closed it; 1005 when it gave no code. */
  | { readonly kind: "closed"; readonly code: number; readonly reason: string }
  /** It answered nothing any more, for so long. */
  | { readonly kind: "silent"; readonly lastedMs: number };

export interface ByteSocketEvent {
  readonly kind: "ended";
  readonly end: ByteSocketEnd;
}

/** Of bytes that nobody has read: beyond it no more are to be taken in. One chunk may lie above. */
const MAX_UNREAD_BYTES = 256 * 1024;
/** Some servers take no longer messages than 32 KiB. */
const MAX_MESSAGE_BYTES = 16 * 1024;
/** After so long a silence the server is asked, and then has as long to answer. */
const ASK_AFTER_MS = 10_000;
const ANSWER_MS = 10_000;

/** silence: When to act on nothing having arrived. */
type Timer = "silence";

export class ByteSocket implements Core<ByteSocketEvent> {
  readonly #random: Random;
  readonly #websocket: WebsocketConnection;
  readonly #deadlines = new Deadlines<Timer>();
  /** What was not read lies in it from `#start` to `#filled`. */
  #buffer = new Uint8Array(0);
  #start = 0;
  #filled = 0;
  #heardAt: Instant;
  #isAsked = false;
  #end: ByteSocketEnd | undefined;
  #isTold = false;

  constructor(random: Random, now: Instant) {
    this.#random = random;
    this.#websocket = new WebsocketConnection({ role: "client", random, stream: true });
    this.#heardAt = now;
    this.#deadlines.set("silence", now + ASK_AFTER_MS);
  }

  /** Whether more may be taken in. */
  get hasRoom(): boolean {
    return this.#filled - this.#start < MAX_UNREAD_BYTES;
  }

  /** Takes in the next chunk of the connection, borrowed and unmasked in place. Throws `WebsocketError`. */
  handleBytes(chunk: Uint8Array, now: Instant): void {
    if (this.#end !== undefined) return;
    this.#heardAt = now;
    this.#isAsked = false;
    this.#websocket.handleBytes(chunk);
    for (let m = this.#websocket.pollMessage(); m; m = this.#websocket.pollMessage()) {
      if (m.kind === "close") return this.#finish({ ...m, kind: "closed" });
      if (m.kind !== "pong") this.#keep(m.bytes);
    }
  }

  /** Reads what has arrived; 0 when nothing is there. What came before the end can still be read after it. */
  read(into: Uint8Array): number {
    const count = Math.min(into.length, this.#filled - this.#start);
    into.set(this.#buffer.subarray(this.#start, this.#start + count));
    this.#start += count;
    if (this.#start === this.#filled) this.#start = this.#filled = 0;
    return count;
  }

  /** The frames in which `bytes` leave, to be sent in order; none once the socket is over. */
  write(bytes: Uint8Array): Uint8Array[] {
    const frames: Uint8Array[] = [];
    if (!this.#websocket.canSend) return frames;
    for (let at = 0; at < bytes.length; at += MAX_MESSAGE_BYTES) {
      const piece = bytes.subarray(at, at + MAX_MESSAGE_BYTES);
      frames.push(encodeFrame({ role: "client", random: this.#random }, piece));
    }
    return frames;
  }

  /** Says goodbye. Idempotent. */
  close(): void {
    this.#websocket.close(CloseCode.normal);
    this.#deadlines.clearAll();
  }

  handleTimeout(now: Instant): void {
    if (this.#deadlines.pop(now) === undefined) return;
    if (!this.hasRoom) {
      // We read nothing: what it has said lies before us.
      this.#heardAt = now;
      this.#isAsked = false;
    }
    const askAt = this.#heardAt + ASK_AFTER_MS;
    if (this.#isAsked) {
      this.#finish({ kind: "silent", lastedMs: now - this.#heardAt });
    } else if (askAt > now) {
      this.#deadlines.set("silence", askAt);
    } else {
      this.#isAsked = true;
      this.#websocket.ping();
      this.#deadlines.set("silence", now + ANSWER_MS);
    }
  }

  /** A frame of the protocol's own that must leave; `undefined` when there is none. */
  pollTransmit(): Uint8Array | undefined {
    return this.#websocket.pollTransmit();
  }

  pollEvent(): ByteSocketEvent | undefined {
    if (this.#end === undefined || this.#isTold) return undefined;
    this.#isTold = true;
    return { kind: "ended", end: this.#end };
  }

  pollTimeout(): Instant | undefined {
    return this.#deadlines.next();
  }

  #keep(bytes: Uint8Array): void {
    const unread = this.#filled - this.#start;
    const needed = unread + bytes.length;
    if (this.#filled + bytes.length > this.#buffer.length) {
      const target = needed > this.#buffer.length ? new Uint8Array(2 * needed) : this.#buffer;
      target.set(this.#buffer.subarray(this.#start, this.#filled));
      this.#buffer = target;
      this.#start = 0;
      this.#filled = unread;
    }
    this.#buffer.set(bytes, this.#filled);
    this.#filled += bytes.length;
  }

  #finish(end: ByteSocketEnd): void {
    this.#end = end;
    this.#deadlines.clearAll();
  }
}

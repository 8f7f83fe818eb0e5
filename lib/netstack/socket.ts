/**
 * A TCP socket as its owner sees it: bytes in, bytes out, half-close, abort. Synchronous; nothing here waits.
 * Whether something may have to leave afterwards is told to the stack.
 */
import type { Instant } from "../base/core.ts";
import type { StreamEnd } from "../base/stream.ts";
import { queueLimit } from "./acknowledge.ts";
import { Connection } from "./connection.ts";
import { Debt } from "./owed.ts";
import { canWrite, isSynchronized, type TcpState } from "./state.ts";
import type { Tcb } from "./tcb.ts";

/** What a socket needs of its stack. */
export interface SocketHost {
  /** Should be called after anything that may let a packet leave or a state change. */
  touch(socket: TcpSocket): void;
  /** Sends a reset for the connection as it stands. */
  sendReset(tcb: Tcb): void;
}

export class TcpSocket {
  /** For the owner's use; the stack does not look at it. */
  tag?: unknown;
  readonly #connection: Connection<TcpSocket>;
  readonly #tcb: Tcb;
  readonly #host: SocketHost;

  constructor(tcb: Tcb, host: SocketHost) {
    this.#connection = new Connection(tcb);
    this.#tcb = tcb;
    this.#host = host;
  }

  /** What is behind a socket. For this room alone, which hands out the type only. */
  static connectionOf(socket: TcpSocket): Connection<TcpSocket> {
    return socket.#connection;
  }

  /** 16 bytes; do not change them. */
  get remoteAddress(): Uint8Array {
    return this.#tcb.endpoints.remoteAddress;
  }

  get localAddress(): Uint8Array {
    return this.#tcb.endpoints.localAddress;
  }

  get remotePort(): number {
    return this.#tcb.endpoints.remotePort;
  }

  get localPort(): number {
    return this.#tcb.endpoints.localPort;
  }

  get state(): TcpState {
    return this.#tcb.state;
  }

  /** Bytes `read` would give. They stay readable after the connection ended, however it did. */
  get readableBytes(): number {
    return this.#tcb.receive.readableBytes;
  }

  /** Bytes `write` would take. Follows the congestion window; after a short write, "writable" says when to go on. */
  get writableBytes(): number {
    const tcb = this.#tcb;
    if (tcb.snd.finQueued || !canWrite(tcb.state)) return 0;
    return Math.max(0, queueLimit(tcb) - tcb.snd.ring.length);
  }

  /** Whether the peer's FIN arrived and everything before it was read. */
  get isReadEnded(): boolean {
    return this.#tcb.receive.isFinConsumed && this.#tcb.receive.readableBytes === 0;
  }

  /** How the connection ended; set with the "closed" event, for whoever still reads or writes. */
  get end(): StreamEnd | undefined {
    return this.#tcb.end;
  }

  /** When the peer was last heard of, by any acceptable segment. */
  get lastHeardAt(): Instant {
    return this.#tcb.lastHeardAt;
  }

  /** Smoothed round-trip time in ms; `undefined` before the first sample. */
  get rttMs(): number | undefined {
    return this.#tcb.rtt.hasSample ? this.#tcb.rtt.srttMs : undefined;
  }

  /** Least round-trip time on the present path in ms; `undefined` before the first sample. */
  get minRttMs(): number | undefined {
    const { minMs } = this.#tcb.rtt;
    return minMs === Infinity ? undefined : minMs;
  }

  /** Moves what has arrived into `into`; returns the count, 0 when nothing is there. */
  read(into: Uint8Array, _now: Instant): number {
    const tcb = this.#tcb;
    tcb.news.handleRead();
    const count = tcb.receive.read(into);
    if (count > 0 && isSynchronized(tcb.state) && tcb.receive.isWindowUpdateDue()) {
      tcb.owed.owe(Debt.ack);
      this.#host.touch(this);
    }
    return count;
  }

  /**
   * Queues bytes, copied; returns how many were taken. Before the handshake ends they wait.
   * Throws `TypeError` after `shutdownWrite`; takes nothing once the connection has ended.
   */
  write(bytes: Uint8Array, _now: Instant): number {
    const tcb = this.#tcb;
    if (tcb.snd.finQueued) throw new TypeError("Cannot write: the write side was shut down");
    const taken = tcb.snd.ring.append(bytes, this.writableBytes);
    if (taken < bytes.length) tcb.news.handleShortWrite();
    if (taken > 0) this.#host.touch(this);
    return taken;
  }

  /** Ends our direction with a FIN behind what was written (RFC 9293 §3.10.4). Reading goes on. Idempotent. */
  shutdownWrite(now: Instant): void {
    const tcb = this.#tcb;
    if (tcb.snd.finQueued || tcb.state === "closed") return;
    tcb.snd.finQueued = true;
    if (tcb.state === "established") tcb.enter("fin-wait-1", now);
    else if (tcb.state === "close-wait") tcb.enter("last-ack", now);
    this.#host.touch(this);
  }

  /** Ends both directions at once with a reset (RFC 9293 §3.10.5). Idempotent. */
  abort(now: Instant): void {
    const tcb = this.#tcb;
    if (tcb.state === "closed") return;
    if (tcb.state !== "syn-sent" && tcb.state !== "time-wait") this.#host.sendReset(tcb);
    tcb.close({ kind: "aborted", message: "Connection aborted" }, now);
    this.#host.touch(this);
  }
}

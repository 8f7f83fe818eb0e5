/** What the stack has to tell its owner: at most one entry for each socket and kind, so nothing here grows with traffic. */
import { assertNever } from "../base/core.ts";
import type { NetstackCounters } from "./counters.ts";
import { Fifo } from "./fifo.ts";
import { MAX_PONGS } from "./limits.ts";
import { SocketEvent } from "./owner_news.ts";
import { TcpSocket } from "./socket.ts";

export type NetstackEvent =
  /** A connection we opened, or a held one that was accepted, is established. */
  | { readonly kind: "connected"; readonly socket: TcpSocket }
  /** Bytes, or the end of them, may be read. Not told again before `read` was called. */
  | { readonly kind: "readable"; readonly socket: TcpSocket }
  /** After a short write: there is room again. */
  | { readonly kind: "writable"; readonly socket: TcpSocket }
  /** The connection is over; `socket.end` says how. Comes last. What arrived before can still be read. */
  | { readonly kind: "closed"; readonly socket: TcpSocket }
  /** A listener's connection is established; or, in state "syn-held", "any" got a SYN to accept or refuse. */
  | { readonly kind: "accepted"; readonly socket: TcpSocket; readonly port: number }
  /** The answer to a TSMP ping: its 8 bytes, and the 16 of who sent it. */
  | { readonly kind: "pong"; readonly data: Uint8Array; readonly from: Uint8Array };

export class EventQueue {
  readonly #counters: NetstackCounters;
  readonly #sockets = new Fifo<TcpSocket>();
  readonly #pongs = new Fifo<NetstackEvent>();

  constructor(counters: NetstackCounters) {
    this.#counters = counters;
  }

  /** Should be called after anything that may have given a socket something to tell. */
  note(socket: TcpSocket): void {
    const connection = TcpSocket.connectionOf(socket);
    if (connection.tcb.news.isNothing || connection.isEventQueued) return;
    connection.isEventQueued = true;
    this.#sockets.push(socket);
  }

  addPong(data: Uint8Array, from: Uint8Array): void {
    if (this.#pongs.length >= MAX_PONGS) this.#counters.drop("pongs-full");
    else this.#pongs.push({ kind: "pong", data, from });
  }

  poll(): NetstackEvent | undefined {
    if (this.#pongs.length > 0) return this.#pongs.shift();
    const socket = this.#sockets.peek();
    if (socket === undefined) return undefined;
    const connection = TcpSocket.connectionOf(socket);
    const { news } = connection.tcb;
    const event = news.take();
    if (news.isNothing) {
      connection.isEventQueued = false;
      this.#sockets.shift();
    }
    return event === undefined ? this.poll() : describe(event, socket);
  }
}

function describe(event: SocketEvent, socket: TcpSocket): NetstackEvent {
  switch (event) {
    case SocketEvent.accepted:
      return { kind: "accepted", socket, port: socket.localPort };
    case SocketEvent.connected:
      return { kind: "connected", socket };
    case SocketEvent.readable:
      return { kind: "readable", socket };
    case SocketEvent.writable:
      return { kind: "writable", socket };
    case SocketEvent.closed:
      return { kind: "closed", socket };
    default:
      return assertNever(event);
  }
}

/**
 * What the stack has to tell its owner: at most one entry for each socket and kind, so nothing there grows with traffic; pongs
 * and datagrams are counted.
 */
import { assertNever } from "../base/core.ts";
import { UDP_HEADER_BYTES } from "../wire/udp.ts";
import type { NetstackCounters } from "./counters.ts";
import { Fifo } from "./fifo.ts";
import { MAX_DATAGRAM_EVENT_BYTES, MAX_PONGS } from "./limits.ts";
import { SocketEvent } from "./owner_news.ts";
import { TcpSocket } from "./socket.ts";
import type { UdpFlow } from "./udp_flow.ts";

export type NetstackEvent = SocketNews | PeerNews;

/** What happened to one TCP socket. */
export type SocketNews =
  /** A connection we opened, or a held one that was accepted, is established. */
  | { readonly kind: "connected"; readonly socket: TcpSocket }
  /** Bytes, or the end of them, may be read. Not told again before `read` was called. */
  | { readonly kind: "readable"; readonly socket: TcpSocket }
  /** After a short write: there is room again. */
  | { readonly kind: "writable"; readonly socket: TcpSocket }
  /** The connection is over; `socket.end` says how. Comes last. What arrived before can still be read. */
  | { readonly kind: "closed"; readonly socket: TcpSocket }
  /** A listener's connection is established; or, in state "syn-held", "any" got a SYN to accept or refuse. */
  | { readonly kind: "accepted"; readonly socket: TcpSocket; readonly port: number };

/** What came from a peer and belongs to no TCP socket. */
export type PeerNews =
  /** One UDP datagram. Of a flow that the owner did not open and has not heard of, it is the first. */
  | { readonly kind: "datagram"; readonly flow: UdpFlow; readonly data: Uint8Array }
  /** The answer to a TSMP ping: its 8 bytes, and the 16 of who sent it. */
  | { readonly kind: "pong"; readonly data: Uint8Array; readonly from: Uint8Array };

export class EventQueue {
  readonly #counters: NetstackCounters;
  readonly #sockets = new Fifo<TcpSocket>();
  readonly #pongs = new Fifo<NetstackEvent>();
  readonly #datagrams = new Fifo<Extract<NetstackEvent, { kind: "datagram" }>>();
  #datagramBytes = 0;

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

  /** Whether a datagram with so long a payload may be told. */
  hasRoomFor(payloadBytes: number): boolean {
    return this.#datagramBytes + UDP_HEADER_BYTES + payloadBytes <= MAX_DATAGRAM_EVENT_BYTES;
  }

  /** Should be called when `hasRoomFor` it; `data` is kept. */
  addDatagram(flow: UdpFlow, data: Uint8Array): void {
    this.#datagramBytes += UDP_HEADER_BYTES + data.length;
    this.#datagrams.push({ kind: "datagram", flow, data });
  }

  poll(): NetstackEvent | undefined {
    if (this.#pongs.length > 0) return this.#pongs.shift();
    const datagram = this.#datagrams.shift();
    if (datagram !== undefined) {
      this.#datagramBytes -= UDP_HEADER_BYTES + datagram.data.length;
      return datagram;
    }
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

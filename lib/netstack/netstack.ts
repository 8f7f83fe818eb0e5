/**
 * The stack: TCP over IPv6 for a few addresses, answers to TSMP pings and ICMPv6 echoes, resets for what nobody
 * expects. Demultiplexing is in `socket_table.ts`, one connection in `tcb.ts` and the files it names.
 * An owner with several ways out polls by destination: `pollReply` until `undefined`, then `pollTransmit` for each of
 * `nextDestination`. What is not polled stays with its socket, and costs nothing.
 *
 * Methods are of four kinds. `handle…`: a packet arrived, a deadline passed. `poll…`: packets, events and the next
 * deadline. Plain verbs: what the owner wants. Getters. After any `handle…` or verb, call `pollTransmit` until 0, then
 * `pollEvent` until `undefined`, then arm a timer for `pollTimeout`. ACKs leave with the first `pollTransmit` after
 * their data: a batch of packets handed in together is acknowledged once, and nothing is ever delayed.
 *
 * Left out: UDP, fragments, extension headers, neighbour discovery, path MTU discovery (the tunnel has one MTU).
 */
import { assertLength, equalBytes, toHex } from "../base/bytes.ts";
import { type Core, type Instant, type Random, randomUint32 } from "../base/core.ts";
import { seqGt } from "../base/seq.ts";
import {
  addressAt,
  IPV6_ADDRESS_BYTES,
  IPV6_DESTINATION_OFFSET,
  IPV6_HEADER_BYTES,
  IPV6_SOURCE_OFFSET,
  Ipv6Header,
  isAddressAt,
  isMulticastAt,
  NextHeader,
  parseIpv6,
} from "../wire/ipv6.ts";
import { isTcpIntact, parseTcp, TcpFlag } from "../wire/tcp.ts";
import { NetstackCounters } from "./counters.ts";
import { Destination } from "./destination.ts";
import { EventQueue, type NetstackEvent } from "./events.ts";
import { beginAccept, beginConnect, completeHeld } from "./handshake.ts";
import { IncomingSegment } from "./incoming.ts";
import { MAX_BACKLOG, MAX_SOCKETS } from "./limits.ts";
import {
  type ConnectOptions,
  type NetstackOptions,
  resolveOptions,
  withConnectOptions,
} from "./options.ts";
import { handleSegment } from "./receive.ts";
import { Replies } from "./replies.ts";
import { type SocketHost, TcpSocket } from "./socket.ts";
import { SocketTable } from "./socket_table.ts";
import { type Endpoints, Tcb, type TcbOptions } from "./tcb.ts";
import { handlePathChange, handleTimers, resume } from "./timeouts.ts";
import { transmit, type TransmitTarget } from "./transmit.ts";
import { Pings } from "./pings.ts";
import { ViewCache } from "./view_cache.ts";

export class Netstack implements Core<NetstackEvent> {
  readonly counters = new NetstackCounters();
  readonly #addresses: readonly Uint8Array[];
  readonly #random: Random;
  readonly #options: TcbOptions;
  readonly #table = new SocketTable();
  readonly #listeners = new Set<number>();
  #isForwarding = false;
  #backlog = 0;
  readonly #replies = new Replies(this.counters);
  readonly #events = new EventQueue(this.counters);
  readonly #pings: Pings;
  /** By address. */
  readonly #destinations = new Map<string, Destination<TcpSocket>>();
  /** Those with sockets that may have something to send, the next in turn first. */
  readonly #waiting = new Set<Destination<TcpSocket>>();
  readonly #host: SocketHost = {
    touch: (socket) => this.#touch(socket),
    sendReset: (tcb) => this.#replies.resetConnection(tcb),
  };
  #now: Instant = 0;

  // Scratch of the packet at hand.
  readonly #inViews = new ViewCache();
  readonly #outViews = new ViewCache();
  readonly #ip = new Ipv6Header();
  readonly #segment = new IncomingSegment();
  readonly #target: TransmitTarget = {
    view: this.#outViews.of(new Uint8Array(0)),
    offset: 0,
    now: 0,
  };

  /** Throws `RangeError` for no or malformed addresses and for options out of range. Addresses are copied. */
  constructor(options: NetstackOptions) {
    if (options.addresses.length === 0) throw new RangeError("Cannot build netstack: no addresses");
    for (const address of options.addresses) assertLength(address, IPV6_ADDRESS_BYTES, "address");
    this.#addresses = options.addresses.map((address) => new Uint8Array(address));
    this.#random = options.random;
    this.#pings = new Pings({
      source: this.#addresses[0] ?? new Uint8Array(IPV6_ADDRESS_BYTES),
      replies: this.#replies,
      events: this.#events,
      counters: this.counters,
    });
    this.#options = resolveOptions(options);
  }

  /** Sockets in any state but closed. */
  get socketCount(): number {
    return this.#table.size;
  }

  /** Takes one IPv6 packet, borrowed for the call. Never throws; what is of no use is counted in `counters`. */
  handlePacket(packet: Uint8Array, now: Instant): void {
    this.#now = now;
    this.counters.packetsIn++;
    const view = this.#inViews.of(packet);
    const offset = packet.byteOffset;
    const reason = parseIpv6(view, offset, packet.length, this.#ip);
    if (reason !== undefined) return this.counters.drop(reason);
    if (!this.#isOurs(view, offset)) return this.counters.drop("not-for-us");
    switch (this.#ip.nextHeader) {
      case NextHeader.tcp:
        return this.#handleTcp(view, offset, now);
      case NextHeader.tsmp:
        return this.#pings.handleTsmp(view, offset, this.#ip.payloadBytes);
      case NextHeader.icmpv6:
        return this.#pings.handleIcmpv6(view, offset, this.#ip.payloadBytes);
      default:
        return this.counters.drop("unknown-protocol");
    }
  }

  /** A complete packet that belongs to no socket, e.g. a reset; the caller's from then on. */
  pollReply(): Uint8Array | undefined {
    const reply = this.#replies.shift();
    if (reply !== undefined) this.counters.packetsOut++;
    return reply;
  }

  /** Destinations that something may wait for. */
  get waitingDestinations(): number {
    return this.#waiting.size;
  }

  /** The destination whose turn it is; the next call gives the next one, and so on in a circle. */
  nextDestination(): Destination<TcpSocket> | undefined {
    for (const destination of this.#waiting) {
      this.#waiting.delete(destination);
      this.#waiting.add(destination);
      return destination;
    }
    return undefined;
  }

  /**
   * Writes the next IPv6 packet into `into` at `offset`, which needs room for the MTU; returns its length, or 0 when
   * nothing must leave now. Sockets take turns, a packet each. Without `to` it may lead anywhere, replies included.
   */
  pollTransmit(
    into: Uint8Array,
    offset: number,
    now: Instant,
    to?: Destination<TcpSocket>,
  ): number {
    this.#now = now;
    const room = into.length - offset;
    if (room < this.#options.mtuBytes) {
      throw new RangeError(
        `Cannot write packet: room ${room} is below MTU ${this.#options.mtuBytes}`,
      );
    }
    this.#target.view = this.#outViews.of(into);
    this.#target.offset = into.byteOffset + offset;
    this.#target.now = now;
    if (to !== undefined) return this.#transmitTo(to);
    const reply = this.pollReply();
    if (reply === undefined) return this.#transmitAnywhere();
    into.set(reply, offset);
    return reply.length;
  }

  /** Does what is due at `now`. */
  handleTimeout(now: Instant): void {
    this.#now = now;
    for (const socket of this.#table.all()) {
      if (socket.tcb.timers.next() > now) continue;
      handleTimers(socket.tcb, now);
      this.#touch(socket);
    }
  }

  /** When to call `handleTimeout` next, or `undefined` for never. */
  pollTimeout(): Instant | undefined {
    let earliest = Infinity;
    for (const socket of this.#table.all()) {
      const at = socket.tcb.timers.next();
      if (at < earliest) earliest = at;
    }
    return earliest === Infinity ? undefined : earliest;
  }

  /** What happened since the last call, or `undefined`. "closed" comes last for a socket. */
  pollEvent(): NetstackEvent | undefined {
    return this.#events.poll();
  }

  /**
   * Opens a connection; "connected" or "closed" tells how it went. Bytes may be written at once and wait.
   * Throws `RangeError` when every socket or port is taken, or for an address that is none.
   */
  connect(options: ConnectOptions, now: Instant): TcpSocket {
    this.#now = now;
    assertLength(options.remote, IPV6_ADDRESS_BYTES, "remote");
    const local = options.local ?? this.#addresses[0] ?? new Uint8Array(IPV6_ADDRESS_BYTES);
    assertLength(local, IPV6_ADDRESS_BYTES, "local");
    if (this.#table.size >= MAX_SOCKETS) {
      throw new RangeError(`Cannot connect: ${MAX_SOCKETS} sockets are in use`);
    }
    const localPort = this.#table.freePort(options.port, this.#random, now);
    if (localPort === 0) throw new RangeError(`Cannot connect: no free port for ${options.port}`);
    const endpoints = {
      localAddress: new Uint8Array(local),
      remoteAddress: new Uint8Array(options.remote),
      localPort,
      remotePort: options.port,
    };
    const tcbOptions = withConnectOptions(this.#options, options);
    const tcb = new Tcb("syn-sent", endpoints, tcbOptions, this.counters);
    beginConnect(tcb, randomUint32(this.#random));
    return this.#adopt(tcb);
  }

  /** Takes connections to a port; "any" takes those to every port without a listener of its own, but holds them. */
  listen(port: number | "any"): void {
    if (port === "any") this.#isForwarding = true;
    else this.#listeners.add(port);
  }

  /** Ends listening; sockets that were accepted stay. */
  unlisten(port: number | "any"): void {
    if (port === "any") this.#isForwarding = false;
    else this.#listeners.delete(port);
  }

  /** Answers a held SYN ("accepted" with state "syn-held"); "connected" follows when the handshake is over. */
  accept(socket: TcpSocket, now: Instant): void {
    this.#now = now;
    completeHeld(socket.tcb, now);
    this.#touch(socket);
  }

  /** Refuses a held SYN with a reset. */
  refuse(socket: TcpSocket, now: Instant): void {
    this.#now = now;
    socket.abort(now);
  }

  /** Sends a TSMP ping with 8 bytes of `data`; a "pong" event brings them back. */
  ping(remote: Uint8Array, data: Uint8Array, _now: Instant): void {
    this.#pings.ping(remote, data);
  }

  /** Should be called when the network under the stack came back: retries at once what has backed off. */
  resume(now: Instant): void {
    this.#now = now;
    for (const socket of this.#table.all()) {
      resume(socket.tcb, now);
      this.#touch(socket);
    }
  }

  /** Should be called when the way to `remotes` died and another is in use; 16 bytes each. */
  handlePathChange(remotes: readonly Uint8Array[], now: Instant): void {
    this.#now = now;
    for (const socket of this.#table.all()) {
      const { remoteAddress } = socket.tcb.endpoints;
      if (!remotes.some((remote) => equalBytes(remote, remoteAddress))) continue;
      handlePathChange(socket.tcb, now);
      this.#touch(socket);
    }
  }

  /** Something may have to leave, or to be told, or the socket is gone. */
  #touch(socket: TcpSocket): void {
    const tcb = socket.tcb;
    this.#events.note(socket);
    if (tcb.isInBacklog && !isOpening(tcb)) {
      tcb.isInBacklog = false;
      this.#backlog--;
    }
    if (tcb.state === "closed") {
      this.#forget(socket);
      return;
    }
    if (tcb.state === "time-wait") this.#limitTimeWait(socket);
    if (tcb.isScheduled) return;
    tcb.isScheduled = true;
    const destination = this.#destinationOf(socket);
    destination.scheduled.push(socket);
    this.#waiting.add(destination);
  }

  #transmitAnywhere(): number {
    for (let left = this.#waiting.size; left > 0; left--) {
      const destination = this.nextDestination();
      const length = destination === undefined ? 0 : this.#transmitTo(destination);
      if (length > 0) return length;
    }
    return 0;
  }

  #transmitTo(destination: Destination<TcpSocket>): number {
    const { scheduled } = destination;
    for (;;) {
      const socket = scheduled.peek();
      if (socket === undefined) {
        this.#waiting.delete(destination);
        return 0;
      }
      const length = transmit(socket.tcb, this.#target);
      if (length === 0) {
        scheduled.shift();
        socket.tcb.isScheduled = false;
        continue;
      }
      if (scheduled.length > 1) {
        scheduled.shift();
        scheduled.push(socket);
      }
      this.counters.packetsOut++;
      return length;
    }
  }

  #destinationOf(socket: TcpSocket): Destination<TcpSocket> {
    if (socket.destination !== undefined) return socket.destination;
    const name = toHex(socket.remoteAddress);
    const destination = this.#destinations.get(name) ?? new Destination(socket.remoteAddress);
    this.#destinations.set(name, destination);
    destination.socketCount++;
    socket.destination = destination;
    return destination;
  }

  #isOurs(view: DataView, offset: number): boolean {
    if (isMulticastAt(view, offset + IPV6_SOURCE_OFFSET)) return false;
    for (let i = 0; i < this.#addresses.length; i++) {
      const address = this.#addresses[i];
      if (address !== undefined && isAddressAt(view, offset + IPV6_DESTINATION_OFFSET, address)) {
        return true;
      }
    }
    return false;
  }

  #handleTcp(view: DataView, offset: number, now: Instant): void {
    const tcpOffset = offset + IPV6_HEADER_BYTES;
    const length = this.#ip.payloadBytes;
    const segment = this.#segment;
    const { header } = segment;
    const reason = parseTcp(view, tcpOffset, length, header);
    if (reason !== undefined) return this.counters.drop(reason);
    if (!isTcpIntact(view, tcpOffset, length, offset + IPV6_SOURCE_OFFSET)) {
      return this.counters.drop("tcp-checksum");
    }
    segment.view = view;
    segment.payloadOffset = tcpOffset + header.headerBytes;
    segment.payloadBytes = length - header.headerBytes;
    let socket = this.#table.find(view, offset, header.destinationPort, header.sourcePort);
    if (socket !== undefined && this.#isReplacedBy(socket, now)) socket = undefined;
    if (socket === undefined) return this.#handleUnmatched(view, offset, now);
    if (handleSegment(socket.tcb, segment, now) === "answer-reset") {
      this.#replies.answerReset(segment, socket.tcb.endpoints);
    }
    this.#touch(socket);
  }

  /** RFC 9293 §3.10.7.4 (MAY-2): a SYN beyond what was received may end TIME-WAIT and begin anew. */
  #isReplacedBy(socket: TcpSocket, now: Instant): boolean {
    const { tcb } = socket;
    const isFresh = tcb.state === "time-wait" && this.#segment.header.flags === TcpFlag.syn &&
      seqGt(this.#segment.header.seq, tcb.receive.rcvNxt);
    if (isFresh) {
      tcb.enter("closed", now);
      this.#touch(socket);
    }
    return isFresh;
  }

  /** A segment for no connection: a SYN for a listener, or a mistake (RFC 9293 §3.10.7.1, §3.10.7.2). */
  #handleUnmatched(view: DataView, offset: number, now: Instant): void {
    const segment = this.#segment;
    const { header } = segment;
    const hasListener = this.#listeners.has(header.destinationPort);
    const endpoints: Endpoints = {
      localAddress: addressAt(view, offset + IPV6_DESTINATION_OFFSET),
      remoteAddress: addressAt(view, offset + IPV6_SOURCE_OFFSET),
      localPort: header.destinationPort,
      remotePort: header.sourcePort,
    };
    const isPlainSyn = segment.has(TcpFlag.syn) && !segment.has(TcpFlag.ack) &&
      !segment.has(TcpFlag.rst) && !segment.has(TcpFlag.fin);
    if (!isPlainSyn || (!hasListener && !this.#isForwarding)) {
      this.#replies.answerReset(segment, endpoints);
      return;
    }
    if (this.#backlog >= MAX_BACKLOG) return this.counters.drop("backlog-full");
    if (this.#table.size >= MAX_SOCKETS) return this.counters.drop("sockets-full");
    const state = hasListener ? "syn-received" : "syn-held";
    const tcb = new Tcb(state, endpoints, this.#options, this.counters);
    beginAccept(tcb, header, { iss: randomUint32(this.#random), now });
    tcb.isInBacklog = true;
    this.#backlog++;
    this.#adopt(tcb);
  }

  #adopt(tcb: Tcb): TcpSocket {
    const socket = new TcpSocket(tcb, this.#host);
    this.#table.add(socket);
    this.#touch(socket);
    return socket;
  }

  #forget(socket: TcpSocket): void {
    this.#table.remove(socket, this.#now);
    const { destination } = socket;
    if (destination === undefined) return;
    socket.destination = undefined;
    if (--destination.socketCount > 0) return;
    this.#destinations.delete(toHex(destination.address));
    this.#waiting.delete(destination);
  }

  #limitTimeWait(socket: TcpSocket): void {
    const oldest = this.#table.noteTimeWait(socket);
    if (oldest === undefined) return;
    oldest.tcb.enter("closed", this.#now);
    this.#forget(oldest);
  }
}

function isOpening(tcb: Tcb): boolean {
  return tcb.state === "syn-received" || tcb.state === "syn-held";
}

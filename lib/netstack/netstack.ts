/**
 * The stack: TCP over IPv6 for a few addresses, UDP, answers to TSMP pings and ICMPv6 echoes, resets for what nobody expects.
 * Demultiplexing is in `socket_table.ts`, one connection in `tcb.ts` and the files it names, the rest in `other_protocols.ts`.
 * An owner with several ways out polls by destination: `pollReply` until `undefined`, `datagrams` while something waits there,
 * then `pollTransmit` for each of `nextDestination`. What is not polled stays with its socket, and costs nothing.
 *
 * What must leave is `pollTransmit` until 0. ACKs leave with the first one after their data: a batch of packets handed
 * in together is acknowledged once, and nothing is ever delayed.
 *
 * Left out: fragments, extension headers, neighbour discovery, path MTU discovery (the tunnel has one MTU).
 */
import { assertLength } from "../base/bytes.ts";
import { type Core, type Instant, type Random, randomUint32 } from "../base/core.ts";
import { seqGt } from "../base/seq.ts";
import {
  IPV6_ADDRESS_BYTES,
  IPV6_HEADER_BYTES,
  IPV6_SOURCE_OFFSET,
  Ipv6Header,
  NextHeader,
  parseIpv6,
} from "../wire/ipv6.ts";
import { isTcpIntact, parseTcp, TcpFlag } from "../wire/tcp.ts";
import { NetstackCounters } from "./counters.ts";
import type { Datagrams } from "./datagrams.ts";
import type { Destination } from "./destination.ts";
import { Destinations } from "./destinations.ts";
import { EventQueue, type NetstackEvent } from "./events.ts";
import { beginAccept, beginConnect, completeHeld } from "./handshake.ts";
import { endpointsOf, IncomingSegment } from "./incoming.ts";
import { MAX_SOCKETS } from "./limits.ts";
import { Listeners, type ListenPort } from "./listeners.ts";
import { brokenRules } from "./invariants.ts";
import {
  type ConnectOptions,
  type NetstackOptions,
  resolveOptions,
  withConnectOptions,
} from "./options.ts";
import { OtherProtocols } from "./other_protocols.ts";
import { OwnAddresses } from "./own_addresses.ts";
import { handleSegment } from "./receive.ts";
import { Replies } from "./replies.ts";
import { type SocketHost, TcpSocket } from "./socket.ts";
import { SocketTable } from "./socket_table.ts";
import { Tcb, type TcbOptions } from "./tcb.ts";
import { handleMove, handlePathDeath, handleTimers, type PathFate, resume } from "./timeouts.ts";
import { TransmitTarget } from "./transmit.ts";
import { ViewCache } from "./view_cache.ts";

export class Netstack implements Core<NetstackEvent> {
  readonly counters = new NetstackCounters();
  /** UDP beside the sockets. */
  readonly datagrams: Datagrams;
  readonly #addresses: OwnAddresses;
  readonly #random: Random;
  readonly #options: TcbOptions;
  readonly #table = new SocketTable();
  readonly #listeners = new Listeners();
  readonly #replies = new Replies(this.counters);
  readonly #events = new EventQueue(this.counters);
  readonly #others: OtherProtocols;
  readonly #destinations = new Destinations();
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
  readonly #target = new TransmitTarget(this.#outViews.of(new Uint8Array(0)));

  /** Throws `RangeError` for no or malformed addresses and for options out of range. Addresses are copied. */
  constructor(options: NetstackOptions) {
    this.#addresses = new OwnAddresses(options.addresses);
    this.#random = options.random;
    this.#options = resolveOptions(options);
    this.#others = new OtherProtocols({
      source: this.#addresses.first,
      mtuBytes: this.#options.mtuBytes,
      random: options.random,
      replies: this.#replies,
      events: this.#events,
      counters: this.counters,
    });
    this.datagrams = this.#others.datagrams;
  }

  /** Sockets in any state but closed. */
  get socketCount(): number {
    return this.#table.size;
  }

  /** Whether something of ours is not acknowledged, or something of a peer's is known to be missing. */
  get isWaiting(): boolean {
    return this.#table.isWaiting;
  }

  /** What must hold of connections and does not, in words; each of them is a mistake of ours. */
  brokenRules(): string[] {
    return [...this.#table.all()].flatMap((socket) => brokenRules(TcpSocket.connectionOf(socket)));
  }

  /** Takes one IPv6 packet, borrowed for the call. Never throws; what is of no use is counted in `counters`. */
  handlePacket(packet: Uint8Array, now: Instant): void {
    this.#now = now;
    this.counters.packetsIn++;
    const view = this.#inViews.of(packet);
    const offset = packet.byteOffset;
    const reason = parseIpv6(view, offset, packet.length, this.#ip) ??
      (this.#addresses.isFor(view, offset) ? undefined : "not-for-us");
    if (reason !== undefined) return this.counters.drop(reason);
    if (this.#ip.nextHeader === NextHeader.tcp) return this.#handleTcp(view, offset, now);
    this.#others.handlePacket(view, offset, this.#ip);
  }

  /** A complete packet that belongs to no socket, e.g. a reset; the caller's from then on. */
  pollReply(): Uint8Array | undefined {
    const reply = this.#replies.shift();
    if (reply !== undefined) this.counters.packetsOut++;
    return reply;
  }

  /** Destinations that something may wait for. */
  get waitingDestinations(): number {
    return this.#destinations.waitingCount;
  }

  /** The destination whose turn it is; the next call gives the next one, and so on in a circle. */
  nextDestination(): Destination<TcpSocket> | undefined {
    return this.#destinations.next();
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
    const reply = to === undefined ? this.pollReply() : undefined;
    if (reply !== undefined) {
      into.set(reply, offset);
      return reply.length;
    }
    const [flow] = to === undefined ? this.datagrams.waiting() : [];
    if (flow !== undefined) return this.datagrams.pollTransmit(flow, into, offset);
    const length = to === undefined
      ? this.#destinations.transmit(this.#target)
      : this.#destinations.transmitTo(to, this.#target);
    if (length > 0) this.counters.packetsOut++;
    return length;
  }

  handleTimeout(now: Instant): void {
    this.#now = now;
    for (const socket of this.#table.all()) {
      if (TcpSocket.connectionOf(socket).tcb.timers.next() <= now) this.#run(socket, handleTimers);
    }
  }

  pollTimeout(): Instant | undefined {
    let earliest = Infinity;
    for (const socket of this.#table.all()) {
      const at = TcpSocket.connectionOf(socket).tcb.timers.next();
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
    const local = options.local ?? this.#addresses.first;
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
  listen(port: ListenPort): void {
    this.#listeners.add(port);
  }

  /** Ends listening; sockets that were accepted stay. */
  unlisten(port: ListenPort): void {
    this.#listeners.remove(port);
  }

  /** Answers a held SYN ("accepted" with state "syn-held"); "connected" follows when the handshake is over. */
  accept(socket: TcpSocket, now: Instant): void {
    this.#now = now;
    this.#run(socket, completeHeld);
  }

  /** Refuses a held SYN with a reset. */
  refuse(socket: TcpSocket, now: Instant): void {
    this.#now = now;
    socket.abort(now);
  }

  /** Sends a TSMP ping with 8 bytes of `data`; a "pong" event brings them back. */
  ping(remote: Uint8Array, data: Uint8Array, _now: Instant): void {
    this.#others.pings.ping(remote, data);
  }

  /** Should be called when the network under the stack came back: retries at once what has backed off. */
  resume(now: Instant): void {
    this.#now = now;
    for (const socket of this.#table.all()) this.#run(socket, resume);
  }

  /** Should be called when the way to `remotes`, 16 bytes each, is another: the old one died, or was left. */
  handlePathChange(remotes: readonly Uint8Array[], fate: PathFate, now: Instant): void {
    this.#now = now;
    const work = fate === "died" ? handlePathDeath : handleMove;
    for (const socket of this.#table.leadingTo(remotes)) this.#run(socket, work);
  }

  #run(socket: TcpSocket, work: (tcb: Tcb, now: Instant) => void): void {
    work(TcpSocket.connectionOf(socket).tcb, this.#now);
    this.#touch(socket);
  }

  /** Something may have to leave, or to be told, or the socket is gone. */
  #touch(socket: TcpSocket): void {
    const connection = TcpSocket.connectionOf(socket);
    const { tcb } = connection;
    this.#events.note(socket);
    this.#listeners.note(connection);
    if (tcb.state === "closed") return this.#forget(socket);
    if (tcb.state === "time-wait") this.#limitTimeWait(socket);
    this.#destinations.schedule(socket);
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
    const { tcb } = TcpSocket.connectionOf(socket);
    if (handleSegment(tcb, segment, now) === "answer-reset") {
      this.#replies.answerReset(segment, tcb.endpoints);
    }
    this.#touch(socket);
  }

  /** RFC 9293 §3.10.7.4 (MAY-2): a SYN beyond what was received may end TIME-WAIT and begin anew. */
  #isReplacedBy(socket: TcpSocket, now: Instant): boolean {
    const { tcb } = TcpSocket.connectionOf(socket);
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
    const state = this.#listeners.startOf(header.destinationPort);
    const endpoints = endpointsOf(view, offset, header);
    const isPlainSyn = segment.has(TcpFlag.syn) && !segment.has(TcpFlag.ack) &&
      !segment.has(TcpFlag.rst) && !segment.has(TcpFlag.fin);
    if (!isPlainSyn || state === undefined) return this.#replies.answerReset(segment, endpoints);
    if (this.#listeners.isFull) return this.counters.drop("backlog-full");
    if (this.#table.size >= MAX_SOCKETS) return this.counters.drop("sockets-full");
    const tcb = new Tcb(state, endpoints, this.#options, this.counters);
    beginAccept(tcb, header, { iss: randomUint32(this.#random), now });
    this.#listeners.begin(TcpSocket.connectionOf(this.#adopt(tcb)));
  }

  #adopt(tcb: Tcb): TcpSocket {
    const socket = new TcpSocket(tcb, this.#host);
    this.#table.add(socket);
    this.#touch(socket);
    return socket;
  }

  #forget(socket: TcpSocket): void {
    this.#table.remove(socket, this.#now);
    this.#destinations.forget(socket);
  }

  #limitTimeWait(socket: TcpSocket): void {
    const oldest = this.#table.noteTimeWait(socket);
    if (oldest === undefined) return;
    TcpSocket.connectionOf(oldest).tcb.enter("closed", this.#now);
    this.#touch(oldest);
  }
}

/**
 * Packets that belong to no socket, complete and waiting to leave: resets (RFC 9293 §3.5.2, §3.10.7.1), echo replies
 * (RFC 4443 §4.2), TSMP. They are rare, so each has an array of its own; how many may wait is bounded.
 */
import { seqAdd } from "../base/seq.ts";
import { sumBytes } from "../wire/checksum.ts";
import { Icmpv6Header, Icmpv6Type, writeIcmpv6 } from "../wire/icmpv6.ts";
import {
  DEFAULT_HOP_LIMIT,
  IPV6_ADDRESS_BYTES,
  IPV6_HEADER_BYTES,
  IPV6_SOURCE_OFFSET,
  Ipv6Header,
  NextHeader,
  writeIpv6,
} from "../wire/ipv6.ts";
import { TcpFlag, TcpHeader, writeTcp, writeTcpChecksum } from "../wire/tcp.ts";
import type { NetstackCounters } from "./counters.ts";
import { Fifo } from "./fifo.ts";
import type { IncomingSegment } from "./incoming.ts";
import { MAX_REPLIES } from "./limits.ts";
import type { Endpoints, Tcb } from "./tcb.ts";

const TCP_HEADER_BYTES = 20;

export class Replies {
  readonly #packets = new Fifo<Uint8Array>();
  readonly #counters: NetstackCounters;

  constructor(counters: NetstackCounters) {
    this.#counters = counters;
  }

  /** The next packet; the caller's from then on. */
  shift(): Uint8Array | undefined {
    return this.#packets.shift();
  }

  /** Answers a segment that has no connection (RFC 9293 §3.10.7.1). Never answers a reset. */
  answerReset(segment: IncomingSegment, endpoints: Endpoints): void {
    if (segment.has(TcpFlag.rst)) return;
    const header = new TcpHeader();
    if (segment.has(TcpFlag.ack)) {
      header.seq = segment.header.ack;
      header.flags = TcpFlag.rst;
    } else {
      header.ack = seqAdd(segment.header.seq, segment.lengthInSequence);
      header.flags = TcpFlag.rst | TcpFlag.ack;
    }
    this.#pushReset(header, endpoints);
  }

  /** Resets a connection: SEQ is exactly SND.NXT, as newer peers insist on (RFC 5961 §3.2), where the peer's window allows it. */
  resetConnection(tcb: Tcb): void {
    const header = new TcpHeader();
    // A SYN that was never answered leaves no sequence number of ours that the peer knows.
    const isUnanswered = tcb.state === "syn-held" || tcb.synCount === 0;
    header.seq = isUnanswered && tcb.origin !== "connect" ? 0 : tcb.snd.emptySeq;
    header.ack = tcb.receive.rcvNxt;
    header.flags = TcpFlag.rst | TcpFlag.ack;
    this.#pushReset(header, tcb.endpoints);
  }

  /** Answers an echo request with the `length` bytes of its message at `offset`, addresses swapped. */
  answerEcho(view: DataView, offset: number, length: number, endpoints: Endpoints): void {
    const packet = this.#packet(endpoints, NextHeader.icmpv6, length);
    const own = new DataView(packet.buffer);
    for (let i = 0; i < length; i++) {
      own.setUint8(IPV6_HEADER_BYTES + i, view.getUint8(offset + i));
    }
    const header = new Icmpv6Header();
    header.type = Icmpv6Type.echoReply;
    writeIcmpv6(own, IPV6_HEADER_BYTES, length, IPV6_SOURCE_OFFSET, header);
    this.#push(packet);
  }

  /** Sends a message of another protocol; `message` is copied. */
  send(nextHeader: NextHeader, message: Uint8Array, endpoints: Endpoints): void {
    const packet = this.#packet(endpoints, nextHeader, message.length);
    packet.set(message, IPV6_HEADER_BYTES);
    this.#push(packet);
  }

  #pushReset(header: TcpHeader, endpoints: Endpoints): void {
    this.#counters.resetsOut++;
    const packet = this.#packet(endpoints, NextHeader.tcp, TCP_HEADER_BYTES);
    const view = new DataView(packet.buffer);
    header.sourcePort = endpoints.localPort;
    header.destinationPort = endpoints.remotePort;
    writeTcp(view, IPV6_HEADER_BYTES, header);
    const addressSum = sumBytes(view, IPV6_SOURCE_OFFSET, 2 * IPV6_ADDRESS_BYTES);
    writeTcpChecksum(view, IPV6_HEADER_BYTES, TCP_HEADER_BYTES, TCP_HEADER_BYTES, addressSum, 0);
    this.#push(packet);
  }

  #packet(
    endpoints: Endpoints,
    nextHeader: NextHeader,
    payloadBytes: number,
  ): Uint8Array<ArrayBuffer> {
    const packet = new Uint8Array(IPV6_HEADER_BYTES + payloadBytes);
    const header = new Ipv6Header();
    header.payloadBytes = payloadBytes;
    header.nextHeader = nextHeader;
    header.hopLimit = DEFAULT_HOP_LIMIT;
    const view = new DataView(packet.buffer);
    writeIpv6(view, 0, header, endpoints.localAddress, endpoints.remoteAddress);
    return packet;
  }

  #push(packet: Uint8Array): void {
    if (this.#packets.length >= MAX_REPLIES) this.#counters.drop("replies-full");
    else this.#packets.push(packet);
  }
}

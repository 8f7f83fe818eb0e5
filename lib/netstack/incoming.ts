/** A segment that arrived, as the functions of this room hand it on: one object, reused for every packet. */
import { seqAdd } from "../base/seq.ts";
import { addressAt, IPV6_DESTINATION_OFFSET, IPV6_SOURCE_OFFSET } from "../wire/ipv6.ts";
import { TcpFlag, TcpHeader } from "../wire/tcp.ts";
import type { Endpoints } from "./tcb.ts";

const EMPTY_VIEW = new DataView(new ArrayBuffer(0));

/** What to do with a segment's sender: nothing, or tell it that there is no such connection (RFC 9293 §3.5.2). */
export type Verdict = "done" | "answer-reset";

export class IncomingSegment {
  readonly header = new TcpHeader();
  /** Where the payload lies; borrowed for the call. */
  view: DataView = EMPTY_VIEW;
  payloadOffset = 0;
  payloadBytes = 0;

  has(flag: TcpFlag): boolean {
    return (this.header.flags & flag) !== 0;
  }

  /** SEG.LEN: payload, SYN and FIN (RFC 9293 §3.4). */
  get lengthInSequence(): number {
    return this.payloadBytes + (this.has(TcpFlag.syn) ? 1 : 0) + (this.has(TcpFlag.fin) ? 1 : 0);
  }

  /** Sequence number behind the payload. */
  get payloadEnd(): number {
    return seqAdd(this.header.seq, this.payloadBytes);
  }
}

/** Between whom a segment passes, from our side: its IPv6 header is at `offset`. Copies. */
export function endpointsOf(view: DataView, offset: number, header: TcpHeader): Endpoints {
  return {
    localAddress: addressAt(view, offset + IPV6_DESTINATION_OFFSET),
    remoteAddress: addressAt(view, offset + IPV6_SOURCE_OFFSET),
    localPort: header.destinationPort,
    remotePort: header.sourcePort,
  };
}

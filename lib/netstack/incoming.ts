/** A segment that arrived, as the functions of this room hand it on: one object, reused for every packet. */
import { seqAdd } from "../base/seq.ts";
import { TcpFlag, TcpHeader } from "../wire/tcp.ts";

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

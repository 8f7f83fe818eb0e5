/**
 * The send sequence space (RFC 9293 §3.3.1): what we sent, what of it was acknowledged, what waits, and the peer's window.
 * Fields under the names of the RFC, without its `SND.`.
 */
import { seqAdd, seqDiff } from "../base/seq.ts";
import type { TcpHeader } from "../wire/tcp.ts";
import { ByteRing } from "./byte_ring.ts";
import { SentSegments } from "./sent_segments.ts";

export class SendSpace {
  /** Initial send sequence number. */
  iss = 0;
  una = 0;
  nxt = 0;
  wnd = 0;
  wl1 = 0;
  wl2 = 0;
  /** Largest window ever seen: for RFC 5961 §5.2 and silly-window avoidance. */
  maxWnd = 0;
  /** Whether both sides scale windows. */
  hasWindowScale = false;
  wndShift = 0;
  mssBytes: number;
  /** From `una` on. */
  readonly ring: ByteRing;
  /** From `una` to `nxt`. */
  readonly sent = new SentSegments();
  finQueued = false;
  finSent = false;

  constructor(bufferBytes: number, mssBytes: number) {
    this.ring = new ByteRing(bufferBytes);
    this.mssBytes = mssBytes;
  }

  /** Should be called once, before anything else: the SYN takes the first number. */
  begin(iss: number): void {
    this.iss = iss;
    this.una = iss;
    this.nxt = seqAdd(iss, 1);
  }

  /** Takes the window of a segment (RFC 9293 §3.10.7.4, fifth). */
  setWindow(header: TcpHeader, windowBytes: number): void {
    this.wnd = windowBytes;
    this.wl1 = header.seq;
    this.wl2 = header.ack;
    if (windowBytes > this.maxWnd) this.maxWnd = windowBytes;
  }

  /** Sequence numbers in flight, SYN and FIN included. */
  get flightSize(): number {
    return seqDiff(this.nxt, this.una);
  }

  /** Queued bytes that were never sent. */
  get unsentBytes(): number {
    const { flightSize } = this;
    const hasFin = this.finSent && flightSize > 0; // not acknowledged yet, so it is part of the flight
    return this.ring.length - (flightSize - (hasFin ? 1 : 0));
  }

  /** What the peer's window still allows; negative when it shrank. */
  get usableWindow(): number {
    return this.wnd - this.flightSize;
  }

  /**
   * The sequence number of a segment that carries nothing: SND.NXT, but never beyond the peer's window. A peer that took a part
   * of its window back, be it by rounding it to its scale, drops what lies beyond with all that it says: it would hear no
   * ACK of ours any more (RFC 7323 §2.4 forbids that, and google/gvisor does it: `pkg/tcpip/transport/tcp/rcv.go`, acceptable).
   */
  get emptySeq(): number {
    return this.usableWindow < 0 ? seqAdd(this.una, this.wnd) : this.nxt;
  }

  /** Whether the peer took back the whole window, and with it the room of what is in flight. */
  get isWindowTaken(): boolean {
    return this.wnd === 0 && this.nxt !== this.una;
  }
}

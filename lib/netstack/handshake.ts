/**
 * Opening a connection: SYN-SENT (RFC 9293 §3.10.7.3), the answer to a SYN (§3.10.7.2), options of both
 * (MSS §3.7.1; window scale RFC 7323 §2; SACK permitted RFC 2018 §2). Left out: timestamps, which we never offer, and
 * data on a SYN, which the peer sends again.
 */
import type { Instant } from "../base/core.ts";
import { seqAdd, seqGt, seqLte } from "../base/seq.ts";
import { TcpFlag, type TcpHeader } from "../wire/tcp.ts";
import type { IncomingSegment, Verdict } from "./incoming.ts";
import { HELD_SYN_MS, MIN_PEER_MSS_BYTES } from "./limits.ts";
import { SocketEvent, type Tcb } from "./tcb.ts";
import { TcpTimer } from "./timers.ts";

/** RFC 9293 §3.7.1 (MUST-16): what a peer that names no MSS takes over IPv6. */
const DEFAULT_PEER_MSS_BYTES = 1220;

export interface AcceptStart {
  readonly iss: number;
  readonly now: Instant;
}

/** Should be called once for a connection of ours, in "syn-sent". */
export function beginConnect(tcb: Tcb, iss: number): void {
  beginSending(tcb, iss);
  tcb.synOwed = true;
}

/** Should be called once for a peer's SYN, in "syn-received" or "syn-held". */
export function beginAccept(tcb: Tcb, syn: TcpHeader, start: AcceptStart): void {
  const { iss, now } = start;
  beginSending(tcb, iss);
  beginReceiving(tcb, syn);
  setWindow(tcb, syn, syn.window); // RFC 7323 §2.2: the window of a SYN is not scaled
  tcb.lastHeardAt = now;
  if (tcb.state === "syn-held") {
    tcb.timers.set(TcpTimer.held, now + HELD_SYN_MS);
    tcb.events |= SocketEvent.accepted;
  } else tcb.synOwed = true;
}

/** Lets a held SYN be answered. */
export function completeHeld(tcb: Tcb, now: Instant): void {
  if (tcb.state !== "syn-held") return;
  tcb.timers.clear(TcpTimer.held);
  tcb.enter("syn-received", now);
  tcb.synOwed = true;
}

/** A segment for a connection in "syn-sent" (RFC 9293 §3.10.7.3). */
export function handleSynSent(tcb: Tcb, segment: IncomingSegment, now: Instant): Verdict {
  const header = segment.header;
  const hasAck = segment.has(TcpFlag.ack);
  if (hasAck && (seqLte(header.ack, tcb.iss) || seqGt(header.ack, tcb.sndNxt))) {
    return segment.has(TcpFlag.rst) ? "done" : "answer-reset"; // first
  }
  if (segment.has(TcpFlag.rst)) { // second; RFC 5961 §3.2: only with an acceptable ACK
    if (hasAck) {
      tcb.counters.resetsIn++;
      tcb.close({ kind: "reset", message: "Connection refused" }, now);
    }
    return "done";
  }
  if (!segment.has(TcpFlag.syn)) return "done"; // fifth
  beginReceiving(tcb, header); // fourth
  tcb.lastHeardAt = now;
  if (!hasAck) { // simultaneous open
    setWindow(tcb, header, header.window);
    tcb.enter("syn-received", now);
    tcb.synCount = 0;
    tcb.synOwed = true;
    return "done";
  }
  setWindow(tcb, header, header.window);
  establish(tcb, header.ack, now);
  tcb.ackOwed = true;
  return "done";
}

/** Should be called when our SYN was acknowledged. */
export function establish(tcb: Tcb, ack: number, now: Instant): void {
  tcb.sndUna = ack;
  tcb.sent.reset(ack);
  tcb.synOwed = false;
  tcb.timers.clear(TcpTimer.retransmit);
  if (tcb.synCount === 1) tcb.rtt.sample(now - tcb.synSentAt); // Karn: only a SYN sent once
  else if (tcb.rtt.backoff > 0) tcb.rtt.startAfterLostSyn();
  tcb.rtt.clearBackoff();
  tcb.timeouts = 0;
  tcb.stalledMs = 0;
  tcb.lastSentAt = now;
  if (tcb.options.keepaliveMs > 0) {
    tcb.timers.set(TcpTimer.keepalive, now + tcb.options.keepaliveMs);
  }
  tcb.events |= tcb.origin === "listener" ? SocketEvent.accepted : SocketEvent.connected;
  tcb.enter(tcb.finQueued ? "fin-wait-1" : "established", now);
}

/** Takes the window of a segment (RFC 9293 §3.10.7.4, fifth). */
export function setWindow(tcb: Tcb, header: TcpHeader, windowBytes: number): void {
  tcb.sndWnd = windowBytes;
  tcb.sndWl1 = header.seq;
  tcb.sndWl2 = header.ack;
  if (windowBytes > tcb.sndMaxWnd) tcb.sndMaxWnd = windowBytes;
}

function beginSending(tcb: Tcb, iss: number): void {
  tcb.iss = iss;
  tcb.sndUna = iss;
  tcb.sndNxt = seqAdd(iss, 1);
  tcb.recoveryPoint = iss; // RFC 6582 §3.2 step 1
}

function beginReceiving(tcb: Tcb, syn: TcpHeader): void {
  tcb.irs = syn.seq;
  tcb.receive.begin(syn.seq);
  const peerMssBytes = syn.maxSegmentBytes === 0 ? DEFAULT_PEER_MSS_BYTES : syn.maxSegmentBytes;
  tcb.adoptMss(Math.min(tcb.ownMssBytes, Math.max(peerMssBytes, MIN_PEER_MSS_BYTES)));
  tcb.isSackPermitted = syn.isSackPermitted; // we always offer it ourselves, or echo it
  if (syn.windowScale >= 0) { // RFC 7323 §2.2: only when both offer it
    tcb.hasWindowScale = true;
    tcb.sndWndShift = syn.windowScale;
    tcb.receive.windowShift = tcb.receive.offeredShift;
  }
}

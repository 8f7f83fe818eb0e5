/**
 * Opening a connection: SYN-SENT (RFC 9293 §3.10.7.3), the answer to a SYN (§3.10.7.2), options of both
 * (MSS §3.7.1; window scale RFC 7323 §2; SACK permitted RFC 2018 §2). Left out: timestamps, which we never offer, and
 * data on a SYN, which the peer sends again.
 */
import type { Instant } from "../base/core.ts";
import { seqGt, seqLte } from "../base/seq.ts";
import { TcpFlag, type TcpHeader } from "../wire/tcp.ts";
import type { IncomingSegment, Verdict } from "./incoming.ts";
import { HELD_SYN_MS, MIN_PEER_MSS_BYTES } from "./limits.ts";
import { Debt } from "./owed.ts";
import { SocketEvent } from "./owner_news.ts";
import type { Tcb } from "./tcb.ts";
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
  tcb.owed.owe(Debt.syn);
}

/** Should be called once for a peer's SYN, in "syn-received" or "syn-held". */
export function beginAccept(tcb: Tcb, syn: TcpHeader, start: AcceptStart): void {
  const { iss, now } = start;
  beginSending(tcb, iss);
  beginReceiving(tcb, syn);
  tcb.snd.setWindow(syn, syn.window); // RFC 7323 §2.2: the window of a SYN is not scaled
  tcb.lastHeardAt = now;
  if (tcb.state === "syn-held") {
    tcb.timers.set(TcpTimer.held, now + HELD_SYN_MS);
    tcb.news.add(SocketEvent.accepted);
  } else tcb.owed.owe(Debt.syn);
}

/** Lets a held SYN be answered. */
export function completeHeld(tcb: Tcb, now: Instant): void {
  if (tcb.state !== "syn-held") return;
  tcb.timers.clear(TcpTimer.held);
  tcb.enter("syn-received", now);
  tcb.owed.owe(Debt.syn);
}

/** A segment for a connection in "syn-sent" (RFC 9293 §3.10.7.3). */
export function handleSynSent(tcb: Tcb, segment: IncomingSegment, now: Instant): Verdict {
  const header = segment.header;
  const hasAck = segment.has(TcpFlag.ack);
  if (hasAck && (seqLte(header.ack, tcb.snd.iss) || seqGt(header.ack, tcb.snd.nxt))) {
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
    tcb.snd.setWindow(header, header.window);
    tcb.enter("syn-received", now);
    tcb.synCount = 0;
    tcb.owed.owe(Debt.syn);
    return "done";
  }
  tcb.snd.setWindow(header, header.window);
  establish(tcb, header.ack, now);
  tcb.owed.owe(Debt.ack);
  return "done";
}

/** Should be called when our SYN was acknowledged. */
export function establish(tcb: Tcb, ack: number, now: Instant): void {
  tcb.snd.una = ack;
  tcb.snd.sent.reset(ack);
  tcb.owed.drop(Debt.syn);
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
  tcb.news.add(tcb.origin === "listener" ? SocketEvent.accepted : SocketEvent.connected);
  tcb.enter(tcb.snd.finQueued ? "fin-wait-1" : "established", now);
}

function beginSending(tcb: Tcb, iss: number): void {
  tcb.snd.begin(iss);
  tcb.recoveryPoint = iss; // RFC 6582 §3.2 step 1
}

function beginReceiving(tcb: Tcb, syn: TcpHeader): void {
  tcb.irs = syn.seq;
  tcb.receive.begin(syn.seq);
  const peerMssBytes = syn.maxSegmentBytes === 0 ? DEFAULT_PEER_MSS_BYTES : syn.maxSegmentBytes;
  tcb.adoptMss(Math.min(tcb.ownMssBytes, Math.max(peerMssBytes, MIN_PEER_MSS_BYTES)));
  tcb.isSackPermitted = syn.isSackPermitted; // we always offer it ourselves, or echo it
  if (syn.windowScale >= 0) { // RFC 7323 §2.2: only when both offer it
    tcb.snd.hasWindowScale = true;
    tcb.snd.wndShift = syn.windowScale;
    tcb.receive.windowShift = tcb.receive.offeredShift;
  }
}

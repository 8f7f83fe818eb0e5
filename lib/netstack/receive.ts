/**
 * A segment arrives (RFC 9293 §3.10.7.4, the steps named first to eighth; RFC 5961 for RST, SYN and ACK out of place).
 * Urgent data is ignored (RFC 6093 allows it).
 */
import type { Instant } from "../base/core.ts";
import { RESET_BY_PEER } from "../base/stream.ts";
import { seqAdd, seqDiff, seqGt, seqGte, seqLt, seqLte } from "../base/seq.ts";
import { TcpFlag } from "../wire/tcp.ts";
import { handleAck, oweChallengeAck } from "./acknowledge.ts";
import { establish, handleSynSent } from "./handshake.ts";
import type { IncomingSegment, Verdict } from "./incoming.ts";
import { handleGap, handleProbe } from "./outage.ts";
import { Debt } from "./owed.ts";
import { expectAnswer, handleAnswer } from "./repeated_ack.ts";
import { canReceiveData } from "./state.ts";
import type { Tcb } from "./tcb.ts";
import { TcpTimer } from "./timers.ts";

/** Handles a segment for a connection. The verdict says whether its sender must hear a reset. */
export function handleSegment(tcb: Tcb, segment: IncomingSegment, now: Instant): Verdict {
  switch (tcb.state) {
    case "closed":
      return segment.has(TcpFlag.rst) ? "done" : "answer-reset";
    case "syn-sent":
      return handleSynSent(tcb, segment, now);
    case "syn-held":
      return handleSynHeld(tcb, segment, now);
    default:
      break;
  }
  if (!isAcceptable(tcb, segment)) { // first
    handleUnacceptable(tcb, segment, now);
    return "done";
  }
  tcb.lastHeardAt = now;
  if (segment.has(TcpFlag.rst)) { // second
    handleReset(tcb, segment, now);
    return "done";
  }
  if (segment.has(TcpFlag.syn)) { // fourth; RFC 5961 §4.2
    oweChallengeAck(tcb, now);
    return "done";
  }
  if (!segment.has(TcpFlag.ack)) { // fifth
    tcb.counters.drop("segment-without-ack");
    return "done";
  }
  if (tcb.state === "syn-received") {
    if (!completesHandshake(tcb, segment)) return "answer-reset";
    tcb.snd.setWindow(segment.header, segment.header.window * 2 ** tcb.snd.wndShift);
    establish(tcb, segment.header.ack, now);
  }
  if (!handleAck(tcb, segment, now)) return "done";
  handleGap(tcb, segment, now);
  followFin(tcb, now);
  if (canReceiveData(tcb.state)) {
    if (segment.payloadBytes > 0) takeData(tcb, segment); // seventh
    takeFin(tcb, segment, now); // eighth
  }
  return "done";
}

/**
 * RFC 9293 §3.10.7.4, the four cases of the table, but that a segment without data may lie at the right edge: a peer that filled the
 * window acknowledges from there, also while we miss some of it. (Linux and gVisor take it as well.)
 */
function isAcceptable(tcb: Tcb, segment: IncomingSegment): boolean {
  const { rcvNxt, rcvAdv } = tcb.receive;
  const seq = segment.header.seq;
  const length = segment.lengthInSequence;
  if (length === 0) {
    return seqGte(seq, rcvNxt) && seqLte(seq, rcvAdv);
  }
  if (rcvNxt === rcvAdv) return false;
  return seqLt(seq, rcvAdv) && seqGt(seqAdd(seq, length), rcvNxt);
}

function handleUnacceptable(tcb: Tcb, segment: IncomingSegment, now: Instant): void {
  const { rcvNxt, windowBytes } = tcb.receive;
  const seq = segment.header.seq;
  tcb.counters.drop("segment-outside-window");
  handleProbe(tcb, segment);
  if (segment.has(TcpFlag.rst)) return;
  if (tcb.state === "syn-received" && segment.has(TcpFlag.syn)) {
    if (seq === tcb.irs) tcb.owed.owe(Debt.syn); // our answer was lost
    return;
  }
  if (segment.has(TcpFlag.syn)) { // RFC 5961 §4.2: whatever its sequence number
    oweChallengeAck(tcb, now);
    return;
  }
  if (tcb.state === "time-wait" && segment.has(TcpFlag.fin)) {
    // RFC 9293 §3.10.7.4 eighth: our last ACK was lost, begin to wait anew.
    tcb.timers.set(TcpTimer.timeWait, now + tcb.options.timeWaitMs);
  }
  const isAtClosedWindow = windowBytes === 0 && seq === rcvNxt;
  if (isAtClosedWindow && segment.has(TcpFlag.ack) && tcb.state !== "syn-received") {
    // RFC 9293 §3.10.7.4 first: valid ACKs count even when there is no room.
    if (!handleAck(tcb, segment, now)) return;
    followFin(tcb, now);
  }
  // Segments that occupy sequence numbers cannot make two sides answer each other for ever, and a probe at RCV.NXT - 1
  // (keepalive, or a zero-window probe of gVisor's) waits for this answer: neither counts as a challenge.
  const isProbe = seq === seqAdd(rcvNxt, -1);
  if (segment.lengthInSequence > 0 || isProbe) {
    tcb.lastHeardAt = now;
    tcb.owed.owe(Debt.ack);
    if (segment.payloadBytes > 0 && windowBytes > 0 && seqLt(seq, rcvNxt)) expectAnswer(tcb, now);
  } else if (!isAtClosedWindow) oweChallengeAck(tcb, now);
}

/** RFC 5961 §3.2: only a reset for exactly the next sequence number is believed. */
function handleReset(tcb: Tcb, segment: IncomingSegment, now: Instant): void {
  if (segment.header.seq !== tcb.receive.rcvNxt) {
    tcb.counters.drop("reset-outside-window");
    oweChallengeAck(tcb, now);
    return;
  }
  tcb.counters.resetsIn++;
  tcb.close({ kind: "reset", message: RESET_BY_PEER }, now);
}

function handleSynHeld(tcb: Tcb, segment: IncomingSegment, now: Instant): Verdict {
  if (segment.has(TcpFlag.rst) && segment.header.seq === tcb.receive.rcvNxt) {
    tcb.counters.resetsIn++;
    tcb.close({ kind: "reset", message: "Connection withdrawn by peer" }, now);
  }
  return "done"; // further SYNs wait for the owner's decision
}

function completesHandshake(tcb: Tcb, segment: IncomingSegment): boolean {
  return seqGt(segment.header.ack, tcb.snd.una) && seqLte(segment.header.ack, tcb.snd.nxt);
}

/** Moves on when our FIN has been acknowledged (RFC 9293 §3.10.7.4 fifth). */
function followFin(tcb: Tcb, now: Instant): void {
  if (!tcb.snd.finSent || tcb.snd.una !== tcb.snd.nxt) return;
  switch (tcb.state) {
    case "fin-wait-1":
      tcb.enter("fin-wait-2", now);
      return;
    case "closing":
      tcb.enter("time-wait", now);
      return;
    case "last-ack":
      tcb.close({ kind: "closed" }, now);
      return;
    default:
      return;
  }
}

function takeData(tcb: Tcb, segment: IncomingSegment): void {
  const receive = tcb.receive;
  let seq = segment.header.seq;
  let offset = segment.payloadOffset;
  let length = segment.payloadBytes;
  const known = seqDiff(receive.rcvNxt, seq);
  if (known > 0) {
    seq = receive.rcvNxt;
    offset += known;
    length -= known;
  }
  const edge = receive.isFinKnown && seqLt(receive.finSeq, receive.rcvAdv)
    ? receive.finSeq
    : receive.rcvAdv;
  const beyond = seqDiff(seqAdd(seq, length), edge);
  if (beyond > 0) length -= beyond;
  if (length <= 0) {
    tcb.owed.owe(Debt.ack);
    return;
  }
  const before = receive.rcvNxt;
  handleAnswer(tcb);
  switch (receive.accept(seq, segment.view, offset, length)) {
    case "in-order":
    case "filled-hole":
      tcb.counters.bytesReceived += seqDiff(receive.rcvNxt, before);
      tcb.owed.owe(Debt.ack); // RFC 5681 §4.2: at once when a hole fills; else at the end of the batch, which is as soon
      tcb.news.addReadable();
      return;
    case "out-of-order": // RFC 5681 §4.2: `ReceiveSpace` owes the duplicate ACK
      return;
    case "refused":
      tcb.counters.drop("out-of-order-full");
      tcb.owed.owe(Debt.ack);
      return;
  }
}

function takeFin(tcb: Tcb, segment: IncomingSegment, now: Instant): void {
  const receive = tcb.receive;
  if (segment.has(TcpFlag.fin) && !receive.isFinKnown) {
    const finSeq = segment.payloadEnd;
    if (seqGt(finSeq, receive.rcvAdv)) return; // beyond the window: it comes again
    receive.finSeq = finSeq;
    receive.isFinKnown = true;
  }
  if (segment.has(TcpFlag.fin)) tcb.owed.owe(Debt.ack);
  if (!receive.consumeFin()) return;
  receive.dropOutOfOrder();
  tcb.owed.owe(Debt.ack);
  tcb.news.addReadable();
  switch (tcb.state) {
    case "established":
      tcb.enter("close-wait", now);
      return;
    case "fin-wait-1": // our FIN is not acknowledged, or the state would be the next one
      tcb.enter("closing", now);
      return;
    case "fin-wait-2":
      tcb.enter("time-wait", now);
      return;
    default:
      return;
  }
}

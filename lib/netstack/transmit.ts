/**
 * What a connection sends next: SYN, what was lost, new data and FIN, probes, or an ACK alone.
 * Windows: the peer's (RFC 9293 §3.8.6), silly-window avoidance of the sender (§3.8.6.2.1) without Nagle, the
 * congestion window against "pipe" (RFC 6675 §5), and the burst cap. One segment per call, one buffer, no object.
 */
import type { Instant } from "../base/core.ts";
import { seqAdd, seqDiff, seqGte } from "../base/seq.ts";
import { DEFAULT_HOP_LIMIT, IPV6_HEADER_BYTES, NextHeader, writeIpv6 } from "../wire/ipv6.ts";
import { TcpFlag, writeTcp, writeTcpChecksum } from "../wire/tcp.ts";
import { armTailProbe } from "./acknowledge.ts";
import { pipeBytes } from "./recovery.ts";
import { type ReceiveWay, UNKNOWN_WAY } from "./receive_tuning.ts";
import { type SendWay, UNKNOWN_SEND_WAY } from "./send_way.ts";
import { canTransmitData } from "./state.ts";
import { Debt } from "./owed.ts";
import type { Tcb } from "./tcb.ts";
import { TcpTimer } from "./timers.ts";

/** Where a packet is written, when, which way it takes, and which way what it asks for will come: one object, reused. */
export class TransmitTarget {
  view: DataView;
  offset = 0;
  now: Instant = 0;
  way: ReceiveWay = UNKNOWN_WAY;
  sendWay: SendWay = UNKNOWN_SEND_WAY;

  constructor(view: DataView) {
    this.view = view;
  }
}

/** Longest wait between two probes of a closed window. */
const MAX_PERSIST_MS = 15_000;

/** Writes the next packet of the connection; its length, or 0 when nothing must leave now. */
export function transmit(tcb: Tcb, target: TransmitTarget): number {
  switch (tcb.state) {
    case "closed":
    case "syn-held":
      return 0;
    case "syn-sent":
    case "syn-received":
      return tcb.owed.has(Debt.syn) ? writeSyn(tcb, target) : 0;
    default:
      break;
  }
  while (tcb.receive.duplicateAcksOwed > 0) {
    if (tcb.receive.takeDuplicateAck(tcb.out)) {
      tcb.counters.duplicateAcksSent++;
      return writeAck(tcb, target);
    }
    tcb.owed.owe(Debt.ack);
  }
  tcb.out.sackCount = 0;
  if (canTransmitData(tcb.state)) {
    tcb.sendWay = target.sendWay;
    tcb.pacer.handleWay(target.sendWay, tcb.rtt.srttMs);
    const length = transmitData(tcb, target);
    if (length > 0) return length;
  }
  if (tcb.owed.has(Debt.zeroWindowProbe) || tcb.owed.has(Debt.keepaliveProbe)) {
    return writeProbe(tcb, target);
  }
  return tcb.owed.has(Debt.ack) ? transmitAck(tcb, target) : 0;
}

/** Nothing when it would say no more than the last one, because what came is acknowledged in parts. */
function transmitAck(tcb: Tcb, target: TransmitTarget): number {
  const allowedBytes = allowedAckBytes(tcb, target);
  if (allowedBytes === 0 && tcb.receive.pacedBytes > 0) {
    tcb.owed.drop(Debt.ack);
    armAckPacing(tcb, target.now);
    return 0;
  }
  if (tcb.receive.hasHole) tcb.receive.writeSackBlocks(tcb.out);
  return writeAck(tcb, target, allowedBytes);
}

function transmitData(tcb: Tcb, target: TransmitTarget): number {
  const lost = tcb.snd.sent.nextLost();
  if (lost >= 0) return retransmitLost(tcb, lost, target);
  tcb.owed.drop(Debt.retransmit);
  const length = transmitNew(tcb, target);
  if (length > 0 || !tcb.owed.has(Debt.tailProbe)) return length;
  return retransmitTail(tcb, target);
}

/** The oldest lost segment, if "pipe" allows or it is the one that must go out at once (RFC 6675 §5 step 4.3). */
function retransmitLost(tcb: Tcb, position: number, target: TransmitTarget): number {
  const start = tcb.snd.sent.startOf(position);
  const bytes = seqDiff(tcb.snd.sent.endOf(position), start);
  if (!tcb.owed.has(Debt.retransmit)) {
    // RFC 7323 §2.4: after the first time only into the window as it is now; but one that is closed altogether may open by it.
    if (tcb.snd.wnd > 0 && seqDiff(start, tcb.snd.una) >= tcb.snd.wnd) return 0;
    const pipe = pipeBytes(tcb);
    if (pipe > 0 && pipe + bytes > tcb.congestion.cwndBytes) return 0;
    if (!mayBurst(tcb, target.now)) return 0;
  }
  tcb.owed.drop(Debt.retransmit);
  const length = writeAgain(tcb, position, target);
  // RFC 6298 §5.1, and anew for the oldest: it has just begun its own round trip.
  if (position === 0 || !tcb.timers.isSet(TcpTimer.retransmit)) {
    const waitMs = tcb.snd.isWindowTaken ? persistMs(tcb) : tcb.rtt.rtoMs;
    tcb.timers.set(TcpTimer.retransmit, target.now + waitMs);
  }
  return length;
}

/** RFC 8985 §7.3: the last segment once more, when there was nothing new to probe with. */
function retransmitTail(tcb: Tcb, target: TransmitTarget): number {
  tcb.owed.drop(Debt.tailProbe);
  const last = tcb.snd.sent.count - 1;
  if (last < 0 || tcb.snd.sent.isSackedAt(last)) return 0;
  noteTailProbe(tcb);
  return writeAgain(tcb, last, target);
}

function writeAgain(tcb: Tcb, position: number, target: TransmitTarget): number {
  const start = tcb.snd.sent.startOf(position);
  const end = tcb.snd.sent.endOf(position);
  const hasFin = tcb.snd.finSent && end === tcb.snd.nxt;
  tcb.snd.sent.markRetransmitted(position, target.now);
  tcb.counters.retransmittedSegments++;
  const bytes = seqDiff(end, start) - (hasFin ? 1 : 0);
  return writeData(tcb, target, start, bytes, hasFin);
}

function transmitNew(tcb: Tcb, target: TransmitTarget): number {
  const unsent = tcb.snd.unsentBytes;
  const finDue = tcb.snd.finQueued && !tcb.snd.finSent;
  if ((unsent === 0 && !finDue) || tcb.snd.sent.isFull) return 0;
  const usable = tcb.snd.usableWindow;
  const bytes = Math.min(unsent, tcb.snd.mssBytes, usable);
  if (usable <= 0 || isSilly(tcb, bytes, unsent)) {
    armPersist(tcb, target.now);
    return 0;
  }
  if (!tcb.owed.has(Debt.tailProbe) && !mayGrowPipe(tcb, bytes, target.now)) return 0;
  // The FIN rides on the last data, if it fits into the window too.
  const hasFin = finDue && bytes === unsent && bytes < usable;
  if (bytes === 0 && !hasFin) return 0;
  tcb.owed.drop(Debt.smallSegment);

  const start = tcb.snd.nxt;
  const end = seqAdd(start, bytes + (hasFin ? 1 : 0));
  tcb.snd.sent.push(end, target.now);
  if (hasFin) tcb.snd.finSent = true;
  tcb.snd.nxt = end;
  tcb.flightPeak.handleSent(tcb.snd.sent.pipeBytes, tcb.snd.una, end);
  tcb.lastSentAt = target.now;
  if (!tcb.timers.isSet(TcpTimer.retransmit)) { // RFC 6298 §5.1
    tcb.timers.set(TcpTimer.retransmit, target.now + tcb.rtt.rtoMs);
  }
  payAck(tcb);
  if (tcb.owed.take(Debt.tailProbe)) noteTailProbe(tcb);
  else armTailProbe(tcb, target.now);
  return writeData(tcb, target, start, bytes, hasFin);
}

/** RFC 9293 §3.8.6.2.1: a small segment only if it is all there is, or half the largest window. No Nagle. */
function isSilly(tcb: Tcb, bytes: number, unsent: number): boolean {
  return bytes < tcb.snd.mssBytes && bytes < unsent && bytes < tcb.snd.maxWnd / 2 &&
    !tcb.owed.has(Debt.smallSegment);
}

function mayGrowPipe(tcb: Tcb, bytes: number, now: Instant): boolean {
  const pipe = pipeBytes(tcb);
  if (pipe === 0) {
    // RFC 5681 §4.1: an idle connection begins anew with the initial window.
    if (tcb.snd.flightSize === 0 && now - tcb.lastSentAt > tcb.rtt.rtoMs) {
      tcb.congestion.handleIdle();
    }
  } else if (pipe + bytes > tcb.congestion.cwndBytes) return false;
  return mayBurst(tcb, now);
}

function mayBurst(tcb: Tcb, now: Instant): boolean {
  const cwnd = tcb.congestion.cwndBytes;
  if (tcb.pacer.canSend(now, cwnd, tcb.rtt.srttMs)) return true;
  tcb.counters.pacedWaits++;
  tcb.timers.set(TcpTimer.pace, tcb.pacer.retryAt(now, cwnd, tcb.rtt.srttMs));
  return false;
}

/** RFC 9293 §3.8.6.1: when the window is closed and nothing in flight would bring an ACK. */
function armPersist(tcb: Tcb, now: Instant): void {
  if (tcb.snd.flightSize > 0 || tcb.timers.isSet(TcpTimer.persist)) return;
  tcb.timers.set(TcpTimer.persist, now + persistMs(tcb));
}

/** How long to wait for a window before asking (RFC 9293 §3.8.6.1: exponentially longer each time). */
export function persistMs(tcb: Tcb): number {
  return Math.min(MAX_PERSIST_MS, tcb.rtt.rtoMs * 2 ** tcb.persistBackoff);
}

function noteTailProbe(tcb: Tcb): void {
  tcb.counters.tailProbes++;
  tcb.tailProbeEnd = tcb.snd.nxt;
}

function writeSyn(tcb: Tcb, target: TransmitTarget): number {
  const { out, receive, options } = tcb;
  const isAnswer = tcb.state === "syn-received";
  tcb.owed.drop(Debt.syn);
  tcb.synCount++;
  tcb.synSentAt = target.now;
  const isEarly = tcb.synCount === 1 && options.firstSynRetryMs > 0;
  tcb.timers.set(
    TcpTimer.retransmit,
    target.now + (isEarly ? options.firstSynRetryMs : tcb.rtt.rtoMs),
  );
  out.clearOptions();
  out.maxSegmentBytes = tcb.ownMssBytes;
  out.isSackPermitted = !isAnswer || tcb.isSackPermitted;
  // RFC 7323 §2.2: an answer has the option only if the SYN had it; `beginReceiving` set the shift then.
  if (!isAnswer) out.windowScale = receive.offeredShift;
  else if (tcb.snd.hasWindowScale) out.windowScale = receive.windowShift;
  out.seq = tcb.snd.iss;
  out.ack = isAnswer ? receive.rcvNxt : 0;
  out.flags = TcpFlag.syn | (isAnswer ? TcpFlag.ack : 0);
  out.window = receive.unscaledWindow;
  const length = writePacket(tcb, target, 0);
  out.clearOptions();
  return length;
}

function writeData(
  tcb: Tcb,
  target: TransmitTarget,
  seq: number,
  bytes: number,
  hasFin: boolean,
): number {
  tcb.pacer.take(bytes);
  tcb.counters.dataSegmentsSent++;
  const isLast = seqGte(seqAdd(seq, bytes), seqAdd(tcb.snd.una, tcb.snd.ring.length));
  tcb.out.seq = seq;
  tcb.out.flags = TcpFlag.ack | (isLast && bytes > 0 ? TcpFlag.psh : 0) | // RFC 9293 §3.9.1, SHOULD-28
    (hasFin ? TcpFlag.fin : 0);
  return writeAcknowledging(tcb, target, bytes);
}

/** An ACK alone, with the SACK blocks that lie in `out` already. */
function writeAck(
  tcb: Tcb,
  target: TransmitTarget,
  allowedBytes = allowedAckBytes(tcb, target),
): number {
  if (!tcb.isSackPermitted) tcb.out.sackCount = 0;
  tcb.out.seq = tcb.snd.emptySeq;
  tcb.out.flags = TcpFlag.ack;
  payAck(tcb);
  const length = writeAcknowledging(tcb, target, 0, allowedBytes);
  tcb.out.sackCount = 0;
  return length;
}

/** What closes a window to be asked for it is followed by an ACK as they are from then on (`outage.ts`). */
function payAck(tcb: Tcb): void {
  if (tcb.receive.held !== "closing") tcb.owed.drop(Debt.ack);
}

/** A segment from before SND.UNA, which the peer must answer with an ACK (RFC 9293 §3.8.4, §3.8.6.1). */
function writeProbe(tcb: Tcb, target: TransmitTarget): number {
  if (tcb.owed.take(Debt.zeroWindowProbe)) {
    tcb.counters.zeroWindowProbes++;
    armPersist(tcb, target.now);
  } else tcb.counters.keepaliveProbes++;
  tcb.owed.drop(Debt.keepaliveProbe); // the answer to either is a sign of life
  tcb.out.seq = seqAdd(tcb.snd.una, -1);
  tcb.out.flags = TcpFlag.ack;
  return writeAcknowledging(tcb, target, 0);
}

/**
 * With ACK and window. The debt of an ACK is paid by new data and by an ACK alone: what goes again and what probes may be dropped
 * before its ACK is looked at, the one by a peer that has no memory for data (google/gvisor
 * `pkg/tcpip/transport/tcp/segment_queue.go`, enqueue), the other because it lies before the window.
 */
function writeAcknowledging(
  tcb: Tcb,
  target: TransmitTarget,
  payloadBytes: number,
  allowedBytes = allowedAckBytes(tcb, target),
): number {
  const { receive, ackPacing } = tcb;
  const { pacedBytes } = receive;
  const isClosed = receive.held === "closed";
  receive.flightLimitBytes = tcb.receiveTuning.grow(allowedBytes);
  tcb.out.window = receive.advertise(pacedBytes - allowedBytes);
  if (allowedBytes > 0) ackPacing.take(allowedBytes, pacedBytes - allowedBytes, target.now);
  if (allowedBytes < pacedBytes) armAckPacing(tcb, target.now);
  else tcb.timers.clear(TcpTimer.paceAck);
  // `outage.ts` has why.
  tcb.out.ack = isClosed ? seqAdd(receive.rcvNxt, -1) : receive.acknowledged;
  return writePacket(tcb, target, payloadBytes);
}

/** How much of what came may be acknowledged now. */
function allowedAckBytes(
  { receive, receiveTuning, ackPacing, rtt }: Tcb,
  { way, now }: TransmitTarget,
): number {
  receiveTuning.handleHole(receive.hasHole);
  receive.flightLimitBytes = receiveTuning.limitBytes(receive.rcvNxt, way, rtt.minMs, now);
  return ackPacing.allowedBytes(receive.pacedBytes, receiveTuning, now);
}

function armAckPacing(tcb: Tcb, now: Instant): void {
  tcb.timers.set(TcpTimer.paceAck, tcb.ackPacing.retryAt(tcb.receive.pacedBytes, now));
}

/** Writes IPv6 header, TCP header as in `tcb.out`, and `payloadBytes` of the send buffer from `out.seq` on. */
function writePacket(tcb: Tcb, target: TransmitTarget, payloadBytes: number): number {
  const { view, offset } = target;
  const { ip, out, endpoints } = tcb;
  const tcpOffset = offset + IPV6_HEADER_BYTES;
  const headerBytes = writeTcp(view, tcpOffset, out);
  let payloadSum = 0;
  if (payloadBytes > 0) {
    const position = seqDiff(out.seq, tcb.snd.una);
    payloadSum = tcb.snd.ring.copyTo(position, payloadBytes, view, tcpOffset + headerBytes);
  }
  const segmentBytes = headerBytes + payloadBytes;
  writeTcpChecksum(view, tcpOffset, segmentBytes, headerBytes, tcb.addressSum, payloadSum);
  ip.payloadBytes = segmentBytes;
  ip.nextHeader = NextHeader.tcp;
  ip.hopLimit = DEFAULT_HOP_LIMIT;
  writeIpv6(view, offset, ip, endpoints.localAddress, endpoints.remoteAddress);
  return IPV6_HEADER_BYTES + segmentBytes;
}

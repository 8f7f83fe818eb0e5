/**
 * What an ACK means to the sending side: window (RFC 9293 §3.10.7.4 fifth), SND.UNA, SACK blocks (RFC 2018 §5),
 * round trips (RFC 6298), growth of the congestion window, and the timers that hang on progress.
 * Losses are judged in `recovery.ts`.
 */
import type { Instant } from "../base/core.ts";
import { seqAdd, seqDiff, seqGt, seqGte, seqLt } from "../base/seq.ts";
import { TcpFlag, type TcpHeader } from "../wire/tcp.ts";
import type { IncomingSegment } from "./incoming.ts";
import { CHALLENGE_ACK_GAP_MS, MIN_SEND_QUEUE_BYTES } from "./limits.ts";
import { Debt } from "./owed.ts";
import { judgeLosses, sendAllAgain } from "./recovery.ts";
import type { Tcb } from "./tcb.ts";
import { TcpTimer } from "./timers.ts";

/** A writer that waits is told when this part of what it may queue is free. */
const WRITABLE_FRACTION = 1 / 4;

/** Handles the ACK of a segment; false when it is not acceptable and the segment must be dropped. */
export function handleAck(tcb: Tcb, segment: IncomingSegment, now: Instant): boolean {
  const header = segment.header;
  const ack = header.ack;
  // RFC 5961 §5.2: SND.UNA - MAX.SND.WND =< SEG.ACK =< SND.NXT
  if (seqGt(ack, tcb.snd.nxt) || seqLt(ack, seqAdd(tcb.snd.una, -tcb.snd.maxWnd))) {
    oweChallengeAck(tcb, now);
    return false;
  }
  const isNew = seqGt(ack, tcb.snd.una);
  const isDuplicate = !isNew && isDuplicateAck(tcb, segment);
  if (seqGte(ack, tcb.snd.una)) updateWindow(tcb, header, now);
  // Nothing of ours could make progress, and the peer is there (RFC 9293 §3.8.6.1).
  if (tcb.snd.flightSize === 0 || tcb.snd.wnd === 0) {
    tcb.stalledMs = 0;
    tcb.timeouts = 0;
  }
  const hasBlocks = tcb.isSackPermitted && header.sackCount > 0 && tcb.snd.sent.count > 0;
  if (!isNew && !isDuplicate && !hasBlocks) return true;

  const flightBefore = tcb.snd.sent.pipeBytes;
  tcb.rack.beginAck();
  if (isNew) advance(tcb, ack, now);
  if (hasBlocks) markBlocks(tcb, header, now);
  if (tcb.rack.sampleMs >= 0) tcb.rtt.sample(tcb.rack.sampleMs);
  if (tcb.rack.deliveredBytes > 0) {
    tcb.deliveryRate.handleDelivered(tcb.rack.deliveredBytes, tcb.rtt.srttMs, now);
  }
  judgeLosses(tcb, isNew ? "advance" : isDuplicate ? "duplicate" : "blocks", now);
  if (tcb.rack.deliveredBytes > 0) grow(tcb, flightBefore, now);
  if (isNew) rearm(tcb, now);
  return true;
}

/** Owes an ACK that says where we stand, unless one like it was sent just now (RFC 5961 §7). */
export function oweChallengeAck(tcb: Tcb, now: Instant): void {
  if (now - tcb.lastChallengeAt < CHALLENGE_ACK_GAP_MS) {
    tcb.counters.drop("challenge-limited");
    return;
  }
  tcb.lastChallengeAt = now;
  tcb.counters.challengeAcks++;
  tcb.owed.owe(Debt.ack);
}

/** RFC 5681 §2, the five conditions of a duplicate. */
function isDuplicateAck(tcb: Tcb, segment: IncomingSegment): boolean {
  return segment.header.ack === tcb.snd.una && tcb.snd.flightSize > 0 &&
    segment.payloadBytes === 0 &&
    !segment.has(TcpFlag.fin) && !segment.has(TcpFlag.syn) &&
    segment.header.window * 2 ** tcb.snd.wndShift === tcb.snd.wnd;
}

function updateWindow(tcb: Tcb, header: TcpHeader, now: Instant): void {
  // RFC 9293 §3.10.7.4: an old segment must not change the window.
  const isNewer = seqLt(tcb.snd.wl1, header.seq) ||
    (tcb.snd.wl1 === header.seq && seqGte(header.ack, tcb.snd.wl2));
  if (!isNewer) return;
  const wasTaken = tcb.snd.isWindowTaken;
  tcb.snd.setWindow(header, header.window * 2 ** tcb.snd.wndShift);
  if (wasTaken && tcb.snd.wnd > 0) reopen(tcb, now);
  if (tcb.snd.usableWindow > 0 && tcb.timers.isSet(TcpTimer.persist)) {
    tcb.timers.clear(TcpTimer.persist);
    tcb.persistBackoff = 0;
  }
}

/** The peer gives back the window that it took: what found no room there goes again, and at once. */
function reopen(tcb: Tcb, now: Instant): void {
  tcb.persistBackoff = 0;
  tcb.rtt.clearBackoff();
  sendAllAgain(tcb);
  tcb.timers.set(TcpTimer.retransmit, now + tcb.rtt.rtoMs);
}

/** Moves SND.UNA to `ack`. */
function advance(tcb: Tcb, ack: number, now: Instant): void {
  const acked = seqDiff(ack, tcb.snd.una);
  const coversFin = tcb.snd.finSent && ack === tcb.snd.nxt;
  tcb.snd.sent.acknowledge(ack, now, tcb.rack, tcb.rtt.minMs);
  tcb.snd.ring.drop(coversFin ? acked - 1 : acked);
  tcb.counters.bytesAcknowledged += acked;
  tcb.snd.una = ack;
  tcb.rtt.easeBackoff();
  tcb.timeouts = 0;
  tcb.stalledMs = 0;
  if (tcb.tailProbeEnd !== undefined && seqGte(ack, tcb.tailProbeEnd)) tcb.tailProbeEnd = undefined;
  if (tcb.moveEnd !== undefined && seqGte(ack, tcb.moveEnd)) tcb.moveEnd = undefined;
  if (!tcb.news.isWriterWaiting) return;
  const limit = queueLimit(tcb);
  if (limit - tcb.snd.ring.length >= limit * WRITABLE_FRACTION) tcb.news.addWritable();
}

/** What may be queued: twice the congestion window, so that a slow path holds no minute of unsent data. */
export function queueLimit(tcb: Tcb): number {
  return Math.min(
    tcb.options.sendBufferBytes,
    Math.max(MIN_SEND_QUEUE_BYTES, 2 * tcb.congestion.cwndBytes),
  );
}

function markBlocks(tcb: Tcb, header: TcpHeader, now: Instant): void {
  for (let i = 0; i < header.sackCount; i++) {
    const left = header.sackLeft[i] ?? 0;
    const right = header.sackRight[i] ?? 0;
    // A block below SND.UNA is a DSACK (RFC 2883), one beyond SND.NXT a lie: both say nothing here.
    if (!seqLt(left, right) || seqLt(left, tcb.snd.una) || seqGt(right, tcb.snd.nxt)) continue;
    tcb.snd.sent.markSacked(left, right, now, tcb.rack, tcb.rtt.minMs);
  }
}

function grow(tcb: Tcb, flightBefore: number, now: Instant): void {
  // RFC 6675 §5: the window stays at ssthresh; and what went another way tells nothing of this one.
  if (tcb.phase === "recovery" || tcb.moveEnd !== undefined) return;
  const cwnd = tcb.congestion.cwndBytes;
  // RFC 9438 §5.8, RFC 7661: a window that was not used says nothing about the network.
  const isLimited = tcb.congestion.isSlowStart
    ? flightBefore * 2 >= cwnd
    : flightBefore + 2 * tcb.snd.mssBytes >= cwnd;
  if (!isLimited) {
    if (flightBefore * 2 < cwnd) tcb.congestion.pauseEpoch();
    return;
  }
  const facts = tcb.facts;
  facts.bytes = tcb.rack.deliveredBytes;
  facts.now = now;
  facts.sampleMs = tcb.rack.sampleMs;
  facts.srttMs = Math.max(0, tcb.rtt.srttMs);
  facts.sndUna = tcb.snd.una;
  facts.sndNxt = tcb.snd.nxt;
  tcb.congestion.handleAck(facts);
}

/** RFC 6298 §5.2, §5.3 */
function rearm(tcb: Tcb, now: Instant): void {
  if (tcb.snd.flightSize === 0) {
    // What found no room until now has nothing left to ask for or to repeat.
    tcb.owed.drop(Debt.tailProbe);
    tcb.owed.drop(Debt.retransmit);
    tcb.timers.clear(TcpTimer.retransmit);
    tcb.timers.clear(TcpTimer.tailProbe);
    tcb.timers.clear(TcpTimer.reorder);
    return;
  }
  tcb.timers.set(TcpTimer.retransmit, now + tcb.rtt.rtoMs);
  armTailProbe(tcb, now);
}

/** When the peers' ACK of a single segment may take longer than a round trip (RFC 8985 §7.2, TLP.max_ack_delay). */
const MAX_ACK_DELAY_MS = 20;
const MIN_TAIL_PROBE_MS = 10;
/** No round trip was measured yet, as after a SYN that was lost. */
const UNMEASURED_TAIL_PROBE_MS = 1_000;

/** Should be called when data was sent or acknowledged (RFC 8985 §7.2). */
export function armTailProbe(tcb: Tcb, now: Instant): void {
  const isUseful = tcb.isSackPermitted && tcb.phase === "open" && tcb.snd.sent.sackedCount === 0 &&
    tcb.snd.sent.count > 0 && tcb.tailProbeEnd === undefined &&
    !tcb.snd.isWindowTaken;
  if (!isUseful) {
    tcb.timers.clear(TcpTimer.tailProbe);
    return;
  }
  const slackMs = tcb.snd.sent.count === 1 ? MAX_ACK_DELAY_MS : 0;
  const waitMs = tcb.rtt.hasSample
    ? Math.max(MIN_TAIL_PROBE_MS, 2 * tcb.rtt.srttMs + slackMs)
    : UNMEASURED_TAIL_PROBE_MS;
  const probeAt = now + waitMs;
  // The probe comes in place of a timeout that would be due before it (TLP_calc_PTO).
  tcb.timers.set(TcpTimer.tailProbe, Math.min(probeAt, tcb.timers.get(TcpTimer.retransmit)));
}

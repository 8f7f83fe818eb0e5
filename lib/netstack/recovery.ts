/**
 * Losses and what follows from them: with SACK, RACK's judgement and a window kept by "pipe" (RFC 8985 §6, RFC 6675
 * §5); without, counted duplicates and NewReno (RFC 5681 §3.2, RFC 6582 §3.2).
 */
import type { Instant } from "../base/core.ts";
import { seqGt, seqGte } from "../base/seq.ts";
import { hasGrown } from "./hystart.ts";
import { DUPLICATE_THRESHOLD } from "./rack.ts";
import { Debt } from "./owed.ts";
import type { Tcb } from "./tcb.ts";
import { TcpTimer } from "./timers.ts";

/** What an ACK did: moved SND.UNA, was a duplicate (RFC 5681 §2), or brought SACK blocks only. */
export type AckKind = "advance" | "duplicate" | "blocks";

/** Should be called after an ACK moved SND.UNA, brought SACK blocks or was a duplicate. */
export function judgeLosses(tcb: Tcb, kind: AckKind, now: Instant): void {
  if (tcb.phase !== "open" && seqGte(tcb.snd.una, tcb.recoveryPoint)) {
    tcb.phase = "open";
    tcb.duplicateAcks = 0;
  }
  if (tcb.isSackPermitted) detectLosses(tcb, now);
  else countDuplicates(tcb, kind);
  followLosses(tcb);
}

/** Marks what RACK takes for lost and arms the timer for what it cannot tell yet. */
export function detectLosses(tcb: Tcb, now: Instant): void {
  if (!tcb.snd.sent.isSuspicious) {
    tcb.timers.clear(TcpTimer.reorder);
    return;
  }
  const windowMs = tcb.rack.reorderingWindowMs({
    isRecovering: tcb.phase !== "open",
    sackedCount: tcb.snd.sent.sackedCount,
    minRttMs: tcb.rtt.minMs,
    srttMs: tcb.rtt.srttMs,
  });
  const waitMs = tcb.snd.sent.detectLost(tcb.rack, windowMs, now);
  if (waitMs > 0) tcb.timers.set(TcpTimer.reorder, now + waitMs);
  else tcb.timers.clear(TcpTimer.reorder);
}

/** Should be called when the reordering timer fired (RFC 8985 §6.3). */
export function handleReorderTimeout(tcb: Tcb, now: Instant): void {
  detectLosses(tcb, now);
  followLosses(tcb);
}

function followLosses(tcb: Tcb): void {
  if (tcb.phase === "open" && tcb.snd.sent.hasLost) enterRecovery(tcb);
  // A few losses left slow start as it was: as soon as they are more, they are for want of room.
  else if (tcb.phase === "recovery" && tcb.congestion.isSlowStart) tellLoss(tcb);
}

/** What the network is thought to hold. Without SACK every duplicate ACK stands for a segment that arrived. */
export function pipeBytes(tcb: Tcb): number {
  const pipe = tcb.snd.sent.pipeBytes;
  if (tcb.isSackPermitted || tcb.duplicateAcks === 0) return pipe;
  return Math.max(0, pipe - tcb.duplicateAcks * tcb.snd.mssBytes); // RFC 6582 §3.2 step 3, window inflation
}

/** Should be called when the retransmission timer fired with data in flight (RFC 5681 §3.1, RFC 6675 §5.1). */
export function enterLoss(tcb: Tcb): void {
  tcb.congestion.handleTimeout(
    Math.min(tcb.snd.flightSize, tcb.congestion.cwndBytes),
    tcb.timeouts,
  );
  sendAllAgain(tcb);
}

/** Everything in flight leaves again, as the window of congestion allows it: that it was lost is not the network's doing. */
export function sendAllAgain(tcb: Tcb): void {
  tcb.snd.sent.markAllLost();
  tcb.phase = "loss";
  tcb.recoveryPoint = tcb.snd.nxt;
  tcb.duplicateAcks = 0;
  endTailProbe(tcb);
  tcb.owed.owe(Debt.retransmit);
  tcb.timers.clear(TcpTimer.reorder);
}

function enterRecovery(tcb: Tcb): void {
  tcb.counters.fastRecoveries++;
  tcb.lostBefore = tcb.snd.sent.everLostBytes - tcb.snd.sent.lostBytes;
  tellLoss(tcb);
  tcb.phase = "recovery";
  tcb.recoveryPoint = tcb.snd.nxt;
  endTailProbe(tcb);
  tcb.owed.owe(Debt.retransmit); // RFC 6675 §5 step 4.3: the first goes out whatever "pipe" says
}

function tellLoss(tcb: Tcb): void {
  if (tcb.moveEnd !== undefined) return; // `handleMove` has why
  const { rtt, snd, congestion } = tcb;
  congestion.handleLoss(Math.min(tcb.flightPeak.bytes, congestion.cwndBytes), {
    pathBytes: tcb.deliveryRate.pathBytes(rtt.minMs),
    // Over a relay even a few losses say that it was too much: nothing else loses anything there.
    lostBytes: tcb.sendWay.queueBytes === undefined
      ? snd.sent.everLostBytes - tcb.lostBefore
      : Infinity,
    isQueueing: hasGrown(rtt.recentMinMs, rtt.minMs),
  });
}

/** RFC 8985 §7.2: probes are for before there are losses. */
function endTailProbe(tcb: Tcb): void {
  tcb.tailProbeEnd = undefined;
  tcb.owed.drop(Debt.tailProbe);
  tcb.timers.clear(TcpTimer.tailProbe);
}

function countDuplicates(tcb: Tcb, kind: AckKind): void {
  if (tcb.phase === "loss") { // everything is sent again anyway, and what is not needed comes back as duplicates
    tcb.duplicateAcks = 0;
    return;
  }
  if (kind === "duplicate") {
    tcb.duplicateAcks++;
    // RFC 6582 §3.2 step 2: duplicates of data below "recover" are echoes of our own retransmissions.
    const isFresh = seqGt(tcb.snd.una, tcb.recoveryPoint);
    if (tcb.phase === "open" && tcb.duplicateAcks === DUPLICATE_THRESHOLD && isFresh) {
      tcb.snd.sent.markLost(0);
    }
    return;
  }
  if (kind !== "advance") return;
  if (tcb.phase === "recovery" && tcb.snd.sent.count > 0) {
    // RFC 6582 §3.2 step 5, a partial ACK: the next hole begins right there.
    const acked = Math.ceil(tcb.rack.deliveredBytes / tcb.snd.mssBytes);
    tcb.duplicateAcks = Math.max(0, tcb.duplicateAcks - acked + 1);
    tcb.snd.sent.markLost(0);
    tcb.owed.owe(Debt.retransmit);
    return;
  }
  tcb.duplicateAcks = 0;
}

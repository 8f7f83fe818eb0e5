/**
 * Losses and what follows from them: with SACK, RACK's judgement and a window kept by "pipe" (RFC 8985 §6, RFC 6675
 * §5); without, counted duplicates and NewReno (RFC 5681 §3.2, RFC 6582 §3.2).
 */
import type { Instant } from "../base/core.ts";
import { seqGt, seqGte } from "../base/seq.ts";
import { DUPLICATE_THRESHOLD } from "./rack.ts";
import type { Tcb } from "./tcb.ts";
import { TcpTimer } from "./timers.ts";

/** What an ACK did: moved SND.UNA, was a duplicate (RFC 5681 §2), or brought SACK blocks only. */
export type AckKind = "advance" | "duplicate" | "blocks";

/** Should be called after an ACK moved SND.UNA, brought SACK blocks or was a duplicate. */
export function judgeLosses(tcb: Tcb, kind: AckKind, now: Instant): void {
  if (tcb.phase !== "open" && seqGte(tcb.sndUna, tcb.recoveryPoint)) {
    tcb.phase = "open";
    tcb.duplicateAcks = 0;
  }
  if (tcb.isSackPermitted) detectLosses(tcb, now);
  else countDuplicates(tcb, kind);
  if (tcb.phase === "open" && tcb.sent.hasLost) enterRecovery(tcb);
}

/** Marks what RACK takes for lost and arms the timer for what it cannot tell yet. */
export function detectLosses(tcb: Tcb, now: Instant): void {
  if (!tcb.sent.isSuspicious) {
    tcb.timers.clear(TcpTimer.reorder);
    return;
  }
  const windowMs = tcb.rack.reorderingWindowMs({
    isRecovering: tcb.phase !== "open",
    sackedCount: tcb.sent.sackedCount,
    minRttMs: tcb.rtt.minMs,
    srttMs: tcb.rtt.srttMs,
  });
  const waitMs = tcb.sent.detectLost(tcb.rack, windowMs, now);
  if (waitMs > 0) tcb.timers.set(TcpTimer.reorder, now + waitMs);
  else tcb.timers.clear(TcpTimer.reorder);
}

/** Should be called when the reordering timer fired (RFC 8985 §6.3). */
export function handleReorderTimeout(tcb: Tcb, now: Instant): void {
  detectLosses(tcb, now);
  if (tcb.phase === "open" && tcb.sent.hasLost) enterRecovery(tcb);
}

/** What the network is thought to hold. Without SACK every duplicate ACK stands for a segment that arrived. */
export function pipeBytes(tcb: Tcb): number {
  const pipe = tcb.sent.pipeBytes;
  if (tcb.isSackPermitted || tcb.duplicateAcks === 0) return pipe;
  return Math.max(0, pipe - tcb.duplicateAcks * tcb.mssBytes); // RFC 6582 §3.2 step 3, window inflation
}

/** Should be called when the retransmission timer fired with data in flight (RFC 5681 §3.1, RFC 6675 §5.1). */
export function enterLoss(tcb: Tcb): void {
  tcb.congestion.handleTimeout(Math.min(tcb.flightSize, tcb.congestion.cwndBytes), tcb.timeouts);
  tcb.sent.markAllLost();
  tcb.phase = "loss";
  tcb.recoveryPoint = tcb.sndNxt;
  tcb.duplicateAcks = 0;
  tcb.isTailProbing = false;
  tcb.retransmitOwed = true;
  tcb.timers.clear(TcpTimer.tailProbe);
  tcb.timers.clear(TcpTimer.reorder);
}

function enterRecovery(tcb: Tcb): void {
  tcb.counters.fastRecoveries++;
  tcb.congestion.handleLoss(Math.min(tcb.flightSize, tcb.congestion.cwndBytes));
  tcb.phase = "recovery";
  tcb.recoveryPoint = tcb.sndNxt;
  tcb.isTailProbing = false;
  tcb.retransmitOwed = true; // RFC 6675 §5 step 4.3: the first goes out whatever "pipe" says
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
    const isFresh = seqGt(tcb.sndUna, tcb.recoveryPoint);
    if (tcb.phase === "open" && tcb.duplicateAcks === DUPLICATE_THRESHOLD && isFresh) {
      tcb.sent.markLost(0);
    }
    return;
  }
  if (kind !== "advance") return;
  if (tcb.phase === "recovery" && tcb.sent.count > 0) {
    // RFC 6582 §3.2 step 5, a partial ACK: the next hole begins right there.
    const acked = Math.ceil(tcb.rack.deliveredBytes / tcb.mssBytes);
    tcb.duplicateAcks = Math.max(0, tcb.duplicateAcks - acked + 1);
    tcb.sent.markLost(0);
    tcb.retransmitOwed = true;
    return;
  }
  tcb.duplicateAcks = 0;
}

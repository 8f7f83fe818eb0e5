/** What a connection does when one of its timers is due. The table of timers is in `timers.ts`. */
import { assertNever, type Instant } from "../base/core.ts";
import { enterLoss, handleReorderTimeout } from "./recovery.ts";
import { expectGap, openWindow } from "./outage.ts";
import { handleRepeatAck } from "./repeated_ack.ts";
import { isSynchronized } from "./state.ts";
import { Debt } from "./owed.ts";
import type { Tcb } from "./tcb.ts";
import { persistMs } from "./transmit.ts";
import { TcpTimer } from "./timers.ts";

/** Handles every timer that is due; harmless when none is. */
export function handleTimers(tcb: Tcb, now: Instant): void {
  let timer = tcb.timers.pop(now);
  while (timer !== undefined) {
    handleTimer(tcb, timer, now);
    timer = tcb.timers.pop(now);
  }
}

function handleTimer(tcb: Tcb, timer: TcpTimer, now: Instant): void {
  switch (timer) {
    case TcpTimer.retransmit:
      handleRetransmitTimeout(tcb, now);
      return;
    case TcpTimer.tailProbe:
      if (tcb.phase !== "open" || tcb.snd.sent.count === 0) return;
      tcb.owed.owe(Debt.tailProbe);
      tcb.timers.set(TcpTimer.retransmit, now + tcb.rtt.rtoMs); // RFC 8985 §7.3
      return;
    case TcpTimer.reorder:
      handleReorderTimeout(tcb, now);
      return;
    case TcpTimer.persist:
      handlePersistTimeout(tcb, now);
      return;
    case TcpTimer.keepalive:
      handleKeepaliveTimeout(tcb, now);
      return;
    case TcpTimer.pace: // `transmit` asks the pacer again
      return;
    case TcpTimer.timeWait:
      tcb.enter("closed", now);
      return;
    case TcpTimer.held:
      tcb.close({ kind: "lost", message: "Connection was neither accepted nor refused" }, now);
      return;
    case TcpTimer.reopen:
      openWindow(tcb);
      return;
    case TcpTimer.paceAck:
      tcb.owed.owe(Debt.ack);
      return;
    case TcpTimer.repeatAck:
      handleRepeatAck(tcb, now);
      return;
    default:
      assertNever(timer);
  }
}

function handleRetransmitTimeout(tcb: Tcb, now: Instant): void {
  if (tcb.snd.isWindowTaken && isSynchronized(tcb.state)) return askTakenWindow(tcb, now);
  tcb.counters.timeouts++;
  tcb.timeouts++;
  tcb.stalledMs += tcb.rtt.rtoMs;
  if (!isSynchronized(tcb.state)) {
    handleSynTimeout(tcb, now);
    return;
  }
  if (hasGivenUp(tcb)) {
    tcb.close({ kind: "lost", message: "Connection timed out: no answer" }, now);
    return;
  }
  tcb.rtt.backOff(); // RFC 6298 §5.5
  enterLoss(tcb); // RFC 6298 §5.4
}

/** A SYN is small and there is one: on a path that loses, four seconds more or less are what is felt. */
const MAX_SYN_WAIT_MS = 4_000;

function handleSynTimeout(tcb: Tcb, now: Instant): void {
  if (tcb.stalledMs >= tcb.options.connectGiveUpMs) {
    tcb.close({ kind: "lost", message: "Connection timed out: no answer to SYN" }, now);
    return;
  }
  // A first retry that was asked to be early says nothing about the path.
  const wasEarly = tcb.synCount === 1 && tcb.options.firstSynRetryMs > 0;
  if (!wasEarly && tcb.rtt.rtoMs < MAX_SYN_WAIT_MS) tcb.rtt.backOff();
  tcb.owed.owe(Debt.syn);
}

/**
 * Should be called when the network under the connection came back: what waits for a timer that has backed off is
 * tried at once. Says nothing about congestion.
 */
export function resume(tcb: Tcb, now: Instant): void {
  if (tcb.state === "syn-sent" || tcb.state === "syn-received") {
    tcb.rtt.clearBackoff();
    tcb.owed.owe(Debt.syn);
    return;
  }
  if (!isSynchronized(tcb.state) || tcb.state === "time-wait") return;
  expectGap(tcb, now);
  tcb.rtt.forgetLeast();
  if (tcb.timeouts > 0 && tcb.snd.flightSize > 0) {
    tcb.rtt.clearBackoff();
    tcb.snd.sent.markAllLost();
    tcb.owed.owe(Debt.retransmit);
    tcb.timers.set(TcpTimer.retransmit, now + tcb.rtt.rtoMs);
  } else if (tcb.snd.isWindowTaken) {
    tcb.persistBackoff = 0;
    tcb.owed.owe(Debt.zeroWindowProbe);
    tcb.timers.set(TcpTimer.retransmit, now + persistMs(tcb));
  } else if (tcb.timers.isSet(TcpTimer.persist)) {
    tcb.persistBackoff = 0;
    tcb.timers.clear(TcpTimer.persist);
    tcb.owed.owe(Debt.zeroWindowProbe);
  } else if (tcb.options.keepaliveMs > 0 && tcb.snd.flightSize === 0) {
    // The peer may have given up meanwhile on what it sent to us: then this is answered with a reset.
    tcb.owed.owe(Debt.keepaliveProbe);
  }
}

/** What became of the way that packets took: nothing arrives there any more, or another one is better. */
export type PathFate = "died" | "left";

/**
 * Should be called when the path under the connection died and another is in use: what was under way is lost, and round-trip
 * time and congestion window say nothing of the new one (as QUIC has it, RFC 9000 §9.4).
 */
export function handlePathDeath(tcb: Tcb, now: Instant): void {
  if (!isSynchronized(tcb.state) || tcb.state === "time-wait" || tcb.snd.flightSize === 0) {
    return resume(tcb, now);
  }
  enterLoss(tcb);
  tcb.timeouts = 0;
  tcb.rtt.reset();
  tcb.beginCongestion();
  tcb.timers.set(TcpTimer.retransmit, now + tcb.rtt.rtoMs);
}

/**
 * Should be called when packets take another path from now on, while those under way still arrive by the old one. What was learnt of
 * that is no measure for the new one (RFC 9000 §9.4); the timeout alone stays, for it is what was sent before that is waited for.
 * And whoever came by the shorter way makes the others look lost, which says nothing of either.
 */
export function handleMove(tcb: Tcb): void {
  if (!isSynchronized(tcb.state) || tcb.state === "time-wait") return;
  tcb.rtt.forgetLeast();
  tcb.beginCongestion();
  tcb.moveEnd = tcb.snd.flightSize > 0 ? tcb.snd.nxt : undefined;
}

/** RFC 9293 §3.8.3 leaves both limits to us; time is what we waited ourselves, so a machine may sleep. */
function hasGivenUp(tcb: Tcb): boolean {
  return tcb.stalledMs >= tcb.options.giveUpMs ||
    tcb.timeouts > tcb.options.giveUpRetransmissions;
}

function handlePersistTimeout(tcb: Tcb, now: Instant): void {
  if (tcb.snd.usableWindow > 0) {
    tcb.owed.owe(Debt.smallSegment);
    return;
  }
  askForWindow(tcb, now);
}

/** Whether the connection goes on. */
function askForWindow(tcb: Tcb, now: Instant): boolean {
  tcb.stalledMs += persistMs(tcb);
  if (hasGivenUp(tcb)) {
    tcb.close({ kind: "lost", message: "Connection timed out: no answer to window probes" }, now);
    return false;
  }
  tcb.persistBackoff++;
  tcb.owed.owe(Debt.zeroWindowProbe);
  return true;
}

/**
 * What is in flight has no room at the peer any more: that is no congestion, and no reason to give up while the peer answers
 * (RFC 9293 §3.8.6). The oldest segment goes again besides the probe: an opening that nobody told of is found by it, and a FIN may
 * be all that it is; the probe alone is answered by a peer that has no memory for data.
 */
function askTakenWindow(tcb: Tcb, now: Instant): void {
  if (!askForWindow(tcb, now)) return;
  tcb.snd.sent.markLost(0);
  tcb.owed.owe(Debt.retransmit);
  tcb.timers.set(TcpTimer.retransmit, now + persistMs(tcb));
}

function handleKeepaliveTimeout(tcb: Tcb, now: Instant): void {
  const { keepaliveMs } = tcb.options;
  if (!isSynchronized(tcb.state) || tcb.state === "time-wait") return;
  const quietMs = now - tcb.lastHeardAt;
  if (quietMs < keepaliveMs) {
    tcb.timers.set(TcpTimer.keepalive, tcb.lastHeardAt + keepaliveMs);
    return;
  }
  tcb.timers.set(TcpTimer.keepalive, now + keepaliveMs);
  if (tcb.snd.flightSize > 0) return; // the retransmission timer asks already
  tcb.stalledMs += keepaliveMs;
  if (hasGivenUp(tcb)) {
    tcb.close({ kind: "lost", message: "Connection timed out: no answer to keepalives" }, now);
    return;
  }
  tcb.owed.owe(Debt.keepaliveProbe);
}

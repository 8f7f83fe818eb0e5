/**
 * What came again although we have it says that the peer did not hear our ACK, and that it waits for a timeout each time: one that
 * doubles, and after a few of them agents give the connection up (`outage.ts`). On a path that loses, the one ACK that answers may be
 * lost as well, so it is said again when nothing follows, a few times, sooner than the peer would ask. RFC 9293 §3.10.7.4 wants the
 * first and forbids none; a peer that heard it takes the others for duplicates that say nothing new.
 */
import type { Instant } from "../base/core.ts";
import { Debt } from "./owed.ts";
import { isSynchronized } from "./state.ts";
import type { Tcb } from "./tcb.ts";
import { TcpTimer } from "./timers.ts";

const FIRST_WAIT_MS = 200;
const MAX_REPEATS = 3;

/** Should be called when a segment came that we had before. */
export function expectAnswer(tcb: Tcb, now: Instant): void {
  tcb.ackRepeats = 0;
  tcb.timers.set(TcpTimer.repeatAck, now + waitMs(tcb));
}

/** Should be called when something new came: the peer heard of us. */
export function handleAnswer(tcb: Tcb): void {
  tcb.timers.clear(TcpTimer.repeatAck);
}

/** Should be called when the timer is due. */
export function handleRepeatAck(tcb: Tcb, now: Instant): void {
  if (!isSynchronized(tcb.state) || tcb.state === "time-wait") return;
  tcb.owed.owe(Debt.ack);
  tcb.ackRepeats++;
  if (tcb.ackRepeats < MAX_REPEATS) tcb.timers.set(TcpTimer.repeatAck, now + waitMs(tcb));
}

function waitMs({ rtt, ackRepeats }: Tcb): number {
  return Math.max(FIRST_WAIT_MS, 2 * rtt.srttMs) * 2 ** ackRepeats;
}

/**
 * What holds between the parts of a connection whenever no call is under way. The code relies on it and does not check
 * it; the tests do after every step, and a log of counters says so if it ever fails.
 */
import { seqGt, seqLte } from "../base/seq.ts";
import type { Connection } from "./connection.ts";
import { Debt } from "./owed.ts";
import { canTransmitData, isSynchronized } from "./state.ts";
import type { Tcb } from "./tcb.ts";
import { TcpTimer } from "./timers.ts";

/** Says each rule that is broken, in words; nothing when all is well. */
export function brokenRules<Socket>(connection: Connection<Socket>): string[] {
  const { tcb } = connection;
  const rules: readonly (readonly [string, boolean])[] = [
    ...spaceRules(tcb),
    ...debtRules(tcb),
    ...timerRules(tcb),
    ["news are queued for the owner", tcb.news.isNothing !== connection.isEventQueued],
    ["debts are scheduled", tcb.owed.isNothing || connection.isScheduled],
    ["an end is told in the states after it", isOver(tcb) === (tcb.end !== undefined)],
    ["only an opening connection is in the backlog", !connection.isInBacklog || isOpening(tcb)],
    ["a destination is known until the end", !isOver(tcb) || !connection.isInBacklog],
  ];
  return rules.filter(([, holds]) => !holds).map(([name]) => `${tcb.state}: ${name}`);
}

/** The send sequence space against the segments and the ring that stand for it. */
function spaceRules(tcb: Tcb): [string, boolean][] {
  const { snd, receive } = tcb;
  if (!canTransmitData(tcb.state)) return [];
  const { sent, flightSize } = snd;
  return [
    ["SND.UNA =< SND.NXT", flightSize >= 0],
    ["segments are kept exactly while in flight", (sent.count > 0) === (flightSize > 0)],
    [
      "segments cover the flight",
      sent.count === 0 || (sent.startOf(0) === snd.una && sent.endOf(sent.count - 1) === snd.nxt),
    ],
    ["the ring holds the flight", snd.unsentBytes >= 0],
    ["pipe is within the flight", sent.pipeBytes >= 0 && sent.pipeBytes <= flightSize],
    ["a FIN is sent only when queued", !snd.finSent || snd.finQueued],
    [
      "a FIN is queued exactly when our side closes",
      snd.finQueued !== (tcb.state === "established" || tcb.state === "close-wait"),
    ],
    ["RCV.NXT =< the advertised edge", seqLte(receive.rcvNxt, receive.rcvAdv)],
    [
      "a recovery has a point to reach",
      tcb.phase === "open" || seqGt(tcb.recoveryPoint, snd.una),
    ],
    [
      "a tail probe ends within the flight",
      tcb.tailProbeEnd === undefined ||
      (seqGt(tcb.tailProbeEnd, snd.una) && seqLte(tcb.tailProbeEnd, snd.nxt)),
    ],
  ];
}

function debtRules(tcb: Tcb): [string, boolean][] {
  const { owed, snd } = tcb;
  const hasFlight = isSynchronized(tcb.state) && snd.flightSize > 0;
  return [
    ["nothing is owed after the end", tcb.state !== "closed" || owed.isNothing],
    ["a SYN is owed only while opening", !owed.has(Debt.syn) || !isSynchronized(tcb.state)],
    ["a tail probe is owed only with a flight", !owed.has(Debt.tailProbe) || hasFlight],
    ["a tail probe is owed only before losses", !owed.has(Debt.tailProbe) || tcb.phase === "open"],
    ["a retransmission is owed only with a flight", !owed.has(Debt.retransmit) || hasFlight],
  ];
}

function timerRules(tcb: Tcb): [string, boolean][] {
  const { timers, owed, snd } = tcb;
  const isSet = timers.isSet(TcpTimer.retransmit);
  const isTransmitting = canTransmitData(tcb.state);
  return [
    ["no timer runs after the end", tcb.state !== "closed" || timers.next() === Infinity],
    ["TIME-WAIT ends", tcb.state !== "time-wait" || timers.isSet(TcpTimer.timeWait)],
    ["a held SYN has a limit", tcb.state !== "syn-held" || timers.isSet(TcpTimer.held)],
    [
      "a SYN is repeated",
      !(tcb.state === "syn-sent" || tcb.state === "syn-received") || isSet || owed.has(Debt.syn),
    ],
    [
      "a flight is retransmitted",
      !isTransmitting || snd.flightSize === 0 || isSet || owed.has(Debt.retransmit),
    ],
    ["without a flight nothing is retransmitted", !isTransmitting || snd.flightSize > 0 || !isSet],
  ];
}

function isOver(tcb: Tcb): boolean {
  return tcb.state === "closed" || tcb.state === "time-wait";
}

function isOpening(tcb: Tcb): boolean {
  return tcb.state === "syn-received" || tcb.state === "syn-held";
}

/**
 * Keeps a connection over an outage in which the peer had something to send.
 *
 * Agents give up a segment that was sent six times in vain, and with it the connection: after about 12.6 s, the last time
 * after 6.2 s (google/gvisor `pkg/tcpip/transport/tcp/snd.go`, retransmitTimerExpired; coder/tailscale
 * `wgengine/netstack/netstack.go` sets five retransmissions). When the network is back between the two, nothing of the peer's
 * would come any more but the reset. A peer whose window is closed does not count: it asks for the window instead, as long as
 * it is answered (RFC 9293 §3.8.6.1), and when that opens it sends what is missing. So we close it, are asked, and open it.
 *
 * As long as the window is closed, every write of the peer's application begins its timer anew (snd.go, postXmit): a program that
 * prints a line each second would never let it ask. So what we say after the one segment that closes the window says the
 * window as it is, with an acknowledgement from before SND.UNA: gVisor takes the window of that, and goes on to ask all the same
 * (snd.go, handleRcvdSegment); a stack that goes by RFC 9293 §3.10.7.4 takes nothing of it.
 *
 * The peer shows that it needs this by an ACK without data from beyond what we have: what lies between was lost.
 */
import type { Instant } from "../base/core.ts";
import { seqAdd, seqGt } from "../base/seq.ts";
import type { IncomingSegment } from "./incoming.ts";
import { Debt } from "./owed.ts";
import type { Tcb } from "./tcb.ts";
import { TcpTimer } from "./timers.ts";

/** Until then an agent will send again by itself. */
const LONG_SILENCE_MS = 6_000;
/** How long after the network's return the peer may show that it misses something. */
const SHOW_MS = 5_000;
/** The peer asks after its current timeout, which began anew when we closed; in a longer one it has given up anyway. */
const REOPEN_MS = 20_000;

/** Should be called when the network under the connection came back. */
export function expectGap(tcb: Tcb, now: Instant): void {
  if (now - tcb.lastHeardAt >= LONG_SILENCE_MS) tcb.gapUntil = now + SHOW_MS;
}

/** Should be called with every acceptable segment, before its data is taken. */
export function handleGap(tcb: Tcb, segment: IncomingSegment, now: Instant): void {
  if (tcb.receive.held !== "open") {
    if (segment.payloadBytes > 0) openWindow(tcb);
    return;
  }
  if (now >= tcb.gapUntil) return;
  const isGap = segment.payloadBytes === 0 && seqGt(segment.header.seq, tcb.receive.rcvNxt);
  if (segment.payloadBytes > 0) tcb.gapUntil = -Infinity; // it sends by itself
  if (!isGap) return;
  tcb.gapUntil = -Infinity;
  tcb.receive.held = "closing";
  tcb.owed.owe(Debt.ack);
  tcb.timers.set(TcpTimer.reopen, now + REOPEN_MS);
}

/** Should be called with every segment from before the window: a probe is one. */
export function handleProbe(tcb: Tcb, segment: IncomingSegment): void {
  const isProbe = segment.header.seq === seqAdd(tcb.receive.rcvNxt, -1);
  if (tcb.receive.held !== "open" && isProbe) openWindow(tcb);
}

export function openWindow(tcb: Tcb): void {
  tcb.receive.held = "open";
  tcb.timers.clear(TcpTimer.reopen);
  tcb.owed.owe(Debt.ack);
}

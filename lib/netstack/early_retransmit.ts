/**
 * A hole behind which little came. Agents send again at once when three duplicate ACKs told something new each, and otherwise after a
 * timeout of 200 ms or more, with a window of one segment (google/gvisor `pkg/tcpip/transport/tcp/snd.go`, isDupAck, shouldEnterRecovery;
 * coder/tailscale `wgengine/netstack/netstack.go` switches RACK and its tail loss probes off). Of few segments, as keystrokes
 * and answers to small requests are, or of a burst of which a relay dropped the middle, no three follow the loss. RFC 5827 lowers the
 * sender's threshold then. Here the receiver comes up to it: the last bytes of what came are kept back from the SACK blocks of
 * the first duplicate ACKs, and when nothing followed for longer than packets are reordered by, the missing duplicates go out, each with a byte
 * more. (SACK is advice, RFC 2018 §8: a peer may not conclude anything from what a block leaves out.)
 */
import type { Instant } from "../base/core.ts";
import type { Tcb } from "./tcb.ts";
import { TcpTimer } from "./timers.ts";

/** As RACK's window for reordering (RFC 8985 §6.2 step 4). */
const ROUND_TRIP_FRACTION = 1 / 4;
/** How late a busy machine's turns make a packet. */
const MIN_WAIT_MS = 10;
/** Where no round trip was measured. */
const UNMEASURED_MS = 50;

/** Should be called after each ACK. */
export function watchHole({ receive, timers, rtt, isSackPermitted }: Tcb, now: Instant): void {
  if (!isSackPermitted || !receive.mayInsist) {
    timers.clear(TcpTimer.earlyRetransmit);
    return;
  }
  const waitMs = rtt.minMs === Infinity ? UNMEASURED_MS : ROUND_TRIP_FRACTION * rtt.minMs;
  timers.set(TcpTimer.earlyRetransmit, now + Math.max(MIN_WAIT_MS, waitMs));
}

/** What the stack counts instead of logging it. Plain numbers, read whenever somebody wants to know. */
import type { Icmpv6Reason } from "../wire/icmpv6.ts";
import type { Ipv6Reason } from "../wire/ipv6.ts";
import type { TcpReason } from "../wire/tcp.ts";
import type { UdpReason } from "../wire/udp.ts";

/** Why something that arrived, or that we owed, was dropped. */
export type DropReason =
  | Ipv6Reason
  | TcpReason
  | UdpReason
  | Icmpv6Reason
  | "not-for-us"
  | "unknown-protocol"
  | "tsmp-malformed"
  | "icmpv6-unhandled"
  | "backlog-full"
  | "sockets-full"
  | "replies-full"
  | "pongs-full"
  | "udp-unmatched"
  | "flows-full"
  | "datagrams-full"
  | "out-of-order-full"
  | "segment-outside-window"
  | "segment-without-ack"
  | "reset-outside-window"
  | "challenge-limited";

export class NetstackCounters {
  packetsIn = 0;
  packetsOut = 0;
  /** Segments with data, those that are sent again included. */
  dataSegmentsSent = 0;
  /** Of what we sent, and of what peers sent in order and without holes: what connections came forward. */
  bytesAcknowledged = 0;
  bytesReceived = 0;
  /** Segments sent again, for whatever reason. */
  retransmittedSegments = 0;
  /** Retransmission timers that fired, SYN included. */
  timeouts = 0;
  fastRecoveries = 0;
  tailProbes = 0;
  zeroWindowProbes = 0;
  keepaliveProbes = 0;
  challengeAcks = 0;
  duplicateAcksSent = 0;
  resetsIn = 0;
  resetsOut = 0;
  /** Times the burst cap held a segment back. */
  pacedWaits = 0;
  readonly drops = new Map<DropReason, number>();

  drop(reason: DropReason): void {
    this.drops.set(reason, (this.drops.get(reason) ?? 0) + 1);
  }

  dropsFor(reason: DropReason): number {
    return this.drops.get(reason) ?? 0;
  }
}

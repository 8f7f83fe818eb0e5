/** What a device says of a datagram that it was handed. */
import type { DropReason } from "./counters.ts";
import type { WireguardPeer } from "./peer.ts";

/** What came of a datagram. The object is reused by the next call, and so is not to be kept. */
export type Inbound = InboundData | InboundNone;

export interface InboundData {
  readonly kind: "data";
  readonly peer: WireguardPeer;
  /** An IPv6 packet without padding: a view of the datagram. */
  readonly packet: Uint8Array;
}

export interface InboundNone {
  readonly kind: "none";
  /** What it was, or why it was dropped. */
  readonly reason: "keepalive" | "initiation" | "response" | "cookie-reply" | DropReason;
  /** Who sent it, if that was proven. */
  readonly peer: WireguardPeer | undefined;
  /** With reason `cookie-required`: a datagram to be sent back to where this one came from. */
  readonly reply: Uint8Array | undefined;
}

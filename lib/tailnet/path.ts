/**
 * One way to one peer: over a relay, or straight to an address of the peer's (coder/tailscale `wgengine/magicsock/endpoint.go`
 * `addrForSendLocked`). A packet is written and sealed in the buffer that it leaves in, so a way hands out a place in it.
 *
 * Who does what:
 * - The router asks a peer for its best path *before* it asks the network stack for a packet; a peer without a path, or
 *   whose path has no room, keeps its packets in the stack.
 * - `slot`, the packet into it, `commit`: once for each packet, nothing between. A slot that is not committed is as if it
 *   had not been asked for.
 * - Which path is the best, what is pinged and when an address is trusted is decided elsewhere (`paths/`): cores that
 *   name ways by `DiscoPath`, and hold no `Path`.
 * - A relay's path is a link and the peer's key (`relay_path.ts`). A direct path is a datagram port and an endpoint
 *   (`direct_path.ts`): the port gathers datagrams as a link gathers frames, and the driver sends them; there is nothing to
 *   dial, so a port is no line. Where a packet must go two ways at once, as while an address is not trusted yet, the second way
 *   gets a copy by `send`.
 */
import type { Instant } from "../base/core.ts";
import type { DiscoPath } from "../disco/mod.ts";

/** A place for one packet. One object for all calls: what it says holds until the next `slot` or `commit` of its path. */
export interface PacketSlot {
  readonly buffer: Uint8Array<ArrayBuffer>;
  /** Where the packet begins; as many bytes as were asked for fit behind it. */
  readonly offset: number;
}

export interface Path {
  /** How disco, the coordinator and people name this way. */
  readonly where: DiscoPath;
  /** Whether packets may leave this way at all; room is another question. */
  readonly isReady: boolean;
  /** A place for a packet of at most `packetBytes`, written at `offset`; `undefined` while there is no room. */
  slot(packetBytes: number): PacketSlot | undefined;
  /**
   * Sends what was written into the slot, `packetBytes` of it; false when it is dropped as the network might, e.g. for
   * the rate that a relay announced.
   */
  commit(packetBytes: number, now: Instant): boolean;
  /** Sends a copy of a packet; false when it is dropped: no room, not ready, too much. */
  send(packet: Uint8Array, now: Instant): boolean;
}

/**
 * What arrives at a node, from a relay or by UDP: WireGuard messages whose packets go to the stack, and disco, whose answers
 * go back the way that it came.
 */
import type { Instant } from "../base/core.ts";
import { type DiscoPinger, isDisco } from "../disco/mod.ts";
import type { Netstack } from "../netstack/mod.ts";
import type { Endpoint } from "../wire/endpoint.ts";
import type { WireguardDevice } from "../wireguard/mod.ts";
import type { Direct } from "./direct.ts";
import type { NodeCounters, NodeEvent } from "./node_events.ts";
import type { Peers } from "./peers.ts";
import type { RelayLink } from "./relay_link.ts";

export interface InboundParts {
  readonly netstack: Netstack;
  readonly wireguard: WireguardDevice;
  readonly disco: DiscoPinger;
  readonly peers: Peers;
  readonly counters: NodeCounters;
}

export class Inbound {
  readonly #parts: InboundParts;
  #direct: Direct | undefined;

  constructor(parts: InboundParts) {
    this.#parts = parts;
  }

  /** From now on call-me-maybes and datagrams mean something. */
  useDirect(direct: Direct): void {
    this.#direct = direct;
  }

  /** Takes a packet that a relay brought from the node `source`; borrowed, decrypted in place. */
  handleRelayed(
    link: RelayLink,
    { source, packet }: { readonly source: Uint8Array; readonly packet: Uint8Array },
    now: Instant,
  ): NodeEvent | undefined {
    // WireGuard messages begin with 1 to 4: the common case is told apart by one byte.
    if ((packet[0] ?? 0) > 4 && isDisco(packet)) {
      return this.#handleDisco(link, { source, packet }, now);
    }
    const { netstack, wireguard, peers, counters } = this.#parts;
    const inbound = wireguard.handleDatagram(packet, now, source);
    const peer = inbound.peer === undefined ? undefined : peers.ofWireguard(inbound.peer);
    if (peer !== undefined) {
      peer.heardIn = link.region;
      peer.draining.handleRelayed(packet.length, now);
    }
    if (inbound.kind === "data") netstack.handlePacket(inbound.packet, now);
    else if (inbound.reply !== undefined) link.send(source, inbound.reply, now);
    else if (inbound.peer === undefined) counters.unknown++;
    return undefined;
  }

  /** Takes a datagram; borrowed, decrypted in place. Never throws for any bytes. */
  handleDatagram(datagram: Uint8Array, from: Endpoint, now: Instant): void {
    const direct = this.#direct;
    const { netstack, wireguard, peers, counters } = this.#parts;
    if (direct === undefined) return;
    counters.bytesIn += datagram.length;
    if (direct.handleDatagram(datagram, from, now).kind === "handled") return;
    const inbound = wireguard.handleDatagram(datagram, now, from.address);
    const peer = inbound.peer === undefined ? undefined : peers.ofWireguard(inbound.peer);
    if (peer !== undefined) direct.paths.handleHeard(peer.id, now);
    if (inbound.kind === "data") netstack.handlePacket(inbound.packet, now);
    else if (inbound.reply !== undefined) direct.port.send(inbound.reply, from);
    else if (inbound.peer === undefined) counters.unknown++;
  }

  #handleDisco(
    link: RelayLink,
    { source, packet }: { readonly source: Uint8Array; readonly packet: Uint8Array },
    now: Instant,
  ): NodeEvent | undefined {
    const { disco, counters } = this.#parts;
    const where = { kind: "relay", regionId: link.region } as const;
    const result = disco.handlePacket(packet, { ...where, nodeKey: source }, now);
    switch (result.kind) {
      case "ping":
        link.send(source, result.pong, now);
        return undefined;
      case "pong":
        return { kind: "pong", id: result.peerId, latencyMs: result.latencyMs, where };
      case "callMeMaybe":
        this.#direct?.paths.handleCallMeMaybe(result.peerId, result.endpoints, now);
        return undefined;
      case "dropped":
        counters.unknown++;
        return undefined;
    }
  }
}

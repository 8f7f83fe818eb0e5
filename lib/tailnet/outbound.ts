/**
 * What leaves a node: handshakes, packets of the stack's sockets and flows, its replies. Each packet is written, sealed and framed in
 * the batch of the way that it takes, which is asked for before the packet is.
 */
import type { Instant } from "../base/core.ts";
import type { Destination, Netstack, TcpSocket, UdpFlow } from "../netstack/mod.ts";
import { IPV6_DESTINATION_OFFSET, IPV6_HEADER_BYTES } from "../wire/ipv6.ts";
import type { WireguardDevice } from "../wireguard/mod.ts";
import type { NodeCounters } from "./node_events.ts";
import type { Peers } from "./peers.ts";
import type { Router } from "./router.ts";

export interface OutboundParts {
  readonly netstack: Netstack;
  readonly wireguard: WireguardDevice;
  readonly peers: Peers;
  readonly router: Router;
  readonly counters: NodeCounters;
}

const MTU_BYTES = 1_280;
const WIREGUARD_HEADER_BYTES = 16;
const WIREGUARD_TAG_BYTES = 16;
const MAX_SEALED_BYTES = MTU_BYTES + WIREGUARD_HEADER_BYTES + WIREGUARD_TAG_BYTES;

export class Outbound {
  readonly #parts: OutboundParts;
  /** For packets that lead to nobody. */
  readonly #scratch = new Uint8Array(MTU_BYTES);

  constructor(parts: OutboundParts) {
    this.#parts = parts;
  }

  /** Handshake messages and keepalives. */
  pumpWireguard(now: Instant): void {
    const { wireguard, peers, router, counters } = this.#parts;
    for (let out = wireguard.pollTransmit(); out; out = wireguard.pollTransmit()) {
      const peer = peers.ofWireguard(out.peer);
      const path = peer === undefined ? undefined : router.pathTo(peer, now);
      if (!(path?.send(out.datagram, now) ?? false)) counters.unsendable++;
    }
  }

  /** What the stack has, as far as there is room. */
  pumpStack(now: Instant): void {
    const { netstack } = this.#parts;
    this.#pumpReplies(now);
    this.#pumpDatagrams(now);
    for (let left = netstack.waitingDestinations; left > 0; left--) {
      const destination = netstack.nextDestination();
      if (destination !== undefined) this.#pumpTo(destination, now);
    }
  }

  /** Packets of no socket are not kept: whoever is not answered asks again. */
  #pumpReplies(now: Instant): void {
    const { netstack, wireguard, peers, router, counters } = this.#parts;
    for (let out = netstack.pollReply(); out; out = netstack.pollReply()) {
      const address = out.subarray(IPV6_DESTINATION_OFFSET, IPV6_HEADER_BYTES);
      const peer = peers.ofAddress(address);
      if (peer === undefined) {
        counters.unroutable++;
        continue;
      }
      const path = router.pathTo(peer, now);
      const slot = path?.slot(MAX_SEALED_BYTES);
      if (path === undefined || slot === undefined) {
        counters.unsendable++;
        continue;
      }
      slot.buffer.set(out, slot.offset + WIREGUARD_HEADER_BYTES);
      const sealedBytes = wireguard.seal(
        peer.wireguard,
        slot.buffer,
        slot.offset,
        out.length,
        now,
      );
      if (sealedBytes === 0 || !path.commit(sealedBytes, now)) counters.unsendable++;
    }
  }

  /** UDP flows take turns, a datagram each, as long as one of them gets further. */
  #pumpDatagrams(now: Instant): void {
    const flows = this.#parts.netstack.datagrams.waiting();
    let isMoved = flows.size > 0;
    while (isMoved) {
      isMoved = false;
      for (const flow of flows) isMoved = this.#pumpFlow(flow, now) || isMoved;
    }
  }

  /** Whether a datagram left, or was lost. What cannot leave yet waits in its flow, which is bounded. */
  #pumpFlow(flow: UdpFlow, now: Instant): boolean {
    const { netstack, wireguard: device, peers, router, counters } = this.#parts;
    const peer = peers.ofAddress(flow.endpoints.remoteAddress);
    if (peer === undefined) {
      counters.unroutable++;
      return netstack.datagrams.pollTransmit(flow, this.#scratch, 0) > 0;
    }
    const path = router.pathTo(peer, now);
    if (path === undefined) return false;
    const { wireguard } = peer;
    if (!device.canSeal(wireguard, now)) {
      device.want(wireguard, now);
      return false;
    }
    const slot = path.slot(MAX_SEALED_BYTES);
    if (slot === undefined) return false;
    const { buffer, offset } = slot;
    const packetAt = offset + WIREGUARD_HEADER_BYTES;
    const packetBytes = netstack.datagrams.pollTransmit(flow, buffer, packetAt);
    if (packetBytes === 0) return false;
    const sealedBytes = device.seal(wireguard, buffer, offset, packetBytes, now);
    if (sealedBytes > 0 && path.commit(sealedBytes, now)) router.handleSent(peer, path, now);
    else counters.unsendable++;
    return true;
  }

  /** What cannot leave stays in the stack, where it is not lost to retransmission. */
  #pumpTo(destination: Destination<TcpSocket>, now: Instant): void {
    const { netstack, wireguard: device, peers, router, counters } = this.#parts;
    const peer = peers.ofDestination(destination);
    if (peer === undefined) return this.#dropTo(destination, now);
    const path = router.pathTo(peer, now);
    if (path === undefined) return;
    const { wireguard } = peer;
    if (!device.canSeal(wireguard, now)) return device.want(wireguard, now);
    destination.way = router.receiveWay(peer, now);
    destination.sendWay = router.sendWay(path);
    let hasSent = false;
    for (let slot = path.slot(MAX_SEALED_BYTES); slot; slot = path.slot(MAX_SEALED_BYTES)) {
      const { buffer, offset } = slot;
      const packetAt = offset + WIREGUARD_HEADER_BYTES;
      const packetBytes = netstack.pollTransmit(buffer, packetAt, now, destination);
      if (packetBytes === 0) break;
      const sealedBytes = device.seal(wireguard, buffer, offset, packetBytes, now);
      // The session may end by its count of messages in mid-batch.
      if (sealedBytes > 0 && path.commit(sealedBytes, now)) hasSent = true;
      else counters.unsendable++;
    }
    if (hasSent) router.handleSent(peer, path, now);
  }

  /** Nobody has this address: its packets go where those to a hole in the network go. */
  #dropTo(destination: Destination<TcpSocket>, now: Instant): void {
    const { netstack, counters } = this.#parts;
    while (netstack.pollTransmit(this.#scratch, 0, now, destination) > 0) counters.unroutable++;
  }
}

/**
 * A way straight to an address of a peer's: packets are sealed in the datagram batch that they leave in. While the address
 * is doubted, each packet is copied to the relay as well (coder/tailscale `wgengine/magicsock/endpoint.go`
 * `addrForSendLocked`): WireGuard drops whichever comes second.
 */
import type { Instant } from "../base/core.ts";
import type { DiscoPath } from "../disco/mod.ts";
import type { Endpoint } from "../wire/endpoint.ts";
import type { DatagramPort } from "./datagram_port.ts";
import type { PacketSlot, Path } from "./path.ts";

export class DirectPath implements Path {
  readonly where: DiscoPath;
  readonly endpoint: Endpoint;
  readonly #port: DatagramPort;

  constructor(port: DatagramPort, endpoint: Endpoint) {
    this.where = { kind: "udp", endpoint };
    this.endpoint = endpoint;
    this.#port = port;
  }

  get isReady(): boolean {
    return this.#port.isOpen;
  }

  slot(packetBytes: number): PacketSlot | undefined {
    return this.#port.slot(packetBytes);
  }

  commit(packetBytes: number, _now: Instant): boolean {
    this.#port.commit(packetBytes, this.endpoint);
    return true;
  }

  send(packet: Uint8Array, _now: Instant): boolean {
    return this.#port.send(packet, this.endpoint);
  }
}

/** Two ways at once; the first decides whether there is room. */
export class DoubledPath implements Path {
  readonly #first: DirectPath;
  readonly #second: Path;
  readonly #port: DatagramPort;

  constructor(port: DatagramPort, first: DirectPath, second: Path) {
    this.#port = port;
    this.#first = first;
    this.#second = second;
  }

  get where(): DiscoPath {
    return this.#second.where;
  }

  get isReady(): boolean {
    return this.#first.isReady || this.#second.isReady;
  }

  slot(packetBytes: number): PacketSlot | undefined {
    return this.#first.slot(packetBytes);
  }

  commit(packetBytes: number, now: Instant): boolean {
    this.#first.commit(packetBytes, now);
    // Only the copy may be without room: then the packet has one way, as it had before.
    this.#second.send(this.#port.last(), now);
    return true;
  }

  send(packet: Uint8Array, now: Instant): boolean {
    const isSent = this.#first.send(packet, now);
    return this.#second.send(packet, now) || isSent;
  }
}

/** One way to one peer, over a link to a relay that may carry packets to many. */
import type { Instant } from "../base/core.ts";
import type { DiscoPath } from "../disco/mod.ts";
import type { PacketSlot, Path } from "./path.ts";

/** What a way needs of its link; each method is as that of `Path`, for the node that has this key. */
export interface PacketLink {
  readonly region: number;
  readonly isReady: boolean;
  slot(packetBytes: number): PacketSlot | undefined;
  commit(nodeKey: Uint8Array, packetBytes: number, now: Instant): boolean;
  send(nodeKey: Uint8Array, packet: Uint8Array, now: Instant): boolean;
}

export class RelayPath implements Path {
  readonly link: PacketLink;
  readonly where: DiscoPath;
  readonly #nodeKey: Uint8Array;

  constructor(link: PacketLink, nodeKey: Uint8Array) {
    this.link = link;
    this.where = { kind: "relay", regionId: link.region };
    this.#nodeKey = nodeKey;
  }

  get isReady(): boolean {
    return this.link.isReady;
  }

  slot(packetBytes: number): PacketSlot | undefined {
    return this.link.slot(packetBytes);
  }

  commit(packetBytes: number, now: Instant): boolean {
    return this.link.commit(this.#nodeKey, packetBytes, now);
  }

  send(packet: Uint8Array, now: Instant): boolean {
    return this.link.send(this.#nodeKey, packet, now);
  }
}

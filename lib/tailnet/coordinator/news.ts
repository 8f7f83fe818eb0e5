/**
 * What the coordinator told us over all connections: the peers and the relay map. Of what came since somebody last asked,
 * the last map and the last node of each peer are told: what a server says at once is worth the work of one change.
 */
import type { Core, Instant } from "../../base/core.ts";
import { type DerpMap, equalDerpMaps } from "../derp_map.ts";
import type { TailnetNode } from "../node_message.ts";
import type { PeerUpdate } from "./messages.ts";
import { PeerBook, type PeerBookOptions, type PeerEvent } from "./peer_book.ts";

export type NewsEvent =
  | PeerEvent
  /** The map changed, or is the first. */
  | { readonly kind: "derpMap"; readonly map: DerpMap };

export class News implements Core<NewsEvent> {
  readonly #book: PeerBook;
  #map: DerpMap | undefined;
  #isMapTold = true;

  constructor(options: PeerBookOptions) {
    this.#book = new PeerBook(options);
  }

  nodeOf(peerId: string): TailnetNode | undefined {
    return this.#book.nodeOf(peerId);
  }

  isReady(peerId: string): boolean {
    return this.#book.isReady(peerId);
  }

  /** The server turned out to pass no READY_FOR_HANDSHAKE on. */
  expectNoReady(): void {
    this.#book.expectNoReady();
  }

  handleUpdate(update: PeerUpdate, now: Instant): void {
    this.#book.handleUpdate(update, now);
  }

  handleMap(map: DerpMap): void {
    if (this.#map !== undefined && equalDerpMaps(this.#map, map)) return;
    this.#map = map;
    this.#isMapTold = false;
  }

  /** Our connection to the coordinator ended: nobody vouches for anybody. */
  handleConnectionLost(reason: string): void {
    this.#book.handleConnectionLost(reason);
  }

  handleTimeout(now: Instant): void {
    this.#book.handleTimeout(now);
  }

  pollTimeout(): Instant | undefined {
    return this.#book.pollTimeout();
  }

  /** The map comes before the peers, whose relays may be on it. */
  pollEvent(): NewsEvent | undefined {
    if (this.#isMapTold || this.#map === undefined) return this.#book.pollEvent();
    this.#isMapTold = true;
    return { kind: "derpMap", map: this.#map };
  }
}

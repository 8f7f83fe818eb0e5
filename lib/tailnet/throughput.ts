/**
 * Looks at what comes forward between us and one peer, and keeps its packets off the direct path while the relay carries more
 * (`paths/path_choice.ts`). What the peer sent and we did not get shows in its packets' counters, exactly; what we sent and it did
 * not get, in what TCP had to send again. Asked in turns in which something was sent, and by a timer while a path is held back, or
 * something flows or should.
 */
import type { Instant } from "../base/core.ts";
import type { NetstackCounters } from "../netstack/mod.ts";
import type { WireguardPeer } from "../wireguard/mod.ts";
import type { DirectPaths } from "./paths/direct_paths.ts";
import { PathChoice } from "./paths/path_choice.ts";

/** What of a node is looked at. */
export interface CountingNode {
  readonly netstack: { readonly counters: NetstackCounters; readonly isWaiting: boolean };
  wireguardOf(id: string): WireguardPeer | undefined;
}

export class Throughput {
  readonly peerId: string;
  /** Whether a relay leads to the peer now; for the owner to say. */
  hasRelay = false;
  readonly #node: CountingNode;
  readonly #paths: DirectPaths;
  readonly #choice = new PathChoice();

  constructor(peerId: string, node: CountingNode, paths: DirectPaths) {
    this.peerId = peerId;
    this.#node = node;
    this.#paths = paths;
  }

  /** Should be called when data was sent, and when a timer is due. Cheap when it is not time to look. */
  review(now: Instant): void {
    if (!this.#choice.isDue(now)) return;
    const peer = this.#node.wireguardOf(this.peerId);
    if (peer === undefined) return;
    const { peerId } = this;
    const held = this.#paths.held(peerId);
    // Another network, or another key of the peer's: what was held back is no more.
    if (held === undefined && !this.#choice.isFree) this.#choice.handleFreed(now);
    const { counters, isWaiting } = this.#node.netstack;
    const { came, knownSent } = peer.packets;
    const verdict = this.#choice.handleFacts({
      bytes: counters.bytesAcknowledged + counters.bytesReceived,
      packets: counters.dataSegmentsSent + knownSent,
      lost: counters.retransmittedSegments + knownSent - came,
      isWaiting,
      isDirect: this.#paths.inUse(peerId) !== undefined,
      hasRelay: this.hasRelay,
      heardAt: peer.heardAt,
      sentAt: peer.dataSentAt,
      answers: held?.answers ?? 0,
    }, now);
    if (verdict === "hold") this.#paths.hold(peerId, now);
    else if (verdict === "release") this.#paths.release(peerId, now);
  }

  pollTimeout(): Instant | undefined {
    return this.#choice.pollTimeout();
  }
}

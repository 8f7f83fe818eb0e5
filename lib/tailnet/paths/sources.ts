/** Whose WireGuard datagrams are, by where they come from: asked for each of them, and mostly answered by the last answer. */
import { type Endpoint, equalEndpoints } from "../../wire/endpoint.ts";
import type { DatagramVerdict } from "./events.ts";
import type { KnownPeer } from "./known_peer.ts";

export class Sources {
  #last: { readonly endpoint: Endpoint; readonly verdict: DatagramVerdict } | undefined;

  /** Should be called when there are other peers than before. */
  forget(): void {
    this.#last = undefined;
  }

  /**
   * `undefined` for a stranger. Agents do the same: an address is a peer's when it has sent disco (magicsock `peerMap`), which
   * is cheaper than to decrypt.
   */
  verdictOn(from: Endpoint, peers: Iterable<KnownPeer>): DatagramVerdict | undefined {
    const last = this.#last;
    if (last !== undefined && (last.endpoint === from || equalEndpoints(last.endpoint, from))) {
      return last.verdict;
    }
    for (const peer of peers) {
      if (!peer.paths.knows(from)) continue;
      const verdict = { kind: "wireguard", peerId: peer.id } as const;
      this.#last = { endpoint: from, verdict };
      return verdict;
    }
    return undefined;
  }
}

/**
 * Which way a peer is reached, asked before there is a packet (coder/tailscale `wgengine/magicsock/endpoint.go`
 * `addrForSendLocked`, `derp.go` `derpWriteChanOfAddr`). Today every way leads over a relay; a direct one will come first.
 */
import type { Path } from "./path.ts";
import type { Peer } from "./peers.ts";
import type { Relays } from "./relays.ts";

export class Router {
  readonly #relays: Relays;

  constructor(relays: Relays) {
    this.#relays = relays;
  }

  /** The best way to the peer that packets may leave by now; `undefined` for none. */
  pathTo(peer: Peer): Path | undefined {
    // Its home relay, else where it was heard.
    const link = this.#relays.readyLink(peer.config.homeRegion) ??
      (peer.heardIn === undefined ? undefined : this.#relays.readyLink(peer.heardIn));
    if (link === undefined) return undefined;
    if (peer.relayPath?.link !== link) peer.relayPath = link.pathTo(peer.config.nodeKey);
    return peer.relayPath;
  }
}

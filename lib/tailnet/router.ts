/**
 * Which way a peer is reached, asked before there is a packet (coder/tailscale `wgengine/magicsock/endpoint.go`
 * `addrForSendLocked`, `derp.go` `derpWriteChanOfAddr`): straight where that is known to work, else over a relay.
 */
import type { Instant } from "../base/core.ts";
import type { ReceiveWay, SendWay } from "../netstack/mod.ts";
import type { Direct } from "./direct.ts";
import type { Path } from "./path.ts";
import type { Peer } from "./peers.ts";
import type { Relays } from "./relays.ts";

const NOTE_EVERY_MS = 100;
/** tailscale `derp/derpserver/derpserver.go`, defaultPerClientSendQueueDepth */
const RELAY_QUEUE_PACKETS = 32;
const MTU_BYTES = 1_280;
/**
 * What may be under way over a relay in the same room. More would wait in queues of a way that is about to be
 * left for a straight one, and be overtaken by what comes there. From afar it is the relay's queue for a client that counts.
 */
const RELAY_WAY: ReceiveWay = {
  burstBytes: 1024 * 1024,
  rttMs: undefined,
  queueBytes: RELAY_QUEUE_PACKETS * MTU_BYTES,
  losesNothingElse: true,
};
/** Towards the peer, where the relay's queue is for the peer. */
const RELAY_SEND_WAY: SendWay = { queueBytes: RELAY_QUEUE_PACKETS * MTU_BYTES };
const OTHER_SEND_WAY: SendWay = {};

export class Router {
  readonly #relays: Relays;
  #direct: Direct | undefined;

  constructor(relays: Relays) {
    this.#relays = relays;
  }

  /** From now on there are other ways than relays. */
  useDirect(direct: Direct): void {
    this.#direct = direct;
  }

  /** The best way to the peer that packets may leave by now; `undefined` for none. */
  pathTo(peer: Peer, now: Instant): Path | undefined {
    const relay = this.relayTo(peer);
    if (this.#direct === undefined) return relay;
    const path = this.#direct.pathTo(peer.id, relay, now);
    if (path === relay) peer.draining.handleRelayUsed();
    else if (path?.where.kind === "udp" && peer.draining.isGoingOn(now)) return relay ?? path;
    return path;
  }

  /** The way that the peer's packets take to us, as far as we know: it is the peer that chooses. */
  receiveWay(peer: Peer, now: Instant): ReceiveWay {
    return this.#direct?.receiveWay(peer.id, now) ?? RELAY_WAY;
  }

  /** The way that packets take which leave by `path`. */
  sendWay(path: Path): SendWay {
    return path.where.kind === "relay" ? RELAY_SEND_WAY : OTHER_SEND_WAY;
  }

  /** The way over its home relay, else over the relay where it was heard. */
  relayTo(peer: Peer): Path | undefined {
    const link = this.#relays.readyLink(peer.config.homeRegion) ??
      (peer.heardIn === undefined ? undefined : this.#relays.readyLink(peer.heardIn)) ??
      (peer.config.isHoped === true
        ? this.#relays.introducedLink(peer.config.homeRegion)
        : undefined);
    if (link === undefined) return undefined;
    if (peer.relayPath?.link !== link) peer.relayPath = link.pathTo(peer.config.nodeKey);
    return peer.relayPath;
  }

  /** Should be called when data, not mere keepalives, was sent to the peer by `path`. */
  handleSent(peer: Peer, path: Path, now: Instant): void {
    if (this.#direct === undefined) return;
    // Over the relay it only keeps the search for a better way going, which is worth no call in every turn.
    if (path === peer.relayPath && now - peer.sentNotedAt < NOTE_EVERY_MS) return;
    peer.sentNotedAt = now;
    this.#direct.handleSent(peer.id, now);
  }
}

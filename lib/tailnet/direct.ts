/**
 * What a node needs to send and receive without a relay: the cores of direct paths, the datagrams that must leave, and the
 * ways that packets to a peer take now. Loaded on demand: a node without it uses its relays alone.
 *
 * Order of use, for the node: `handleDatagram` and what else arrives; `pathTo` before a packet and `handleSent` after it;
 * then `flush`, which moves pings, pongs and STUN requests to the port and gives what is for a relay to its owner.
 */
import type { Instant } from "../base/core.ts";
import { earlier } from "../base/deadlines.ts";
import type { ReceiveWay } from "../netstack/mod.ts";
import type { Endpoint } from "../wire/endpoint.ts";
import type { DerpMap } from "./derp_map.ts";
import { DatagramPort } from "./datagram_port.ts";
import { DirectPath, DoubledPath } from "./direct_path.ts";
import type { Path } from "./path.ts";
import { DirectPaths, type DirectPathsOptions } from "./paths/direct_paths.ts";
import type { DatagramVerdict, DirectEvent } from "./paths/events.ts";
import { stunServersOf } from "./paths/stun_servers.ts";
import { type CountingNode, Throughput } from "./throughput.ts";

/** The ways to one peer, made anew only when one of them is another. */
interface Ways {
  readonly direct: DirectPath;
  readonly relay: Path | undefined;
  readonly both: Path;
}

/** A disco packet that goes over the relay of a peer. */
export interface RelayedPacket {
  readonly peerId: string;
  readonly packet: Uint8Array;
}

export class Direct {
  readonly paths: DirectPaths;
  readonly port = new DatagramPort();
  readonly #ways = new Map<string, Ways>();
  /** Of the one peer whose way is chosen by what comes forward on it. */
  #throughput: Throughput | undefined;

  constructor(options: DirectPathsOptions, now: Instant) {
    this.paths = new DirectPaths(options, now);
  }

  /** The map's STUN servers are those to ask. */
  setMap(map: DerpMap, now: Instant): void {
    this.paths.setStunServers(stunServersOf(map), now);
  }

  /** From now on this peer, and no other, is kept off a direct path that loses while a relay would carry more. */
  choose(id: string, node: CountingNode): void {
    this.#throughput = new Throughput(id, node, this.paths);
  }

  addPeer(id: string, endpoints: readonly Endpoint[], now: Instant): void {
    this.#ways.delete(id);
    this.paths.addPeer(id, now);
    this.paths.setAnnounced(id, endpoints, now);
  }

  removePeer(id: string): void {
    this.#ways.delete(id);
    this.paths.removePeer(id);
  }

  /** The way that the next packet to the peer takes; `relay` is the one over a relay, if there is one. */
  pathTo(id: string, relay: Path | undefined, now: Instant): Path | undefined {
    if (this.#throughput?.peerId === id) this.#throughput.hasRelay = relay !== undefined;
    const route = this.paths.route(id, now);
    if (route === undefined || route.kind === "relay" || !this.port.isOpen) return relay;
    let ways = this.#ways.get(id);
    if (ways === undefined || ways.relay !== relay || ways.direct.endpoint !== route.endpoint) {
      const direct = new DirectPath(this.port, route.endpoint);
      const both = relay === undefined ? direct : new DoubledPath(this.port, direct, relay);
      ways = { direct, relay, both };
      this.#ways.set(id, ways);
    }
    return route.kind === "direct" ? ways.direct : ways.both;
  }

  /** The way that packets of the peer take to us, when they may come straight; `undefined` while they cannot. */
  receiveWay(id: string, now: Instant): ReceiveWay | undefined {
    if (!this.port.isOpen || !this.paths.isMet(id, now)) return undefined;
    const rttMs = this.paths.inUse(id)?.latencyMs;
    return { burstBytes: this.port.burstBytes(rttMs), rttMs };
  }

  /** Should be called when data, not mere keepalives, was sent to the peer, whichever way. */
  handleSent(id: string, now: Instant): void {
    this.paths.handleSent(id, now);
    if (this.#throughput?.peerId === id) this.#throughput.review(now);
  }

  /** Takes a datagram, borrowed; WireGuard is the caller's to decrypt. */
  handleDatagram(datagram: Uint8Array, from: Endpoint, now: Instant): DatagramVerdict {
    return this.paths.handleDatagram(datagram, from, now);
  }

  /** Moves what must leave to the port; what is for a relay is returned, one at a time, until `undefined`. */
  flush(): RelayedPacket | undefined {
    for (let out = this.paths.pollTransmit(); out; out = this.paths.pollTransmit()) {
      if (out.kind === "relay") return out;
      // Without room it is lost as the network might lose it: whoever asks asks again.
      this.port.send(out.datagram, out.endpoint);
    }
    return undefined;
  }

  handleTimeout(now: Instant): void {
    this.paths.handleTimeout(now);
    const reviewAt = this.#throughput?.pollTimeout();
    if (reviewAt !== undefined && reviewAt <= now) this.#throughput?.review(now);
  }

  pollTimeout(): Instant | undefined {
    return earlier(this.paths.pollTimeout(), this.#throughput?.pollTimeout());
  }

  pollEvent(): DirectEvent | undefined {
    return this.paths.pollEvent();
  }
}

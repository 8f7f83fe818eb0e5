/**
 * A node of the tailnet: the network stack, WireGuard, disco, the relays and the direct paths put together
 * (coder/tailscale `wgengine/magicsock/magicsock.go`).
 * Not here: who the peers are (`peers.ts`), the way to one (`router.ts`), how packets come and leave (`inbound.ts`,
 * `outbound.ts`), when relays are dialled (`relays.ts`), which direct path is used (`direct.ts`), how peers are learnt (`coordinator/`).
 */
import type { Core, Instant, Random } from "../base/core.ts";
import { earlier } from "../base/deadlines.ts";
import { publicKey } from "../crypto/mod.ts";
import type { DerpEvent } from "../derp/mod.ts";
import { DiscoPinger } from "../disco/mod.ts";
import {
  type ConnectOptions,
  Netstack,
  type NetstackEvent,
  type TcpSocket,
} from "../netstack/mod.ts";
import type { Endpoint } from "../wire/endpoint.ts";
import { type InitiateOptions, WireguardDevice, type WireguardPeer } from "../wireguard/mod.ts";
import type { DerpMap } from "./derp_map.ts";
import type { Direct } from "./direct.ts";
import { Inbound } from "./inbound.ts";
import type { Line, LineEvent, LineOwner, LineTarget } from "./line.ts";
import {
  fateOf,
  type MakeDirect,
  type NodeCounters,
  type NodeDirectEvent,
  type NodeEvent,
  type TunnelNodeOptions,
} from "./node_events.ts";
import { Outbound } from "./outbound.ts";
import { nodeCounts } from "./node_counts.ts";
import { Peers, type TunnelPeer } from "./peers.ts";
import { RelayLink } from "./relay_link.ts";
import type { RelayWay } from "./relay.ts";
import { Relays } from "./relays.ts";
import { Router } from "./router.ts";

export type { NodeCounters, NodeDirectEvent, NodeEvent, TunnelNodeOptions, TunnelPeer };

/** Interval of empty packets that keep session and relay route alive, once the peer knows us. */
export const PERSISTENT_KEEPALIVE_MS = 25_000;

export class TunnelNode implements Core<NodeEvent>, LineOwner {
  readonly nodePublicKey: Uint8Array;
  readonly discoPublicKey: Uint8Array;
  readonly addresses: readonly Uint8Array[];
  readonly netstack: Netstack;
  readonly relays: Relays;
  readonly counters: NodeCounters = {
    unroutable: 0,
    unsendable: 0,
    unknown: 0,
    bytesIn: 0,
    bytesOut: 0,
  };
  readonly #wireguard: WireguardDevice;
  readonly #disco: DiscoPinger;
  readonly #privateKeys: readonly Uint8Array[];
  readonly #peers: Peers;
  readonly #router: Router;
  readonly #events: NodeEvent[] = [];
  readonly #lineEvents: LineEvent[] = [];
  readonly #inbound: Inbound;
  readonly #outbound: Outbound;
  readonly #random: Random;
  #map: DerpMap | undefined;
  /** Absent while only relays are used. */
  #direct: Direct | undefined;

  constructor(options: TunnelNodeOptions) {
    const { random, nodePrivateKey, addresses, giveUpRetransmissions = Infinity } = options;
    this.#random = random;
    this.addresses = addresses;
    this.#privateKeys = [nodePrivateKey, options.discoPrivateKey];
    this.nodePublicKey = publicKey(nodePrivateKey);
    this.#wireguard = new WireguardDevice({
      privateKey: nodePrivateKey,
      random,
      aead: options.aead,
      wallMsAtZero: options.wallMsAtZero,
    });
    // No outage ends a connection by its length: what does is the peer's reset, or the coordinator's word that it is gone.
    this.netstack = new Netstack({ addresses, random, giveUpMs: Infinity, giveUpRetransmissions });
    this.relays = new Relays({
      nodePrivateKey,
      nodePublicKey: this.nodePublicKey,
      headers: options.relayHeaders ?? [],
      random,
    });
    this.#disco = new DiscoPinger({
      privateKey: options.discoPrivateKey,
      nodePublicKey: this.nodePublicKey,
      random,
    });
    this.discoPublicKey = this.#disco.publicKey;
    this.#peers = new Peers(this.#wireguard, this.#disco);
    this.#router = new Router(this.relays);
    const parts = {
      netstack: this.netstack,
      wireguard: this.#wireguard,
      disco: this.#disco,
      peers: this.#peers,
      router: this.#router,
      counters: this.counters,
    };
    this.#inbound = new Inbound(parts);
    this.#outbound = new Outbound(parts);
  }

  /** Takes a new map: relays that moved are dialled anew, peers' relays that came with it are connected. */
  setMap(map: DerpMap, way: RelayWay, now: Instant): void {
    this.#map = map;
    this.relays.setMap(map, way, now);
    this.#direct?.setMap(map, now);
    for (const peer of this.#peers) this.relays.want(peer.config.homeRegion, now);
  }

  /** Adds or updates a peer; a new key under the same id replaces it. Throws `RangeError` for one too many. */
  upsertPeer(config: TunnelPeer, now: Instant): "added" | "updated" | "replaced" {
    const change = this.#peers.upsert(config, now);
    this.relays.want(config.homeRegion, now);
    const { id, endpoints = [] } = config;
    if (change === "updated") this.#direct?.paths.setAnnounced(id, endpoints, now);
    else this.#direct?.addPeer(id, endpoints, now);
    return change;
  }

  removePeer(id: string): void {
    this.#peers.remove(id);
    this.#direct?.removePeer(id);
  }

  /** Begins to use other ways than relays, once. Sockets and interfaces are the driver's to tell. */
  useDirect(make: MakeDirect, now: Instant): Direct {
    const direct = make({ disco: this.#disco, random: this.#random });
    this.#direct = direct;
    this.#router.useDirect(direct);
    this.#inbound.useDirect(direct);
    if (this.#map !== undefined) direct.setMap(this.#map, now);
    for (const { id, config } of this.#peers) direct.addPeer(id, config.endpoints ?? [], now);
    return direct;
  }

  /** Begins a handshake with the peer now; false, and nothing happens, while no way leads to it. */
  initiate(id: string, now: Instant, options: InitiateOptions = {}): boolean {
    const peer = this.#peers.get(id);
    // What cannot leave would be lost, and would count as sent: whoever opens a way asks again.
    if (peer === undefined || this.#router.pathTo(peer, now) === undefined) return false;
    this.#wireguard.initiate(peer.wireguard, now, options);
    return true;
  }

  /** From now on the session is kept alive and renewed even while nothing is sent. */
  keepAlive(id: string, now: Instant): void {
    const peer = this.#peers.get(id);
    if (peer !== undefined) {
      this.#wireguard.setPersistentKeepalive(peer.wireguard, PERSISTENT_KEEPALIVE_MS, now);
    }
  }

  /** Whether a packet to the peer can leave right now. */
  canSend(id: string, now: Instant): boolean {
    const peer = this.#peers.get(id);
    return peer !== undefined && this.#wireguard.canSeal(peer.wireguard, now) &&
      this.#router.pathTo(peer, now) !== undefined;
  }

  /** What was counted, by name, for a log. */
  counts(): Record<string, number | string> {
    return nodeCounts(this, this.#wireguard);
  }

  wireguardOf(id: string): WireguardPeer | undefined {
    return this.#peers.get(id)?.wireguard;
  }

  /** Sends a disco ping; the answer is a `pong` event. */
  ping(id: string, now: Instant): void {
    const peer = this.#peers.get(id);
    const path = peer === undefined ? undefined : this.#router.pathTo(peer, now);
    if (path === undefined) return;
    if (path.where.kind === "udp" && this.#direct?.paths.ping(id, now) === true) return;
    const packet = this.#disco.ping(id, path.where, now);
    if (packet !== undefined) path.send(packet, now);
  }

  connect(options: ConnectOptions, now: Instant): TcpSocket {
    return this.netstack.connect(options, now);
  }

  /** Takes a datagram from one of our UDP sockets; borrowed, decrypted in place. Never throws for any bytes. */
  handleDatagram(datagram: Uint8Array, from: Endpoint, now: Instant): void {
    this.#inbound.handleDatagram(datagram, from, now);
  }

  /** Datagrams of so many bytes went out: there is room again. */
  handleDatagramsSent(count: number): void {
    this.counters.bytesOut += count;
  }

  handleLineOpened(line: Line, target: LineTarget, _now: Instant): void {
    if (line instanceof RelayLink) line.open(target.hostHeader);
  }

  handleLineBytes(line: Line, chunk: Uint8Array, now: Instant): void {
    if (!(line instanceof RelayLink)) return;
    this.counters.bytesIn += chunk.length;
    line.handleBytes(chunk, now);
    this.#drainLink(line, now);
  }

  handleLineWritten(line: Line, count: number, _now: Instant): boolean {
    this.counters.bytesOut += count;
    return line instanceof RelayLink && line.takeShortage();
  }

  handleLineClosed(line: Line, reason: string, now: Instant): void {
    if (line instanceof RelayLink) this.relays.handleClosed(line, reason, now);
  }

  handleWake(now: Instant): void {
    this.relays.handleWake(now);
    this.#direct?.paths.handleNetworkChange(now);
  }

  #drainLink(link: RelayLink, now: Instant): void {
    for (let event = link.pollEvent(); event !== undefined; event = link.pollEvent()) {
      this.#handleDerpEvent(link, event, now);
    }
  }

  #handleDerpEvent(link: RelayLink, event: DerpEvent, now: Instant): void {
    switch (event.kind) {
      case "packet": {
        const told = this.#inbound.handleRelayed(link, event, now);
        if (told !== undefined) this.#events.push(told);
        return;
      }
      case "introduced":
      case "ready":
        if (event.kind === "ready") this.relays.handleReady(link, now);
        this.#events.push({ kind: "relayReady", region: link.region });
        if (event.kind === "introduced") return;
        this.netstack.resume(now);
        this.#direct?.paths.handleRelayReady(now);
        return;
      case "peerGone": {
        const peer = this.#peers.ofKey(event.peer);
        if (peer === undefined) return;
        if (peer.heardIn === link.region) peer.heardIn = undefined;
        this.#events.push({ kind: "absent", id: peer.id, region: link.region });
        return;
      }
      case "health":
      case "restarting":
      case "pong":
      case "dead": // the link says so itself, and is dropped
        return;
    }
  }

  /** Moves all that must leave into the batches of the lines and of the port, as far as there is room. */
  pump(now: Instant): void {
    this.relays.review(now);
    this.#drainRelays(now);
    this.#outbound.pumpWireguard(now);
    this.#drainWireguard(now);
    this.#outbound.pumpStack(now);
    if (this.#direct !== undefined) this.#pumpDirect(this.#direct, now);
  }

  #drainRelays(now: Instant): void {
    for (let event = this.relays.pollEvent(); event; event = this.relays.pollEvent()) {
      if (event.kind === "back") this.netstack.resume(now);
      else if (event.kind !== "unreachable") this.#lineEvents.push(event);
      else {
        const { region, reason } = event;
        this.#events.push({ kind: "relayUnreachable", region, reason });
      }
    }
  }

  #drainWireguard(now: Instant): void {
    for (let event = this.#wireguard.pollEvent(); event; event = this.#wireguard.pollEvent()) {
      const peer = this.#peers.ofWireguard(event.peer);
      if (event.kind !== "established" || peer === undefined) continue;
      const { isFirst } = event;
      this.#events.push({ kind: "established", id: peer.id, isFirst });
      // A renewal found a session that worked: nothing had to wait for it.
      if (isFirst) this.netstack.resume(now);
    }
  }

  /** Pings and STUN to the port, call-me-maybes to the relay, and what the paths tell. */
  #pumpDirect(direct: Direct, now: Instant): void {
    for (let out = direct.flush(); out !== undefined; out = direct.flush()) {
      const peer = this.#peers.get(out.peerId);
      if (peer !== undefined) this.#router.relayTo(peer)?.send(out.packet, now);
    }
    for (let event = direct.pollEvent(); event !== undefined; event = direct.pollEvent()) {
      if (event.kind === "pong") {
        const { peerId: id, latencyMs, endpoint } = event;
        this.#events.push({ kind: "pong", id, latencyMs, where: { kind: "udp", endpoint } });
        continue;
      }
      if (event.kind === "changed") {
        const addresses = this.#peers.get(event.peerId)?.config.addresses ?? [];
        this.netstack.handlePathChange(addresses, fateOf(event.change), now);
      }
      if (event.kind === "moved") this.relays.probeAll(now);
      else this.#events.push({ kind: "direct", event });
    }
  }

  pollEvent(): NodeEvent | undefined {
    return this.#events.shift();
  }

  pollLineEvent(): LineEvent | undefined {
    return this.#lineEvents.shift();
  }

  pollSocketEvent(): NetstackEvent | undefined {
    return this.netstack.pollEvent();
  }

  /** Forgets all peers and erases all keys: the node is of no use afterwards. */
  close(): void {
    this.#peers.clear();
    this.#wireguard.close();
    this.relays.close();
    for (const key of this.#privateKeys) key.fill(0);
  }

  handleTimeout(now: Instant): void {
    this.relays.handleTimeout(now);
    for (const link of this.relays.links()) this.#drainLink(link, now);
    this.#wireguard.handleTimeout(now);
    this.netstack.handleTimeout(now);
    this.#direct?.handleTimeout(now);
  }

  pollTimeout(): Instant | undefined {
    const inside = earlier(this.#wireguard.pollTimeout(), this.netstack.pollTimeout());
    return earlier(inside, earlier(this.relays.pollTimeout(), this.#direct?.pollTimeout()));
  }
}

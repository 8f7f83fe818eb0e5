/**
 * A node of the tailnet: peers, the way of each packet between the network stack, WireGuard and the relays
 * (coder/tailscale `wgengine/magicsock/magicsock.go`). Packets are written, sealed and framed in the batch they leave in.
 * Not here: dialling (`relays.ts` asks, the driver does), and how peers are learnt (`coordinator/`).
 */
import { equalBytes } from "../base/bytes.ts";
import type { Instant, Random } from "../base/core.ts";
import { earlier } from "../base/deadlines.ts";
import { type Aead, publicKey } from "../crypto/mod.ts";
import { type DerpEvent, SEND_PACKET_HEADER_BYTES } from "../derp/mod.ts";
import { DiscoPinger, isDisco } from "../disco/mod.ts";
import { Netstack } from "../netstack/mod.ts";
import { type InitiateOptions, WireguardDevice, type WireguardPeer } from "../wireguard/mod.ts";
import { IPV6_ADDRESS_BYTES, IPV6_DESTINATION_OFFSET } from "../wire/ipv6.ts";
import type { DerpMap } from "./derp_map.ts";
import type { RelayLink } from "./relay_link.ts";
import { Relays } from "./relays.ts";

export interface TunnelNodeOptions {
  /** Our own addresses in the tunnel, 16 bytes each; the first is the source of what we begin. */
  readonly addresses: readonly Uint8Array[];
  /** Taken over, and erased by `close`. */
  readonly nodePrivateKey: Uint8Array;
  /** Likewise. */
  readonly discoPrivateKey: Uint8Array;
  readonly random: Random;
  readonly aead: Aead;
  /** Wall-clock milliseconds at instant 0. */
  readonly wallMsAtZero: number;
  /** The user's own headers, sent to every relay. */
  readonly relayHeaders?: readonly (readonly [string, string])[];
}

/** A peer as the coordinator describes it. */
export interface TunnelPeer {
  /** Stable identity, e.g. the agent's UUID; a new key under it replaces the old peer. */
  readonly id: string;
  readonly nodeKey: Uint8Array;
  readonly discoKey: Uint8Array;
  readonly addresses: readonly Uint8Array[];
  readonly homeRegion: number;
}

export type NodeEvent =
  /** A relay lets us send and receive. */
  | { readonly kind: "relayReady"; readonly region: number }
  /** A session with this peer carries data in both directions from now on. */
  | { readonly kind: "established"; readonly id: string }
  /** The relay says that the peer is not connected to it. */
  | { readonly kind: "absent"; readonly id: string; readonly region: number }
  /** The peer answered a disco ping over the relay. */
  | {
    readonly kind: "pong";
    readonly id: string;
    readonly latencyMs: number;
    readonly region: number;
  };

interface Peer {
  readonly id: string;
  readonly config: TunnelPeer;
  readonly wireguard: WireguardPeer;
  /** The region that the peer was last heard in, for answering before its home relay is connected. */
  heardIn: number | undefined;
}

export interface NodeCounters {
  /** Packets that no peer's address matches. */
  unroutable: number;
  /** Sealed packets that no relay had room for, or none was connected for. */
  unsendable: number;
  /** Packets from relays that are neither WireGuard nor disco, or from nobody we know. */
  unknown: number;
  bytesIn: number;
  bytesOut: number;
}

/** An inner packet of 1280 bytes grows by header and tag. */
const MAX_SEALED_BYTES = 1_280 + 16 + 16;
const WIREGUARD_HEADER_BYTES = 16;
const MAX_PEERS = 4_096;
/** Addresses of a peer that count; Coder's nodes have one or two. */
const MAX_PEER_ADDRESSES = 64;
/** Interval of empty packets that keep session and relay route alive, once the peer knows us. */
export const PERSISTENT_KEEPALIVE_MS = 25_000;

export class TunnelNode {
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
  readonly #peers = new Map<string, Peer>();
  readonly #events: NodeEvent[] = [];
  #lastDestination: Peer | undefined;

  constructor(options: TunnelNodeOptions) {
    const { random, nodePrivateKey } = options;
    this.addresses = options.addresses;
    this.#privateKeys = [nodePrivateKey, options.discoPrivateKey];
    this.nodePublicKey = publicKey(nodePrivateKey);
    this.#wireguard = new WireguardDevice({
      privateKey: nodePrivateKey,
      random,
      aead: options.aead,
      wallMsAtZero: options.wallMsAtZero,
    });
    // No outage ends a connection by its length: what does is the peer's reset, or the coordinator's word that it is gone.
    this.netstack = new Netstack({ addresses: options.addresses, random, giveUpMs: Infinity });
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
  }

  /** Takes a new map: relays that moved are dialled anew, peers' relays that came with it are connected. */
  setMap(map: DerpMap, options: { readonly forcesWebsocket: boolean }, now: Instant): void {
    this.relays.setMap(map, options, now);
    for (const peer of this.#peers.values()) this.relays.want(peer.config.homeRegion, now);
  }

  /** Adds or updates a peer; a new key under the same id replaces it. Throws `RangeError` for one too many. */
  upsertPeer(config: TunnelPeer, now: Instant): "added" | "updated" | "replaced" {
    const existing = this.#peers.get(config.id);
    const isSame = existing !== undefined &&
      equalBytes(existing.config.nodeKey, config.nodeKey) &&
      equalBytes(existing.config.discoKey, config.discoKey);
    if (existing !== undefined && !isSame) this.removePeer(config.id);
    if (existing === undefined && this.#peers.size >= MAX_PEERS) {
      throw new RangeError(`Cannot add peer: ${MAX_PEERS} peers are the limit`);
    }
    const wireguard = this.#wireguard.addPeer(
      {
        publicKey: config.nodeKey,
        allowedAddresses: config.addresses.slice(0, MAX_PEER_ADDRESSES),
      },
      now,
    );
    this.#disco.addPeer(config.id, { discoKey: config.discoKey, nodeKey: config.nodeKey });
    this.#lastDestination = undefined;
    this.#peers.set(config.id, {
      id: config.id,
      config,
      wireguard,
      heardIn: isSame ? existing.heardIn : undefined,
    });
    this.relays.want(config.homeRegion, now);
    return existing === undefined ? "added" : isSame ? "updated" : "replaced";
  }

  removePeer(id: string): void {
    const peer = this.#peers.get(id);
    if (peer === undefined) return;
    this.#wireguard.removePeer(peer.wireguard);
    this.#disco.removePeer(id);
    this.#peers.delete(id);
    this.#lastDestination = undefined;
  }

  /** Begins a handshake with the peer now; nothing happens while no relay leads to it. */
  initiate(id: string, now: Instant, options: InitiateOptions = {}): void {
    const peer = this.#peers.get(id);
    // What cannot leave would be lost, and would count as sent: whoever opens a way asks again.
    if (peer === undefined || this.#routeTo(peer) === undefined) return;
    this.#wireguard.initiate(peer.wireguard, now, options);
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
      this.#routeTo(peer) !== undefined;
  }

  lastHandshakeAt(id: string): Instant | undefined {
    return this.#peers.get(id)?.wireguard.lastHandshakeAt;
  }

  /** Sends a disco ping over the relay; the answer is a `pong` event. */
  ping(id: string, now: Instant): void {
    const peer = this.#peers.get(id);
    const link = peer === undefined ? undefined : this.#routeTo(peer);
    if (peer === undefined || link === undefined) return;
    const packet = this.#disco.ping(id, { kind: "relay", regionId: link.region }, now);
    if (packet !== undefined) link.sendPacket(peer.config.nodeKey, packet, now);
  }

  /** Takes what a relay link read from its socket. Throws `ProtocolError`: then drop the connection. */
  handleRelayBytes(link: RelayLink, chunk: Uint8Array, now: Instant): void {
    this.counters.bytesIn += chunk.length;
    link.handleBytes(chunk, now);
    this.#drainLink(link, now);
  }

  #drainLink(link: RelayLink, now: Instant): void {
    for (let event = link.pollEvent(now); event !== undefined; event = link.pollEvent(now)) {
      this.#handleDerpEvent(link, event, now);
    }
  }

  #handleDerpEvent(link: RelayLink, event: DerpEvent, now: Instant): void {
    if (event.kind === "packet") {
      this.#handlePacket(link, event.source, event.packet, now);
    } else if (event.kind === "ready") {
      this.relays.handleReady(link, now);
      this.#events.push({ kind: "relayReady", region: link.region });
      this.netstack.resume(now);
    } else if (event.kind === "peer-gone") {
      for (const peer of this.#peers.values()) {
        if (!equalBytes(peer.config.nodeKey, event.peer)) continue;
        if (peer.heardIn === link.region) peer.heardIn = undefined;
        this.#events.push({ kind: "absent", id: peer.id, region: link.region });
      }
    }
  }

  #handlePacket(link: RelayLink, source: Uint8Array, packet: Uint8Array, now: Instant): void {
    // WireGuard messages begin with 1 to 4: the common case is told apart by one byte.
    if ((packet[0] ?? 0) > 4 && isDisco(packet)) {
      this.#handleDisco(link, source, packet, now);
      return;
    }
    const inbound = this.#wireguard.handleDatagram(packet, now, source);
    const peer = inbound.peer === undefined ? undefined : this.#peerOf(inbound.peer);
    if (peer !== undefined) peer.heardIn = link.region;
    if (inbound.kind === "data") this.netstack.handlePacket(inbound.packet, now);
    else if (inbound.reply !== undefined) link.sendPacket(source, inbound.reply, now);
    else if (inbound.peer === undefined) this.counters.unknown++;
  }

  #peerOf(wireguard: WireguardPeer): Peer | undefined {
    if (this.#lastDestination?.wireguard === wireguard) return this.#lastDestination;
    for (const peer of this.#peers.values()) {
      if (peer.wireguard === wireguard) return peer;
    }
    return undefined;
  }

  #handleDisco(link: RelayLink, source: Uint8Array, packet: Uint8Array, now: Instant): void {
    const from = { kind: "relay", regionId: link.region, nodeKey: source } as const;
    const result = this.#disco.handlePacket(packet, from, now);
    if (result.kind === "ping") link.sendPacket(source, result.pong, now);
    else if (result.kind === "pong") {
      const { peerId: id, latencyMs } = result;
      this.#events.push({ kind: "pong", id, latencyMs, region: link.region });
    } else if (result.kind === "dropped") this.counters.unknown++;
  }

  /** A peer's home relay if connected, else where it was heard, else none (magicsock `derpWriteChanOfAddr`). */
  #routeTo(peer: Peer): RelayLink | undefined {
    return this.relays.readyLink(peer.config.homeRegion) ??
      (peer.heardIn === undefined ? undefined : this.relays.readyLink(peer.heardIn));
  }

  /** Moves all that must leave into the batches of the relay links, as far as there is room. */
  pump(now: Instant): void {
    this.relays.dropEnded(now);
    for (let out = this.#wireguard.pollTransmit(); out; out = this.#wireguard.pollTransmit()) {
      const peer = this.#peerOf(out.peer);
      const link = peer === undefined ? undefined : this.#routeTo(peer);
      const isSent = link?.sendPacket(out.peer.publicKey, out.datagram, now) ?? false;
      if (!isSent) this.counters.unsendable++;
    }
    for (let event = this.#wireguard.pollEvent(); event; event = this.#wireguard.pollEvent()) {
      const peer = this.#peerOf(event.peer);
      if (event.kind !== "established" || peer === undefined) continue;
      this.#events.push({ kind: "established", id: peer.id });
      this.netstack.resume(now);
    }
    if (this.#canSendAnything(now)) this.#pumpStack(now);
  }

  /** With one peer the stack keeps its packets while they cannot leave, instead of losing them to retransmission. */
  #canSendAnything(now: Instant): boolean {
    if (this.#peers.size !== 1) return this.#peers.size > 1;
    for (const id of this.#peers.keys()) return this.canSend(id, now);
    return false;
  }

  #pumpStack(now: Instant): void {
    let link = (this.#lastDestination && this.#routeTo(this.#lastDestination)) ??
      this.relays.anyReadyLink();
    while (link?.hasRoom(MAX_SEALED_BYTES)) {
      const batch = link.filling;
      const at = batch.end + SEND_PACKET_HEADER_BYTES;
      const packetAt = at + WIREGUARD_HEADER_BYTES;
      const packetBytes = this.netstack.pollTransmit(batch.buffer, packetAt, now);
      if (packetBytes === 0) return;
      const peer = this.#peerByDestination(batch.buffer, packetAt + IPV6_DESTINATION_OFFSET);
      if (peer === undefined) {
        this.counters.unroutable++;
        continue;
      }
      const sealedBytes = this.#wireguard.seal(peer.wireguard, batch.buffer, at, packetBytes, now);
      const route = this.#routeTo(peer);
      if (sealedBytes === 0 || route === undefined) {
        this.counters.unsendable++;
      } else if (route === link) {
        const isSent = link.commitPacket(peer.config.nodeKey, sealedBytes, now);
        if (!isSent) this.counters.unsendable++;
      } else {
        const isSent = route.sendPacket(
          peer.config.nodeKey,
          batch.buffer.subarray(at, at + sealedBytes),
          now,
        );
        if (!isSent) this.counters.unsendable++;
        link = route;
      }
    }
  }

  #peerByDestination(buffer: Uint8Array, at: number): Peer | undefined {
    const last = this.#lastDestination;
    if (last !== undefined && hasAddressAt(last, buffer, at)) return last;
    for (const peer of this.#peers.values()) {
      if (!hasAddressAt(peer, buffer, at)) continue;
      this.#lastDestination = peer;
      return peer;
    }
    return undefined;
  }

  pollEvent(): NodeEvent | undefined {
    return this.#events.shift();
  }

  /** Forgets all peers and erases all keys: the node is of no use afterwards. */
  close(): void {
    for (const id of [...this.#peers.keys()]) this.removePeer(id);
    this.#wireguard.close();
    this.relays.close();
    for (const key of this.#privateKeys) key.fill(0);
  }

  handleTimeout(now: Instant): void {
    this.relays.handleTimeout(now);
    for (const link of this.relays.links()) this.#drainLink(link, now);
    this.#wireguard.handleTimeout(now);
    this.netstack.handleTimeout(now);
  }

  pollTimeout(): Instant | undefined {
    return earlier(
      this.relays.pollTimeout(),
      earlier(this.#wireguard.pollTimeout(), this.netstack.pollTimeout()),
    );
  }
}

function hasAddressAt(peer: Peer, buffer: Uint8Array, at: number): boolean {
  for (const address of peer.config.addresses) {
    let i = 0;
    while (i < IPV6_ADDRESS_BYTES && address[i] === buffer[at + i]) i++;
    if (i === IPV6_ADDRESS_BYTES) return true;
  }
  return false;
}

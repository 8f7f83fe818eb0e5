/**
 * A node of the tailnet: the network stack, WireGuard, disco and the relays put together (coder/tailscale
 * `wgengine/magicsock/magicsock.go`). Packets are written, sealed and framed in the batch they leave in.
 * Not here: who the peers are (`peers.ts`), the way to one (`router.ts`), when relays are dialled (`relays.ts`), and how
 * peers are learnt (`coordinator/`).
 */
import type { Core, Instant, Random } from "../base/core.ts";
import { earlier } from "../base/deadlines.ts";
import { type Aead, publicKey } from "../crypto/mod.ts";
import type { DerpEvent } from "../derp/mod.ts";
import { DiscoPinger, isDisco } from "../disco/mod.ts";
import {
  type ConnectOptions,
  type Destination,
  Netstack,
  type NetstackEvent,
  type TcpSocket,
} from "../netstack/mod.ts";
import { type InitiateOptions, WireguardDevice } from "../wireguard/mod.ts";
import { IPV6_DESTINATION_OFFSET, IPV6_HEADER_BYTES } from "../wire/ipv6.ts";
import type { DerpMap } from "./derp_map.ts";
import type { Line, LineEvent, LineOwner, LineTarget } from "./line.ts";
import { Peers, type TunnelPeer } from "./peers.ts";
import { RelayLink } from "./relay_link.ts";
import { Relays } from "./relays.ts";
import { Router } from "./router.ts";

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

export type { TunnelPeer };

export type NodeEvent =
  /** A relay lets us send and receive. */
  | { readonly kind: "relayReady"; readonly region: number }
  /** A relay never let us in, or not for long: another region may do better. Attempts go on; told at each of them. */
  | { readonly kind: "relayUnreachable"; readonly region: number; readonly reason: string }
  /** A session with this peer carries data in both directions; told at each renewal, `isFirst` when none did before. */
  | { readonly kind: "established"; readonly id: string; readonly isFirst: boolean }
  /** The relay says that the peer is not connected to it. */
  | { readonly kind: "absent"; readonly id: string; readonly region: number }
  /** The peer answered a disco ping over the relay. */
  | {
    readonly kind: "pong";
    readonly id: string;
    readonly latencyMs: number;
    readonly region: number;
  };

export interface NodeCounters {
  /** Packets that no peer's address matches. */
  unroutable: number;
  /** Packets that no path had room for, or none led to the peer. */
  unsendable: number;
  /** Packets from relays that are neither WireGuard nor disco, or from nobody we know. */
  unknown: number;
  /** Over lines. */
  bytesIn: number;
  bytesOut: number;
}

/** An inner packet of 1280 bytes grows by header and tag. */
const MAX_SEALED_BYTES = 1_280 + 16 + 16;
const WIREGUARD_HEADER_BYTES = 16;
const MTU_BYTES = 1_280;
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
  /** For packets that lead to nobody. */
  readonly #scratch = new Uint8Array(MTU_BYTES);

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
    this.#peers = new Peers(this.#wireguard, this.#disco);
    this.#router = new Router(this.relays);
  }

  /** Takes a new map: relays that moved are dialled anew, peers' relays that came with it are connected. */
  setMap(map: DerpMap, options: { readonly forcesWebsocket: boolean }, now: Instant): void {
    this.relays.setMap(map, options, now);
    for (const peer of this.#peers) this.relays.want(peer.config.homeRegion, now);
  }

  /** Adds or updates a peer; a new key under the same id replaces it. Throws `RangeError` for one too many. */
  upsertPeer(config: TunnelPeer, now: Instant): "added" | "updated" | "replaced" {
    const change = this.#peers.upsert(config, now);
    this.relays.want(config.homeRegion, now);
    return change;
  }

  removePeer(id: string): void {
    this.#peers.remove(id);
  }

  /** Begins a handshake with the peer now; nothing happens while no way leads to it. */
  initiate(id: string, now: Instant, options: InitiateOptions = {}): void {
    const peer = this.#peers.get(id);
    // What cannot leave would be lost, and would count as sent: whoever opens a way asks again.
    if (peer === undefined || this.#router.pathTo(peer) === undefined) return;
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
      this.#router.pathTo(peer) !== undefined;
  }

  lastHandshakeAt(id: string): Instant | undefined {
    return this.#peers.get(id)?.wireguard.lastHandshakeAt;
  }

  /** Sends a disco ping; the answer is a `pong` event. */
  ping(id: string, now: Instant): void {
    const peer = this.#peers.get(id);
    const path = peer === undefined ? undefined : this.#router.pathTo(peer);
    if (path === undefined) return;
    const packet = this.#disco.ping(id, path.where, now);
    if (packet !== undefined) path.send(packet, now);
  }

  /** Opens a TCP connection to an address of a peer; `pollSocketEvent` says how it goes. */
  connect(options: ConnectOptions, now: Instant): TcpSocket {
    return this.netstack.connect(options, now);
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

  handleLineWritten(_line: Line, count: number, _now: Instant): void {
    this.counters.bytesOut += count;
  }

  handleLineClosed(line: Line, reason: string, now: Instant): void {
    if (line instanceof RelayLink) this.relays.handleClosed(line, reason, now);
  }

  /** The machine woke up, or its network changed: every connection is older than that. */
  handleWake(now: Instant): void {
    this.relays.redialAll(now);
  }

  #drainLink(link: RelayLink, now: Instant): void {
    for (let event = link.pollEvent(); event !== undefined; event = link.pollEvent()) {
      this.#handleDerpEvent(link, event, now);
    }
  }

  #handleDerpEvent(link: RelayLink, event: DerpEvent, now: Instant): void {
    switch (event.kind) {
      case "packet":
        return this.#handlePacket(link, event.source, event.packet, now);
      case "ready":
        this.relays.handleReady(link, now);
        this.#events.push({ kind: "relayReady", region: link.region });
        this.netstack.resume(now);
        return;
      case "peer-gone": {
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

  #handlePacket(link: RelayLink, source: Uint8Array, packet: Uint8Array, now: Instant): void {
    // WireGuard messages begin with 1 to 4: the common case is told apart by one byte.
    if ((packet[0] ?? 0) > 4 && isDisco(packet)) {
      this.#handleDisco(link, source, packet, now);
      return;
    }
    const inbound = this.#wireguard.handleDatagram(packet, now, source);
    const peer = inbound.peer === undefined ? undefined : this.#peers.ofWireguard(inbound.peer);
    if (peer !== undefined) peer.heardIn = link.region;
    if (inbound.kind === "data") this.netstack.handlePacket(inbound.packet, now);
    else if (inbound.reply !== undefined) link.send(source, inbound.reply, now);
    else if (inbound.peer === undefined) this.counters.unknown++;
  }

  #handleDisco(link: RelayLink, source: Uint8Array, packet: Uint8Array, now: Instant): void {
    const from = { kind: "relay", regionId: link.region, nodeKey: source } as const;
    const result = this.#disco.handlePacket(packet, from, now);
    switch (result.kind) {
      case "ping":
        link.send(source, result.pong, now);
        return;
      case "pong": {
        const { peerId: id, latencyMs } = result;
        this.#events.push({ kind: "pong", id, latencyMs, region: link.region });
        return;
      }
      case "callMeMaybe": // no direct paths yet
        return;
      case "dropped":
        this.counters.unknown++;
        return;
    }
  }

  /** Moves all that must leave into the batches of the lines, as far as there is room. */
  pump(now: Instant): void {
    this.relays.dropEnded(now);
    this.#drainRelays();
    this.#pumpWireguard(now);
    this.#pumpReplies(now);
    for (let left = this.netstack.waitingDestinations; left > 0; left--) {
      const destination = this.netstack.nextDestination();
      if (destination !== undefined) this.#pumpTo(destination, now);
    }
  }

  #drainRelays(): void {
    for (let event = this.relays.pollEvent(); event; event = this.relays.pollEvent()) {
      if (event.kind !== "unreachable") this.#lineEvents.push(event);
      else {
        const { region, reason } = event;
        this.#events.push({ kind: "relayUnreachable", region, reason });
      }
    }
  }

  #pumpWireguard(now: Instant): void {
    for (let out = this.#wireguard.pollTransmit(); out; out = this.#wireguard.pollTransmit()) {
      const peer = this.#peers.ofWireguard(out.peer);
      const path = peer === undefined ? undefined : this.#router.pathTo(peer);
      if (!(path?.send(out.datagram, now) ?? false)) this.counters.unsendable++;
    }
    for (let event = this.#wireguard.pollEvent(); event; event = this.#wireguard.pollEvent()) {
      const peer = this.#peers.ofWireguard(event.peer);
      if (event.kind !== "established" || peer === undefined) continue;
      const { isFirst } = event;
      this.#events.push({ kind: "established", id: peer.id, isFirst });
      // A renewal found a session that worked: nothing had to wait for it.
      if (isFirst) this.netstack.resume(now);
    }
  }

  /** Packets of no socket are not kept: whoever is not answered asks again. */
  #pumpReplies(now: Instant): void {
    for (let out = this.netstack.pollReply(); out; out = this.netstack.pollReply()) {
      const address = out.subarray(IPV6_DESTINATION_OFFSET, IPV6_HEADER_BYTES);
      const peer = this.#peers.ofAddress(address);
      if (peer === undefined) {
        this.counters.unroutable++;
        continue;
      }
      const path = this.#router.pathTo(peer);
      const slot = path?.slot(MAX_SEALED_BYTES);
      if (path === undefined || slot === undefined) {
        this.counters.unsendable++;
        continue;
      }
      slot.buffer.set(out, slot.offset + WIREGUARD_HEADER_BYTES);
      const sealedBytes = this.#wireguard.seal(
        peer.wireguard,
        slot.buffer,
        slot.offset,
        out.length,
        now,
      );
      if (sealedBytes === 0 || !path.commit(sealedBytes, now)) this.counters.unsendable++;
    }
  }

  /** What cannot leave stays in the stack, where it is not lost to retransmission. */
  #pumpTo(destination: Destination<TcpSocket>, now: Instant): void {
    const peer = this.#peers.ofDestination(destination);
    if (peer === undefined) return this.#dropTo(destination, now);
    const path = this.#router.pathTo(peer);
    if (path === undefined) return;
    const { wireguard } = peer;
    if (!this.#wireguard.canSeal(wireguard, now)) return this.#wireguard.want(wireguard, now);
    for (let slot = path.slot(MAX_SEALED_BYTES); slot; slot = path.slot(MAX_SEALED_BYTES)) {
      const { buffer, offset } = slot;
      const packetAt = offset + WIREGUARD_HEADER_BYTES;
      const packetBytes = this.netstack.pollTransmit(buffer, packetAt, now, destination);
      if (packetBytes === 0) return;
      const sealedBytes = this.#wireguard.seal(wireguard, buffer, offset, packetBytes, now);
      // The session may end by its count of messages in mid-batch.
      if (sealedBytes === 0 || !path.commit(sealedBytes, now)) this.counters.unsendable++;
    }
  }

  /** Nobody has this address: its packets go where those to a hole in the network go. */
  #dropTo(destination: Destination<TcpSocket>, now: Instant): void {
    while (this.netstack.pollTransmit(this.#scratch, 0, now, destination) > 0) {
      this.counters.unroutable++;
    }
  }

  pollEvent(): NodeEvent | undefined {
    return this.#events.shift();
  }

  /** What is to be dialled and what is to be hung up. */
  pollLineEvent(): LineEvent | undefined {
    return this.#lineEvents.shift();
  }

  /** What happened to the TCP sockets. */
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
  }

  pollTimeout(): Instant | undefined {
    return earlier(
      this.relays.pollTimeout(),
      earlier(this.#wireguard.pollTimeout(), this.netstack.pollTimeout()),
    );
  }
}

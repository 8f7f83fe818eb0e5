/** The peers of a node: who they are to WireGuard and to disco, and which of them a packet is for. */
import { equalBytes } from "../base/bytes.ts";
import type { Instant } from "../base/core.ts";
import type { DiscoPinger } from "../disco/mod.ts";
import type { Destination, TcpSocket } from "../netstack/mod.ts";
import type { Endpoint } from "../wire/endpoint.ts";
import type { WireguardDevice, WireguardPeer } from "../wireguard/mod.ts";
import { Draining } from "./draining.ts";
import type { RelayPath } from "./relay_path.ts";

/** A peer as the coordinator describes it. */
export interface TunnelPeer {
  /** Stable identity, e.g. the agent's UUID; a new key under it replaces the old peer. */
  readonly id: string;
  readonly nodeKey: Uint8Array;
  readonly discoKey: Uint8Array;
  readonly addresses: readonly Uint8Array[];
  readonly homeRegion: number;
  /** Where UDP may reach it. @default nowhere */
  readonly endpoints?: readonly Endpoint[];
  /** Nobody vouched for it yet: it is greeted, also over a relay that is just letting us in. @default false */
  readonly isHoped?: boolean;
}

export interface Peer {
  readonly id: string;
  readonly config: TunnelPeer;
  readonly wireguard: WireguardPeer;
  /** The region that the peer was last heard in, for answering before its home relay is connected. */
  heardIn: number | undefined;
  /** The way over a relay that was used last. */
  relayPath: RelayPath | undefined;
  /** When the direct paths were told last that data was sent. */
  sentNotedAt: Instant;
  /** What relays still bring after a move to a straight way. */
  readonly draining: Draining;
}

const MAX_PEERS = 4_096;
/** Addresses of a peer that count; Coder's nodes have one or two. */
const MAX_PEER_ADDRESSES = 64;

export class Peers implements Iterable<Peer> {
  readonly #wireguard: WireguardDevice;
  readonly #disco: DiscoPinger;
  readonly #byId = new Map<string, Peer>();
  /** What was looked up once; forgotten when a peer comes, changes or goes. */
  #byDestination = new WeakMap<Destination<TcpSocket>, Peer>();

  constructor(wireguard: WireguardDevice, disco: DiscoPinger) {
    this.#wireguard = wireguard;
    this.#disco = disco;
  }

  [Symbol.iterator](): Iterator<Peer> {
    return this.#byId.values();
  }

  get(id: string): Peer | undefined {
    return this.#byId.get(id);
  }

  ofWireguard(wireguard: WireguardPeer): Peer | undefined {
    const peer = wireguard.tag;
    return isPeer(peer) && this.#byId.get(peer.id) === peer ? peer : undefined;
  }

  ofKey(nodeKey: Uint8Array): Peer | undefined {
    const wireguard = this.#wireguard.peerOf(nodeKey);
    return wireguard === undefined ? undefined : this.ofWireguard(wireguard);
  }

  ofDestination(destination: Destination<TcpSocket>): Peer | undefined {
    const known = this.#byDestination.get(destination) ?? this.ofAddress(destination.address);
    if (known !== undefined) this.#byDestination.set(destination, known);
    return known;
  }

  /** The peer that has this address, 16 bytes. */
  ofAddress(address: Uint8Array): Peer | undefined {
    for (const peer of this.#byId.values()) {
      if (peer.config.addresses.some((own) => equalBytes(own, address))) return peer;
    }
    return undefined;
  }

  /** Adds or updates a peer; a new key under the same id replaces it. Throws `RangeError` for one too many. */
  upsert(config: TunnelPeer, now: Instant): "added" | "updated" | "replaced" {
    const existing = this.#byId.get(config.id);
    const isSame = existing !== undefined &&
      equalBytes(existing.config.nodeKey, config.nodeKey) &&
      equalBytes(existing.config.discoKey, config.discoKey);
    if (existing !== undefined && !isSame) this.remove(config.id);
    if (existing === undefined && this.#byId.size >= MAX_PEERS) {
      throw new RangeError(`Cannot add peer: ${MAX_PEERS} peers are the limit`);
    }
    const addresses = config.addresses.slice(0, MAX_PEER_ADDRESSES);
    const wireguard = this.#wireguard.addPeer(
      { publicKey: config.nodeKey, allowedAddresses: addresses },
      now,
    );
    this.#disco.addPeer(config.id, { discoKey: config.discoKey, nodeKey: config.nodeKey });
    const peer: Peer = {
      id: config.id,
      config: { ...config, addresses },
      wireguard,
      heardIn: isSame ? existing.heardIn : undefined,
      relayPath: isSame ? existing.relayPath : undefined,
      sentNotedAt: isSame ? existing.sentNotedAt : -Infinity,
      draining: new Draining(),
    };
    wireguard.tag = peer;
    this.#byId.set(config.id, peer);
    this.#byDestination = new WeakMap();
    return existing === undefined ? "added" : isSame ? "updated" : "replaced";
  }

  remove(id: string): void {
    const peer = this.#byId.get(id);
    if (peer === undefined) return;
    this.#wireguard.removePeer(peer.wireguard);
    this.#disco.removePeer(id);
    this.#byId.delete(id);
    this.#byDestination = new WeakMap();
  }

  /** Forgets everybody and erases their keys. */
  clear(): void {
    for (const id of [...this.#byId.keys()]) this.remove(id);
  }
}

/** Tags are set in `upsert` alone. */
function isPeer(tag: unknown): tag is Peer {
  return typeof tag === "object" && tag !== null && "wireguard" in tag;
}

/**
 * Disco at one node: sends pings and call-me-maybe, answers pings, and matches pongs (coder/tailscale
 * `wgengine/magicsock/magicsock.go`, `handleDiscoMessage`, `handlePingLocked`; `endpoint.go`, `handlePongConnLocked`).
 * Every call returns the packet to send or what was learnt, so that there is nothing to poll and no timer to arm.
 * An address that was not heard from before is never sent more than came from it: a pong is no longer than its ping.
 * Not here: which candidates to ping when, and which address is best.
 */
import { assertLength, equalBytes, KEY_BYTES, toHex } from "../base/bytes.ts";
import { type Instant, type Random, randomBytes } from "../base/core.ts";
import { BOX_NONCE_BYTES, type BoxKey, precomputeBox } from "../crypto/box.ts";
import { publicKey } from "../crypto/x25519.ts";
import { type Endpoint, endpointKey } from "../wire/endpoint.ts";
import { relayEndpoint } from "./endpoint.ts";
import {
  decodeDiscoMessage,
  type DiscoPing,
  type DiscoPong,
  encodeCallMeMaybe,
  encodePing,
  encodePong,
  TRANSACTION_ID_BYTES,
} from "./message.ts";
import { OutstandingPings } from "./outstanding_pings.ts";
import {
  DISCO_OVERHEAD_BYTES,
  discoSender,
  openDisco,
  PADDED_PACKET_BYTES,
  sealDisco,
} from "./packet.ts";

/** The way a packet came or goes. */
export type DiscoPath =
  | { readonly kind: "relay"; readonly regionId: number }
  | { readonly kind: "udp"; readonly endpoint: Endpoint };

export interface DiscoPingerOptions {
  /** Our disco key, 32 bytes, borrowed for good. */
  readonly privateKey: Uint8Array;
  /** Our WireGuard public key, 32 bytes, which pings name. */
  readonly nodePublicKey: Uint8Array;
  readonly random: Random;
}

export interface DiscoPeerOptions {
  /** The peer's disco key, 32 bytes. */
  readonly discoKey: Uint8Array;
  /** The peer's WireGuard public key, 32 bytes, by which relays know it. */
  readonly nodeKey: Uint8Array;
}

export interface PingOptions {
  /**
   * Length of the packet, at least. @default what every WireGuard packet fits in over UDP, where the path must prove that
   * it carries them; nothing over a relay, which carries any
   */
  readonly paddedBytes?: number;
}

/** How a packet arrived: its path, and over a relay the 32-byte node key that the relay vouches for. */
export type DiscoSource =
  | { readonly kind: "relay"; readonly regionId: number; readonly nodeKey: Uint8Array }
  | { readonly kind: "udp"; readonly endpoint: Endpoint };

export type DiscoInbound =
  /** Send `pong` back the way the ping came; it is no longer than the ping's `packetBytes`. */
  | {
    readonly kind: "ping";
    readonly peerId: string;
    readonly packetBytes: number;
    readonly pong: Uint8Array;
  }
  | {
    readonly kind: "pong";
    readonly peerId: string;
    /** The path that was pinged: this is what works, wherever the pong came from. */
    readonly path: DiscoPath;
    readonly latencyMs: number;
    /** Length of the ping: the path carries that much. */
    readonly packetBytes: number;
    /** Where the peer saw our ping come from. */
    readonly observed: Endpoint;
  }
  | {
    readonly kind: "callMeMaybe";
    readonly peerId: string;
    readonly endpoints: readonly Endpoint[];
  }
  | { readonly kind: "dropped"; readonly reason: DiscoDropReason };

export type DiscoDropReason =
  | "not-disco"
  /** No peer has this disco key, or the relay names another node for it. */
  | "unknown-sender"
  /** The box does not open. */
  | "unauthentic"
  | "malformed"
  /** A pong for no ping, an old one, or another peer's. */
  | "unknown-ping"
  /** A ping that came before from the same address: the network doubled it, or somebody plays it again. */
  | "repeated-ping"
  /** A ping so short that the answer would be longer. */
  | "short-ping"
  /** Call-me-maybe is believed over a relay only. */
  | "wrong-path";

interface DiscoPeer {
  readonly id: string;
  readonly key: BoxKey;
  readonly discoKeyHex: string;
  readonly nodeKey: Uint8Array;
  /** The latest pings over UDP, by transaction id and address, oldest first. */
  readonly answered: Set<string>;
}

interface PingSubject {
  readonly peer: DiscoPeer;
  readonly path: DiscoPath;
  readonly packetBytes: number;
}

/** Pings of one peer that are remembered, so as not to answer them twice. */
const MAX_REMEMBERED_PINGS = 64;

export class DiscoPinger {
  /** Our disco key, 32 bytes. */
  readonly publicKey: Uint8Array;
  readonly #privateKey: Uint8Array;
  readonly #nodePublicKey: Uint8Array;
  readonly #random: Random;
  readonly #peersById = new Map<string, DiscoPeer>();
  readonly #peersByDiscoKey = new Map<string, DiscoPeer>();
  readonly #outstanding = new OutstandingPings<PingSubject>();

  constructor({ privateKey, nodePublicKey, random }: DiscoPingerOptions) {
    this.publicKey = publicKey(privateKey);
    this.#privateKey = privateKey;
    this.#nodePublicKey = nodePublicKey;
    this.#random = random;
  }

  /**
   * Makes a peer known under a name of the caller's; another key under the same name replaces it.
   * Returns false, and knows nobody by that name, when the disco key is of small order, zero for example.
   */
  addPeer(id: string, { discoKey, nodeKey }: DiscoPeerOptions): boolean {
    assertLength(nodeKey, KEY_BYTES, "nodeKey");
    const known = this.#peersById.get(id);
    const discoKeyHex = toHex(discoKey);
    const isSame = known?.discoKeyHex === discoKeyHex && equalBytes(known.nodeKey, nodeKey);
    if (isSame) return true;
    this.removePeer(id);
    const key = precomputeBox(this.#privateKey, discoKey);
    if (key === undefined) return false;
    const peer: DiscoPeer = {
      id,
      key,
      discoKeyHex,
      nodeKey: new Uint8Array(nodeKey),
      answered: new Set(),
    };
    this.#peersById.set(id, peer);
    this.#peersByDiscoKey.set(discoKeyHex, peer);
    return true;
  }

  /** Forgets a peer and wipes what was shared with it. Unknown names are ignored. */
  removePeer(id: string): void {
    const peer = this.#peersById.get(id);
    if (peer === undefined) return;
    this.#peersById.delete(id);
    if (this.#peersByDiscoKey.get(peer.discoKeyHex) === peer) {
      this.#peersByDiscoKey.delete(peer.discoKeyHex);
    }
    peer.key.bytes.fill(0);
  }

  /** A ping to send along `path`, which counts as sent at `now`; `undefined` for an unknown peer. */
  ping(
    peerId: string,
    path: DiscoPath,
    now: Instant,
    options: PingOptions = {},
  ): Uint8Array | undefined {
    const peer = this.#peersById.get(peerId);
    if (peer === undefined) return undefined;
    const { paddedBytes = path.kind === "udp" ? PADDED_PACKET_BYTES : 0 } = options;
    const transactionId = randomBytes(this.#random, TRANSACTION_ID_BYTES);
    const ping = { transactionId, nodeKey: this.#nodePublicKey };
    const packet = this.#seal(peer, encodePing(ping, paddingTo(paddedBytes)));
    this.#outstanding.add(transactionId, { peer, path, packetBytes: packet.length }, now);
    return packet;
  }

  /** To send over the peer's relay, after pings to its addresses went out; `undefined` for an unknown peer. */
  callMeMaybe(peerId: string, endpoints: readonly Endpoint[]): Uint8Array | undefined {
    const peer = this.#peersById.get(peerId);
    return peer === undefined ? undefined : this.#seal(peer, encodeCallMeMaybe(endpoints));
  }

  /** Takes a packet, borrowed. Never throws for any bytes. */
  handlePacket(packet: Uint8Array, source: DiscoSource, now: Instant): DiscoInbound {
    const senderKey = discoSender(packet);
    if (senderKey === undefined) return dropped("not-disco");
    const peer = this.#peersByDiscoKey.get(toHex(senderKey));
    const isKnown = peer !== undefined &&
      (source.kind !== "relay" || equalBytes(source.nodeKey, peer.nodeKey));
    if (!isKnown) return dropped("unknown-sender");
    const opened = openDisco(peer.key, packet);
    if (opened === undefined) return dropped("unauthentic");
    const message = decodeDiscoMessage(opened);
    switch (message.kind) {
      case "ping":
        return this.#answer(peer, message, { source, packetBytes: packet.length });
      case "pong":
        return this.#handlePong(peer, message, source, now);
      case "callMeMaybe":
        if (source.kind !== "relay") return dropped("wrong-path");
        return { kind: "callMeMaybe", peerId: peer.id, endpoints: message.endpoints };
      case "invalid":
        return dropped("malformed");
    }
  }

  #answer(
    peer: DiscoPeer,
    { transactionId }: DiscoPing,
    { source: from, packetBytes }: { readonly source: DiscoSource; readonly packetBytes: number },
  ): DiscoInbound {
    if (from.kind === "relay") {
      const pong = encodePong({ transactionId, source: relayEndpoint(from.regionId) });
      return { kind: "ping", peerId: peer.id, packetBytes, pong: this.#seal(peer, pong) };
    }
    // By address too: a copy that overtakes a ping from elsewhere must not keep its sender from the answer.
    const name = `${toHex(transactionId)} ${endpointKey(from.endpoint)}`;
    if (peer.answered.has(name)) return dropped("repeated-ping");
    // Bare: the ping has shown what its direction carries, and who is answered is owed as little as possible.
    const pong = this.#seal(peer, encodePong({ transactionId, source: from.endpoint }));
    if (pong.length > packetBytes) return dropped("short-ping");
    for (const oldest of peer.answered) {
      if (peer.answered.size < MAX_REMEMBERED_PINGS) break;
      peer.answered.delete(oldest);
    }
    peer.answered.add(name);
    return { kind: "ping", peerId: peer.id, packetBytes, pong };
  }

  #handlePong(peer: DiscoPeer, pong: DiscoPong, from: DiscoSource, now: Instant): DiscoInbound {
    const ping = this.#outstanding.take(
      pong.transactionId,
      (subject) => subject.peer === peer && subject.path.kind === from.kind,
      now,
    );
    if (ping === undefined) return dropped("unknown-ping");
    const { path, packetBytes } = ping.subject;
    const latencyMs = now - ping.sentAt;
    return {
      kind: "pong",
      peerId: peer.id,
      path,
      latencyMs,
      packetBytes,
      observed: pong.source,
    };
  }

  #seal(peer: DiscoPeer, message: Uint8Array): Uint8Array {
    const nonce = randomBytes(this.#random, BOX_NONCE_BYTES);
    return sealDisco(peer.key, { senderKey: this.publicKey, nonce, message });
  }
}

/** Padding of a message whose packet is to be `packetBytes` long; none when that is less than any. */
function paddingTo(packetBytes: number): { paddedBytes: number } {
  return { paddedBytes: Math.max(0, packetBytes - DISCO_OVERHEAD_BYTES) };
}

function dropped(reason: DiscoDropReason): DiscoInbound {
  return { kind: "dropped", reason };
}

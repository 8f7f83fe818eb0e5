/**
 * The direct paths of a node to all its peers: what comes from our UDP sockets and is no data, our own addresses, and for
 * each peer which way its packets go. Seals and opens disco, asks STUN; sends nothing itself.
 *
 * Order of use: any `handle…`, `set…` or verb; then `pollTransmit` and `pollEvent` until both are drained; a timer for
 * `pollTimeout`. `route` may be asked at any time; tell `handleSent` what really left.
 */
import type { Instant, Random } from "../../base/core.ts";
import { earlier } from "../../base/deadlines.ts";
import { TokenBucket } from "../../base/token_bucket.ts";
import { classifyDatagram, type DiscoPinger } from "../../disco/mod.ts";
import type { Endpoint } from "../../wire/endpoint.ts";
import { isAllowed } from "./allowed.ts";
import { ACTIVE_MS, OPENS_BURST, OPENS_PER_SECOND } from "./limits.ts";
import {
  type DatagramVerdict,
  type DirectCounters,
  type DirectEvent,
  type DirectTransmit,
  noCounts,
  type PeerPathsOutput,
  type Route,
} from "./events.ts";
import { KnownPeer } from "./known_peer.ts";
import { Sources } from "./sources.ts";
import type { StunServer } from "./stun_servers.ts";
import { type Local, Whereabouts } from "./whereabouts.ts";

export interface DirectPathsOptions {
  /** Of the node: knows the same peers by the same ids. */
  readonly disco: DiscoPinger;
  readonly random: Random;
  /** The deployment is on this machine, so that peers may be. @default false */
  readonly isSameHost?: boolean;
}

const HANDLED: DatagramVerdict = { kind: "handled" };
/** What STUN servers said within this is not asked again, whatever happens. */
const MIN_AGE_MS = 1_000;

export class DirectPaths {
  readonly counters: DirectCounters = noCounts();
  readonly #disco: DiscoPinger;
  readonly #isSameHost: boolean;
  readonly #own: Whereabouts;
  readonly #opens: TokenBucket;
  readonly #peers = new Map<string, KnownPeer>();
  readonly #transmits: DirectTransmit[] = [];
  readonly #events: DirectEvent[] = [];
  readonly #sources = new Sources();

  constructor({ disco, random, isSameHost = false }: DirectPathsOptions, now: Instant) {
    this.#disco = disco;
    this.#isSameHost = isSameHost;
    this.#own = new Whereabouts({ random, isSameHost });
    this.#opens = new TokenBucket(
      { tokensPerSecond: OPENS_PER_SECOND, burstTokens: OPENS_BURST },
      now,
    );
  }

  /** Where UDP reaches us, as far as we know now. */
  get endpoints(): readonly Endpoint[] {
    return this.#own.list();
  }

  /** Our sockets and interfaces; other interfaces than before mean another network. */
  setLocal(local: Local, now: Instant): void {
    const isOtherNetwork = this.#own.setLocal(local, now);
    for (const peer of this.#peers.values()) {
      peer.paths.setFamilies(this.#own.families, now);
      peer.paths.setAnnounced(this.#allowed(peer.announced), now);
    }
    if (isOtherNetwork) {
      this.handleNetworkChange(now);
      this.#events.push({ kind: "moved" });
    }
    this.#settle(now);
  }

  setStunServers(servers: readonly StunServer[], now: Instant): void {
    this.#own.setServers(servers, now);
    this.#settle(now);
  }

  handleResolved(host: string, addresses: readonly Uint8Array[], now: Instant): void {
    this.#own.handleResolved(host, addresses, now);
    this.#settle(now);
  }

  /** Our network is another, or the machine slept: everything is asked anew at once. */
  handleNetworkChange(now: Instant): void {
    this.#own.handleNetworkChange(now);
    for (const peer of this.#peers.values()) peer.handleNetworkChange(now);
    this.#settle(now);
  }

  /** There is a relay again: peers may not have heard what was said over the one before. */
  handleRelayReady(now: Instant): void {
    for (const peer of this.#peers.values()) peer.paths.handleRelayReady(now);
    this.#settle(now);
  }

  /** A peer that disco knows by `id`; what was known of it under this name is forgotten. */
  addPeer(id: string, now: Instant): void {
    const peer = new KnownPeer(id, now);
    peer.paths.setFamilies(this.#own.families, now);
    this.#peers.set(id, peer);
    this.#sources.forget();
  }

  removePeer(id: string): void {
    this.#peers.delete(id);
    this.#sources.forget();
  }

  /** Where the coordinator says that the peer is. */
  setAnnounced(id: string, endpoints: readonly Endpoint[], now: Instant): void {
    const peer = this.#peers.get(id);
    if (peer === undefined) return;
    peer.announced = endpoints;
    peer.paths.setAnnounced(this.#allowed(endpoints), now);
    this.#settle(now);
  }

  /** Looks for a way to the peer although nothing was sent yet. */
  seek(id: string, now: Instant): void {
    this.#own.want(now + ACTIVE_MS);
    this.#peers.get(id)?.paths.seek(now);
    this.#settle(now);
  }

  /** Leaves the path in use for the relay and makes the peer do so, until `release`; false when none is in use. */
  hold(id: string, now: Instant): boolean {
    const isHeld = this.#peers.get(id)?.hold(now) ?? false;
    this.#settle(now);
    return isHeld;
  }

  release(id: string, now: Instant): void {
    this.#peers.get(id)?.release(now);
    this.#settle(now);
  }

  /** What is known of the path that is held back; `undefined` while none is. */
  held(id: string): { readonly answers: number } | undefined {
    const peer = this.#peers.get(id);
    return peer?.isHeld === true ? { answers: peer.answers } : undefined;
  }

  /** Which way the next packet to the peer goes; `undefined` for an unknown peer. */
  route(id: string, now: Instant): Route | undefined {
    return this.#peers.get(id)?.route(now);
  }

  /** The address in use and its latency; `undefined` while the relay is. */
  inUse(id: string): { readonly endpoint: Endpoint; readonly latencyMs: number } | undefined {
    return this.#peers.get(id)?.paths.inUse;
  }

  /** Whether the peer's packets may come straight: it was met by UDP lately. */
  isMet(id: string, now: Instant): boolean {
    return this.#peers.get(id)?.isMet(now) ?? false;
  }

  /** Pings the address in use; `pong` tells the answer. False while there is none. */
  ping(id: string, now: Instant): boolean {
    const peer = this.#peers.get(id);
    if (peer === undefined || !peer.paths.pingInUse(now)) return false;
    peer.isPingAsked = true;
    this.#drain(peer, now);
    return true;
  }

  /** Addresses of the peer that are kept. */
  candidateCount(id: string): number {
    return this.#peers.get(id)?.paths.candidateCount ?? 0;
  }

  /** Should be called when data, not mere keepalives, was sent to the peer, whichever way. */
  handleSent(id: string, now: Instant): void {
    const peer = this.#peers.get(id);
    if (peer === undefined) return;
    this.#own.want(now + ACTIVE_MS);
    peer.handleSent(now);
    this.#drain(peer, now);
  }

  /** Should be called when an authentic WireGuard message of the peer came over UDP. */
  handleHeard(id: string, now: Instant): void {
    const peer = this.#peers.get(id);
    if (peer === undefined) return;
    peer.handleHeard(now);
    if (peer.isHeld) this.#drain(peer, now);
  }

  /** The machine could not send there: no route, no such interface. */
  handleUnsendable(endpoint: Endpoint, now: Instant): void {
    for (const peer of this.#peers.values()) peer.paths.handleUnsendable(endpoint, now);
    this.#settle(now);
  }

  /** A call-me-maybe came over the relay; false when it was one too many. */
  handleCallMeMaybe(id: string, endpoints: readonly Endpoint[], now: Instant): boolean {
    const peer = this.#peers.get(id);
    if (peer === undefined) return false;
    const allowed = this.#allowed(endpoints);
    // A list of nothing but what is refused is no word that the peer has no address.
    const isHeeded = endpoints.length > 0 && allowed.length === 0
      ? true
      : peer.handleCall(allowed, now);
    if (!isHeeded) this.counters.excessDisco++;
    this.#settle(now);
    return isHeeded;
  }

  /** Takes a datagram from one of our sockets; borrowed. Never throws for any bytes. */
  handleDatagram(datagram: Uint8Array, from: Endpoint, now: Instant): DatagramVerdict {
    const kind = classifyDatagram(datagram);
    switch (kind) {
      case "wireguard":
        return this.#handleWireguard(from);
      case "stun":
        if (!this.#own.handleStun(datagram, from, now)) this.counters.unaskedStun++;
        break;
      case "disco":
        this.#handleDisco(datagram, from, now);
        break;
      case "unknown":
        this.counters.unknown++;
        return HANDLED;
    }
    this.#settle(now);
    return HANDLED;
  }

  handleTimeout(now: Instant): void {
    this.#own.handleTimeout(now);
    for (const peer of this.#peers.values()) peer.handleTimeout(now);
    this.#settle(now);
  }

  pollTimeout(): Instant | undefined {
    let next = this.#own.pollTimeout();
    for (const peer of this.#peers.values()) next = earlier(next, peer.pollTimeout());
    return next;
  }

  pollTransmit(): DirectTransmit | undefined {
    return this.#transmits.shift();
  }

  pollEvent(): DirectEvent | undefined {
    return this.#events.shift();
  }

  #handleWireguard(from: Endpoint): DatagramVerdict {
    const verdict = this.#sources.verdictOn(from, this.#peers.values());
    if (verdict === undefined) this.counters.strangers++;
    return verdict ?? HANDLED;
  }

  #handleDisco(datagram: Uint8Array, from: Endpoint, now: Instant): void {
    if (!this.#opens.take(1, now)) {
      this.counters.excessDisco++;
      return;
    }
    const result = this.#disco.handlePacket(datagram, { kind: "udp", endpoint: from }, now);
    if (result.kind === "dropped") {
      this.counters.badDisco++;
      return;
    }
    const peer = this.#peers.get(result.peerId);
    if (peer === undefined || result.kind === "callMeMaybe") return;
    // Who sends from there is there, on this machine too.
    if (!isAllowed(from, { isSameHost: true })) {
      this.counters.refusedAddresses++;
    } else if (result.kind === "ping") {
      // Who is answered takes the path (magicsock `handlePongConnLocked`).
      if (peer.isHeld) return;
      const { pong, packetBytes: pingBytes } = result;
      this.#transmits.push({ kind: "udp", endpoint: from, datagram: pong });
      peer.paths.handlePing(from, { pingBytes, pongBytes: pong.length }, now);
    } else if (result.path.kind === "udp") {
      peer.observed.note(result.observed);
      const { endpoint } = result.path;
      peer.handlePong(endpoint, result, now);
      if (!peer.isPingAsked || peer.paths.inUse?.endpoint !== endpoint) return;
      peer.isPingAsked = false;
      const { latencyMs } = result;
      this.#events.push({ kind: "pong", peerId: peer.id, endpoint, latencyMs });
    }
  }

  /**
   * Those that may be pinged. That a peer also has an address of ours proves nothing of its being here: we told it
   * ourselves. And if it is here, that address reaches it.
   */
  #allowed(endpoints: readonly Endpoint[]): Endpoint[] {
    const isSameHost = this.#isSameHost;
    const allowed = endpoints.filter((endpoint) =>
      isAllowed(endpoint, { isSameHost }) && !this.#own.isOurs(endpoint)
    );
    this.counters.refusedAddresses += endpoints.length - allowed.length;
    return allowed;
  }

  #settle(now: Instant): void {
    for (const peer of this.#peers.values()) this.#drain(peer, now);
    for (let out = this.#own.pollOutput(now); out; out = this.#own.pollOutput(now)) {
      if (out.kind !== "send") this.#events.push(out);
      else {
        const { endpoint, datagram } = out;
        this.#transmits.push({ kind: "udp", endpoint, datagram });
      }
    }
    if (!this.#own.takeNews()) return;
    for (const peer of this.#peers.values()) {
      peer.paths.handleOwnEndpoints(now);
      this.#drain(peer, now);
    }
  }

  #drain(peer: KnownPeer, now: Instant): void {
    for (let out = peer.pollOutput(); out !== undefined; out = peer.pollOutput()) {
      this.#handleOutput(peer, out, now);
    }
  }

  #handleOutput(peer: KnownPeer, output: PeerPathsOutput, now: Instant): void {
    const { id: peerId } = peer;
    switch (output.kind) {
      case "ping": {
        const { endpoint, packetBytes: paddedBytes } = output;
        const path = { kind: "udp", endpoint } as const;
        const datagram = this.#disco.ping(peerId, path, now, { paddedBytes });
        if (datagram !== undefined) this.#transmits.push({ kind: "udp", endpoint, datagram });
        return;
      }
      case "call": {
        const endpoints = output.list === "all" ? peer.observed.added(this.#own.list()) : [];
        if (output.list === "all" && endpoints.length === 0) return;
        this.#own.freshen(now);
        const packet = this.#disco.callMeMaybe(peerId, endpoints);
        if (packet !== undefined) this.#transmits.push({ kind: "relay", peerId, packet });
        return;
      }
      case "changed":
        // The usual reason is a NAT that forgot us: where it has us now is the next thing to tell the peer.
        if (output.change.kind === "relay" && output.change.reason === "silence") {
          this.#own.freshen(now, MIN_AGE_MS);
        }
        this.#events.push({ kind: "changed", peerId, change: output.change });
        return;
    }
  }
}

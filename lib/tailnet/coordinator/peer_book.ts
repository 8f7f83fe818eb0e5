/**
 * What we know of our peers from the coordinator, and when a handshake with one may begin (coder/coder
 * `tailnet/configmaps.go` `updatePeerLocked`, `peerLifecycle`). A lost peer stays: the tunnel may well work on; who
 * removes it when no handshake has succeeded for too long is the owner of the tunnel, not this book.
 *
 * Deviations: every READY_FOR_HANDSHAKE is told, not only the first, because a restarted agent says it anew when it
 * knows us; a new key is another process, which has not said that it knows us; of nodes that nobody asked for in time
 * only the latest is told; and there are bounds on peers.
 */
import { equalBytes } from "../../base/bytes.ts";
import type { Instant } from "../../base/core.ts";
import { Deadlines } from "../../base/deadlines.ts";
import type { TailnetNode } from "../node_message.ts";
import type { PeerUpdate } from "./messages.ts";

export interface PeerBookOptions {
  /** Whose updates count; `undefined`: everybody's. */
  readonly only?: ReadonlySet<string>;
  /** Whether the server passes READY_FOR_HANDSHAKE on. @default true */
  readonly expectsReady?: boolean;
}

export type PeerEvent =
  /** Install or update the peer. `change` compares its key with what was known; a lost peer is found again. */
  | {
    readonly kind: "node";
    readonly peerId: string;
    readonly node: TailnetNode;
    readonly change: "new" | "updated" | "rekeyed";
    readonly isReady: boolean;
  }
  /** A handshake may begin now: the peer knows us, or has had its time, or cannot say. */
  | {
    readonly kind: "ready";
    readonly peerId: string;
    readonly source: "message" | "timeout" | "unsupported";
    readonly isFirst: boolean;
  }
  /** Nobody vouches for the peer any more; keep using it. */
  | {
    readonly kind: "lost";
    readonly peerId: string;
    readonly cause: "server" | "connection";
    readonly reason: string;
  }
  /** The peer went away deliberately. */
  | { readonly kind: "removed"; readonly peerId: string; readonly reason: string };

interface Peer {
  node: TailnetNode | undefined;
  isReady: boolean;
  isLost: boolean;
}

/** How long a peer may take to say that it knows us (`tailnet/configmaps.go` readyForHandshakeTimeout). */
export const READY_TIMEOUT_MS = 5_000;
export const MAX_PEERS = 4096;

export class PeerBook {
  readonly #only: ReadonlySet<string> | undefined;
  #expectsReady: boolean;
  readonly #peers = new Map<string, Peer>();
  readonly #events: PeerEvent[] = [];
  /** By peer: when to go ahead without its READY_FOR_HANDSHAKE. */
  readonly #deadlines = new Deadlines<string>();

  constructor(options: PeerBookOptions = {}) {
    this.#only = options.only;
    this.#expectsReady = options.expectsReady ?? true;
  }

  /** The server turned out to pass no READY_FOR_HANDSHAKE on. */
  expectNoReady(): void {
    this.#expectsReady = false;
  }

  nodeOf(peerId: string): TailnetNode | undefined {
    return this.#peers.get(peerId)?.node;
  }

  isReady(peerId: string): boolean {
    return this.#peers.get(peerId)?.isReady ?? false;
  }

  handleUpdate(update: PeerUpdate, now: Instant): void {
    if (this.#only !== undefined && !this.#only.has(update.peerId)) return;
    switch (update.kind) {
      case "node":
        return this.#handleNode(update.peerId, update.node, now);
      case "readyForHandshake":
        return this.#handleReady(update.peerId);
      case "lost":
        return this.#handleLost(update.peerId, "server", update.reason);
      case "disconnected":
        return this.#handleDisconnected(update.peerId, update.reason);
    }
  }

  /** Our own connection to the coordinator ended: nobody vouches for anybody. */
  handleConnectionLost(reason: string): void {
    for (const peerId of this.#peers.keys()) this.#handleLost(peerId, "connection", reason);
  }

  handleTimeout(now: Instant): void {
    for (let peerId = this.#deadlines.pop(now); peerId !== undefined;) {
      this.#goAhead(peerId, "timeout");
      peerId = this.#deadlines.pop(now);
    }
  }

  pollTimeout(): Instant | undefined {
    return this.#deadlines.next();
  }

  pollEvent(): PeerEvent | undefined {
    return this.#events.shift();
  }

  #handleNode(peerId: string, node: TailnetNode, now: Instant): void {
    if (node.preferredDerp === 0) return; // not reachable yet
    const peer = this.#peerOf(peerId);
    if (peer === undefined) return;
    const before = peer.node;
    const wasReadyFirst = before === undefined && peer.isReady;
    peer.node = node;
    peer.isLost = false;
    const change = before === undefined
      ? "new"
      : equalBytes(before.key, node.key)
      ? "updated"
      : "rekeyed";
    if (change === "rekeyed") peer.isReady = false;
    this.#tellNode({ kind: "node", peerId, node, change, isReady: peer.isReady });
    if (wasReadyFirst) {
      this.#events.push({ kind: "ready", peerId, source: "message", isFirst: true });
    } else if (!this.#expectsReady && !peer.isReady) {
      this.#goAhead(peerId, "unsupported");
    } else if (!peer.isReady) {
      this.#deadlines.set(peerId, now + READY_TIMEOUT_MS);
    }
  }

  /** Only what is known at last is worth the work of whoever listens. */
  #tellNode(event: Extract<PeerEvent, { kind: "node" }>): void {
    const at = this.#events.findLastIndex(({ peerId }) => peerId === event.peerId);
    const before = this.#events[at];
    if (before?.kind !== "node") {
      this.#events.push(event);
      return;
    }
    const change = before.change === "updated" ? event.change : before.change;
    this.#events[at] = { ...event, change };
  }

  #handleReady(peerId: string): void {
    const peer = this.#peerOf(peerId);
    if (peer === undefined) return;
    const isFirst = !peer.isReady;
    peer.isReady = true;
    this.#deadlines.clear(peerId);
    if (peer.node === undefined) return; // told when the node comes
    this.#events.push({ kind: "ready", peerId, source: "message", isFirst });
  }

  #handleLost(peerId: string, cause: "server" | "connection", reason: string): void {
    const peer = this.#peers.get(peerId);
    if (peer?.node === undefined || peer.isLost) return;
    peer.isLost = true;
    this.#events.push({ kind: "lost", peerId, cause, reason });
  }

  #handleDisconnected(peerId: string, reason: string): void {
    const peer = this.#peers.get(peerId);
    if (peer === undefined) return;
    this.#peers.delete(peerId);
    this.#deadlines.clear(peerId);
    if (peer.node !== undefined) this.#events.push({ kind: "removed", peerId, reason });
  }

  #goAhead(peerId: string, source: "timeout" | "unsupported"): void {
    const peer = this.#peers.get(peerId);
    if (peer === undefined) return;
    peer.isReady = true;
    this.#events.push({ kind: "ready", peerId, source, isFirst: true });
  }

  /** The peer's entry, made if need be; `undefined` when there are too many. */
  #peerOf(peerId: string): Peer | undefined {
    const known = this.#peers.get(peerId);
    if (known !== undefined || this.#peers.size >= MAX_PEERS) return known;
    const peer: Peer = { node: undefined, isReady: false, isLost: false };
    this.#peers.set(peerId, peer);
    return peer;
  }
}

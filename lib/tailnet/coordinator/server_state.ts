/**
 * Who knows whom: peers by id, tunnels from client to agent, and what each was told (coder/coder
 * `tailnet/coordinator.go` `core`, `tailnet/peer.go`, `tailnet/tunnel.go` `tunnelStore`). In memory, as upstream's own:
 * a peer that is gone takes its tunnels with it.
 *
 * Nothing of I/O: a peer is reached through its `PeerPort`. Requests that break the rules end the peer, which is then
 * lost to the others.
 */
import { equalBytes } from "../../base/bytes.ts";
import {
  CoordinateResponse_PeerUpdate_Kind as Kind,
  createCoordinateResponse_PeerUpdate,
  encodeNode,
} from "../../proto/tailnet_pb.ts";
import type {
  CoordinateRequest,
  CoordinateResponse_PeerUpdate as PeerUpdate,
  Node,
} from "../../proto/tailnet_pb.ts";
import { formatUuid, parseUuid, UUID_BYTES } from "../address.ts";
import { refusalOf } from "./authorize.ts";
import type { PeerRole } from "./authorize.ts";

/** The way to one connected peer. */
export interface PeerPort {
  sendUpdates(updates: readonly PeerUpdate[]): void;
  sendError(text: string): void;
  /** Ends the peer's stream in order. The port is not used again. */
  close(): void;
}

interface Peer {
  readonly id: string;
  readonly role: PeerRole;
  readonly port: PeerPort;
  node: Node | undefined;
  /** By peer: the bytes of the node last sent about it. */
  readonly sent: Map<string, Uint8Array>;
}

const MAX_UPDATES_PER_MESSAGE = 1024;

export class CoordinatorState {
  readonly #peers = new Map<string, Peer>();
  /** By source: its destinations. */
  readonly #tunnels = new Map<string, Set<string>>();

  get peerCount(): number {
    return this.#peers.size;
  }

  hasNode(peerId: string): boolean {
    return this.#peers.get(peerId)?.node !== undefined;
  }

  /** A peer opened its stream. One with the same id is shown out; its tunnels stay. */
  connect(peerId: string, role: PeerRole, port: PeerPort): void {
    const old = this.#peers.get(peerId);
    if (old !== undefined) {
      this.#peers.delete(peerId);
      old.port.sendError("peer ID overwritten by new connection");
      old.port.close();
    }
    const peer: Peer = { id: peerId, role, port, node: undefined, sent: new Map() };
    this.#peers.set(peerId, peer);
    const updates = this.#neighboursOf(peerId)
      .map((other) => nodeUpdateFor(peer, other, "add peer"))
      .filter((update) => update !== undefined);
    for (let at = 0; at < updates.length; at += MAX_UPDATES_PER_MESSAGE) {
      port.sendUpdates(updates.slice(at, at + MAX_UPDATES_PER_MESSAGE));
    }
  }

  /** Does what the peer asks. Ignored from a port that was overwritten. */
  handleRequest(peerId: string, port: PeerPort, request: CoordinateRequest): void {
    const peer = this.#peerBehind(peerId, port);
    if (peer === undefined) return;
    const refusal = refusalOf(request, peerId, peer.role);
    if (refusal !== undefined) {
      port.sendError(refusal);
      this.#remove(peer, Kind.LOST, "lost");
      port.close();
      return;
    }
    if (request.updateSelf?.node !== undefined) this.#updateSelf(peer, request.updateSelf.node);
    if (request.addTunnel !== undefined) this.#addTunnel(peer, formatUuid(request.addTunnel.id));
    if (request.removeTunnel !== undefined) {
      this.#removeTunnel(peer, formatUuid(request.removeTunnel.id));
    }
    for (const { id } of request.readyForHandshake) this.#readyForHandshake(peer, id);
    if (request.disconnect !== undefined) {
      this.#remove(peer, Kind.DISCONNECTED, "graceful disconnect");
      port.close();
    }
  }

  /** The peer's stream ended without a word. */
  handleLost(peerId: string, port: PeerPort): void {
    const peer = this.#peerBehind(peerId, port);
    if (peer !== undefined) this.#remove(peer, Kind.LOST, "lost");
  }

  #updateSelf(peer: Peer, node: Node): void {
    peer.node = node;
    for (const other of this.#neighboursOf(peer.id)) sendNode(other, peer, "node update");
  }

  #addTunnel(source: Peer, destinationId: string): void {
    const destinations = this.#tunnels.get(source.id) ?? new Set();
    this.#tunnels.set(source.id, destinations.add(destinationId));
    const destination = this.#peers.get(destinationId);
    if (destination === undefined) return;
    sendNode(source, destination, "add tunnel");
    sendNode(destination, source, "add tunnel");
  }

  #removeTunnel(source: Peer, destinationId: string): void {
    this.#tunnels.get(source.id)?.delete(destinationId);
    const destination = this.#peers.get(destinationId);
    if (destination === undefined) return;
    sendGone(source, destinationId, Kind.DISCONNECTED, "remove tunnel");
    sendGone(destination, source.id, Kind.DISCONNECTED, "remove tunnel");
  }

  #readyForHandshake(peer: Peer, id: Uint8Array): void {
    const otherId = id.length === UUID_BYTES ? formatUuid(id) : "";
    const shares = this.#neighbourIdsOf(peer.id).has(otherId);
    if (!shares) {
      const text = `ready for handshake error: you do not share a tunnel with "${otherId}"`;
      peer.port.sendError(text); // harmless: the stream goes on
      return;
    }
    const other = this.#peers.get(otherId);
    other?.port.sendUpdates([update(peer.id, Kind.READY_FOR_HANDSHAKE, "ready for handshake")]);
  }

  #remove(peer: Peer, kind: typeof Kind.LOST | typeof Kind.DISCONNECTED, reason: string): void {
    const neighbours = this.#neighboursOf(peer.id);
    this.#peers.delete(peer.id);
    this.#tunnels.delete(peer.id);
    for (const other of neighbours) sendGone(other, peer.id, kind, reason);
  }

  #peerBehind(peerId: string, port: PeerPort): Peer | undefined {
    const peer = this.#peers.get(peerId);
    return peer?.port === port ? peer : undefined;
  }

  #neighboursOf(peerId: string): Peer[] {
    return [...this.#neighbourIdsOf(peerId)]
      .map((id) => this.#peers.get(id))
      .filter((peer) => peer !== undefined);
  }

  #neighbourIdsOf(peerId: string): Set<string> {
    const ids = new Set(this.#tunnels.get(peerId));
    for (const [source, destinations] of this.#tunnels) {
      if (destinations.has(peerId)) ids.add(source);
    }
    return ids;
  }
}

/** Tells `to` of `about`, unless it was told exactly that before. */
function sendNode(to: Peer, about: Peer, reason: string): void {
  const message = nodeUpdateFor(to, about, reason);
  if (message !== undefined) to.port.sendUpdates([message]);
}

function nodeUpdateFor(to: Peer, about: Peer, reason: string): PeerUpdate | undefined {
  const { node } = about;
  if (node === undefined) return undefined;
  const bytes = encodeNode(node);
  const before = to.sent.get(about.id);
  if (before !== undefined && equalBytes(before, bytes)) return undefined;
  to.sent.set(about.id, bytes);
  return { ...update(about.id, Kind.NODE, reason), node };
}

/** Tells `to` that `aboutId` is gone, if it ever heard of it. */
function sendGone(
  to: Peer,
  aboutId: string,
  kind: typeof Kind.LOST | typeof Kind.DISCONNECTED,
  reason: string,
): void {
  if (to.sent.delete(aboutId)) to.port.sendUpdates([update(aboutId, kind, reason)]);
}

function update(peerId: string, kind: Kind, reason: string): PeerUpdate {
  const id = parseUuid(peerId) ?? new Uint8Array(UUID_BYTES);
  return createCoordinateResponse_PeerUpdate({ id, kind, reason });
}

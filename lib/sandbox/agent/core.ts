/**
 * An agent as a core: a node and the coordination in agent role put together (coder/coder `agent/agent.go`
 * `createTailnet`, `tailnet/controllers.go`). Every client that the coordinator tells of becomes a peer. The coordinator is in
 * the same process: `say` is what to tell it, and its words go to `client` as those of the line that was dialled.
 */
import { assertNever, type Instant, type Random } from "../../base/core.ts";
import { earlier } from "../../base/deadlines.ts";
import type {
  ConnectOptions,
  FlowOptions,
  NetstackEvent,
  TcpSocket,
  UdpFlow,
} from "../../netstack/mod.ts";
import type { Endpoint } from "../../wire/endpoint.ts";
import { CoordinatorClient } from "../../tailnet/coordinator/client.ts";
import type { CoordinatorEvent } from "../../tailnet/coordinator/client_events.ts";
import type { Line, LineEvent, LineTarget } from "../../tailnet/line.ts";
import type { TunnelNode } from "../../tailnet/node.ts";
import type { TunnelCore } from "../../tailnet/tunnel_core.ts";

export type AgentCoreEvent =
  | CoordinatorEvent
  /** One message to the coordinator, on the line that was dialled last. */
  | { readonly kind: "say"; readonly payload: Uint8Array }
  /** Where UDP reaches us has changed: tell the coordinator. */
  | { readonly kind: "endpoints"; readonly endpoints: readonly Endpoint[] };

export interface AgentCoreOptions {
  readonly random: Random;
  readonly wallMsAtZero: number;
}

/** Peers that nobody vouches for are kept this long after the last handshake (`tailnet/configmaps.go` lostTimeout). */
const LOST_TIMEOUT_MS = 15 * 60_000;

export class AgentCore implements TunnelCore<AgentCoreEvent> {
  readonly node: TunnelNode;
  readonly client: CoordinatorClient;
  /** By peer: when to look whether it is worth keeping. */
  readonly #lostUntil = new Map<string, Instant>();
  /** To the coordinator. */
  #line: Line | undefined;
  readonly #events: AgentCoreEvent[] = [];

  constructor(node: TunnelNode, options: AgentCoreOptions, now: Instant) {
    this.node = node;
    this.client = new CoordinatorClient({
      ...options,
      at: { kind: "inProcess" },
      tunnels: [],
      role: "agent",
    }, now);
  }

  connect(options: ConnectOptions, now: Instant): TcpSocket {
    return this.node.connect(options, now);
  }

  openUdp(options: FlowOptions): UdpFlow {
    return this.node.netstack.datagrams.open(options);
  }

  close(): void {
    this.node.close();
  }

  handleLineOpened(line: Line, target: LineTarget, now: Instant): void {
    this.node.handleLineOpened(line, target, now);
  }

  handleLineBytes(line: Line, chunk: Uint8Array, now: Instant): void {
    this.node.handleLineBytes(line, chunk, now);
  }

  handleLineWritten(line: Line, count: number, now: Instant): boolean {
    return this.node.handleLineWritten(line, count, now);
  }

  handleLineClosed(line: Line, reason: string, now: Instant): void {
    this.node.handleLineClosed(line, reason, now);
  }

  handleWake(now: Instant): void {
    this.node.handleWake(now);
    this.client.handleWake(now);
  }

  handleTimeout(now: Instant): void {
    this.node.handleTimeout(now);
    this.client.handleTimeout(now);
    for (const [peerId, until] of this.#lostUntil) {
      if (until <= now) this.#checkLost(peerId, now);
    }
  }

  pollTimeout(): Instant | undefined {
    let at = earlier(this.node.pollTimeout(), this.client.pollTimeout());
    for (const until of this.#lostUntil.values()) at = earlier(at, until);
    return at;
  }

  pump(now: Instant): void {
    do this.node.pump(now); while (this.#drainNode());
    for (let event = this.client.pollEvent(); event; event = this.client.pollEvent()) {
      this.#handleEvent(event, now);
      this.#events.push(event);
    }
    this.client.pump();
    this.#say();
  }

  pollLineEvent(): LineEvent | undefined {
    return this.node.pollLineEvent();
  }

  pollSocketEvent(): NetstackEvent | undefined {
    return this.node.pollSocketEvent();
  }

  pollEvent(): AgentCoreEvent | undefined {
    return this.#events.shift();
  }

  /** Whether there was anything: it may have made something leave. An agent acts on one kind. */
  #drainNode(): boolean {
    let isMoved = false;
    for (let event = this.node.pollEvent(); event; event = this.node.pollEvent()) {
      isMoved = true;
      if (event.kind === "direct" && event.event.kind === "endpoints") {
        this.#events.push(event.event);
      }
    }
    return isMoved;
  }

  #handleEvent(event: CoordinatorEvent, now: Instant): void {
    switch (event.kind) {
      case "dial":
        this.#line = event.line;
        return;
      case "hangUp":
        this.#say();
        this.#line = undefined;
        return;
      case "node":
        this.#lostUntil.delete(event.peerId);
        this.node.upsertPeer({
          id: event.peerId,
          nodeKey: event.node.key,
          discoKey: event.node.disco,
          addresses: event.node.allowedIps,
          homeRegion: event.node.preferredDerp,
          endpoints: event.node.endpoints,
        }, now);
        return;
      case "lost":
        this.#lostUntil.set(event.peerId, now + LOST_TIMEOUT_MS);
        return;
      case "removed":
        this.#lostUntil.delete(event.peerId);
        this.node.removePeer(event.peerId);
        return;
      case "connected":
      case "disconnected":
      case "ready":
      case "derpMap": // whose home it is is the owner's to say
      case "mapWanted":
      case "serverError":
      case "failed":
      case "closed":
        return;
      default:
        assertNever(event);
    }
  }

  #checkLost(peerId: string, now: Instant): void {
    const keptUntil = (this.node.wireguardOf(peerId)?.lastHandshakeAt ?? -Infinity) +
      LOST_TIMEOUT_MS;
    if (keptUntil > now) this.#lostUntil.set(peerId, keptUntil);
    else {
      this.#lostUntil.delete(peerId);
      this.node.removePeer(peerId);
    }
  }

  /** What the line holds, told before its end is. */
  #say(): void {
    const line = this.#line;
    for (let batch = line?.takeBatch(); batch; batch = line?.takeBatch()) {
      this.#events.push({ kind: "say", payload: batch.bytes });
    }
  }
}

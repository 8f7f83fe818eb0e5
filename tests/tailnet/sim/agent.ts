/** The workspace agent of a simulated tailnet: a node in agent role that answers every client and serves bulk transfers. */
import type { Instant, Random } from "../../../lib/base/core.ts";
import { earlier } from "../../../lib/base/deadlines.ts";
import { generatePrivateKey, loadAead } from "../../../lib/crypto/mod.ts";
import type { NetstackEvent, TcpSocket } from "../../../lib/netstack/mod.ts";
import { addressOfUuid, nodeIdOfUuid, parseUuid } from "../../../lib/tailnet/address.ts";
import { CoordinatorClient, type CoordinatorEvent } from "../../../lib/tailnet/coordinator/mod.ts";
import type { CoordinatorServerSession } from "../../../lib/tailnet/coordinator/server_mod.ts";
import type { DerpMap } from "../../../lib/tailnet/derp_map.ts";
import { TunnelNode } from "../../../lib/tailnet/node.ts";
import type { TailnetNode } from "../../../lib/tailnet/node_message.ts";
import { Bulk } from "./bulk.ts";
import type { SimCoordinator } from "./coordinator.ts";
import type { SimNetwork } from "./network.ts";
import { type SimCompanion, SimNodeDriver } from "./node_driver.ts";

export interface SimAgentOptions {
  readonly agentId: string;
  readonly random: Random;
  readonly network: SimNetwork;
  readonly coordinator: SimCoordinator;
  readonly map: DerpMap;
  readonly homeRegion: number;
  readonly wallMsAtZero: number;
  /** What each connection to port 1 is sent. */
  readonly sendBytes: number;
}

const LOST_TIMEOUT_MS = 15 * 60_000;
/** The coordinator is dialled again after this; its websocket is not simulated. */
const REDIAL_MS = 50;

export class SimAgent implements SimCompanion {
  readonly node: TunnelNode;
  readonly driver: SimNodeDriver;
  readonly bulks: Bulk[] = [];
  /** Says READY_FOR_HANDSHAKE. */
  saysReady = true;
  /** Knows nobody: a process that was stopped. */
  isFrozen = false;
  readonly #options: SimAgentOptions;
  readonly #client: CoordinatorClient;
  readonly #lostUntil = new Map<string, Instant>();
  #session: CoordinatorServerSession | undefined;
  #dialAt: Instant | undefined;
  #region: number;

  constructor(options: SimAgentOptions, now: Instant) {
    this.#options = options;
    this.#region = options.homeRegion;
    const { agentId, random, wallMsAtZero } = options;
    const uuid = parseUuid(agentId);
    if (uuid === undefined) throw new TypeError("agentId must be a UUID");
    this.node = new TunnelNode({
      addresses: [addressOfUuid(uuid)],
      nodePrivateKey: generatePrivateKey(random),
      discoPrivateKey: generatePrivateKey(random),
      random,
      aead: loadAead(),
      wallMsAtZero,
    });
    this.node.netstack.listen(1);
    this.node.relays.setMap(options.map, { forcesWebsocket: false }, now);
    this.node.relays.setHome(options.homeRegion, now);
    this.#client = new CoordinatorClient({ random, wallMsAtZero, tunnels: [], role: "agent" }, now);
    this.announce(options.homeRegion, now);
    this.driver = new SimNodeDriver(
      { node: this.node, network: options.network, companion: this },
      now,
    );
  }

  /** Tells the coordinator of our node, at home in `region`. */
  announce(region: number, now: Instant): void {
    this.#region = region;
    this.node.relays.setHome(region, now);
    this.#client.updateSelf(this.#nodeAt(region, now), now);
  }

  #nodeAt(region: number, now: Instant): TailnetNode {
    const { agentId, wallMsAtZero } = this.#options;
    const uuid = parseUuid(agentId) ?? new Uint8Array(16);
    return {
      id: nodeIdOfUuid(uuid),
      asOfMs: wallMsAtZero + now,
      key: this.node.nodePublicKey,
      disco: this.node.discoPublicKey,
      preferredDerp: region,
      derpLatency: new Map(),
      derpForcedWebsocket: new Map(),
      addresses: this.node.addresses,
      allowedIps: this.node.addresses,
      endpoints: [],
    };
  }

  /** Tells the coordinator what need not be true: the next word of an agent, or of a coordinator, that lies. */
  claim(over: Partial<TailnetNode>, now: Instant): void {
    this.#client.updateSelf({ ...this.#nodeAt(this.#region, now), ...over }, now);
  }

  /** Where the peer is at home, as far as the agent was told. */
  homeOf(peerId: string): number | undefined {
    return this.#client.nodeOf(peerId)?.preferredDerp;
  }

  /** Leaves as a process that is told to end: the coordinator hears it. */
  stopGracefully(now: Instant): void {
    this.#client.disconnect(now);
    this.turn(now);
    this.kill(now);
  }

  /** Ends as a process that is killed. */
  kill(now: Instant): void {
    this.#session?.handleDisconnected(now);
    this.#session = undefined;
    this.driver.stop(now);
  }

  step(now: Instant): boolean {
    return this.isFrozen ? false : this.driver.step(now);
  }

  nextAt(now: Instant): Instant | undefined {
    return this.isFrozen ? undefined : this.driver.nextAt(now);
  }

  turn(now: Instant): boolean {
    let moved = this.#carry(now);
    for (let e = this.#client.pollEvent(); e !== undefined; e = this.#client.pollEvent()) {
      moved = true;
      this.#handleEvent(e, now);
    }
    if (this.#session?.endMessage !== undefined) {
      const message = this.#session.endMessage;
      this.#session = undefined;
      this.#client.handleDisconnected({ kind: "closed", message }, now);
    }
    return this.#carry(now) || moved;
  }

  handleTimeout(now: Instant): void {
    this.#client.handleTimeout(now);
    for (const [peerId, until] of this.#lostUntil) {
      if (until > now) continue;
      const lastAt = this.node.lastHandshakeAt(peerId) ?? -Infinity;
      if (lastAt + LOST_TIMEOUT_MS > now) this.#lostUntil.set(peerId, lastAt + LOST_TIMEOUT_MS);
      else {
        this.#lostUntil.delete(peerId);
        this.node.removePeer(peerId);
      }
    }
    if (this.#dialAt !== undefined && this.#dialAt <= now) this.#dial(now);
  }

  pollTimeout(): Instant | undefined {
    let at = earlier(this.#client.pollTimeout(), this.#dialAt);
    for (const until of this.#lostUntil.values()) at = earlier(at, until);
    return earlier(at, this.#session?.pollTimeout());
  }

  handleNodeEvent(): void {}
  handleUnreachableRelay(): void {}

  handleWake(now: Instant): void {
    this.#client.retryNow(now);
  }

  handleSocketEvent(event: NetstackEvent, now: Instant): void {
    if (event.kind === "accepted") this.#accept(event.socket);
    if (event.kind === "pong") return;
    this.bulks.find((bulk) => bulk.socket === event.socket)?.pump(now);
  }

  #accept(socket: TcpSocket): void {
    this.bulks.push(new Bulk(socket, { sendBytes: this.#options.sendBytes, role: "agent" }));
  }

  #dial(now: Instant): void {
    this.#dialAt = undefined;
    if (!this.#options.coordinator.isUp) {
      this.#client.handleDisconnected({ kind: "unreachable", message: "connection refused" }, now);
      return;
    }
    this.#session = this.#options.coordinator.openAgentSession(now);
    this.#client.handleConnected(now);
  }

  #handleEvent(event: CoordinatorEvent, now: Instant): void {
    if (event.kind === "dial") this.#dialAt = now + REDIAL_MS;
    else if (event.kind === "hangUp") {
      this.#carry(now);
      this.#session?.handleDisconnected(now);
      this.#session = undefined;
    } else if (event.kind === "node") {
      this.#lostUntil.delete(event.peerId);
      this.node.upsertPeer({
        id: event.peerId,
        nodeKey: event.node.key,
        discoKey: event.node.disco,
        addresses: event.node.addresses,
        homeRegion: event.node.preferredDerp,
      }, now);
      if (this.saysReady) this.#client.readyForHandshake(event.peerId, now);
    } else if (event.kind === "lost") this.#lostUntil.set(event.peerId, now + LOST_TIMEOUT_MS);
    else if (event.kind === "removed") this.node.removePeer(event.peerId);
    else if (event.kind === "derpMap" && event.map.regions.size > 0) {
      this.node.setMap(event.map, { forcesWebsocket: false }, now);
      this.node.relays.setHome(this.#region, now);
    }
  }

  #carry(now: Instant): boolean {
    const session = this.#session;
    let moved = false;
    for (let b = this.#client.pollTransmit(); b !== undefined; b = this.#client.pollTransmit()) {
      moved = true;
      session?.handleBytes(b, now);
    }
    if (session !== undefined && (session.pollTimeout() ?? Infinity) <= now) {
      session.handleTimeout(now);
    }
    for (let b = session?.pollTransmit(); b !== undefined; b = session?.pollTransmit()) {
      moved = true;
      this.#client.handleBytes(b, now);
    }
    return moved;
  }
}

/**
 * The tunnel to one workspace agent: coordinator, node and contact put together (coder/coder `tailnet/controllers.go`,
 * `codersdk/workspacesdk/workspacesdk.go`). Once a session stands, neither a lost coordinator nor a lost relay ends it; what
 * does is told by an event.
 * Not here: how far we are with the agent (`agent_contact.ts`), our home among the relays (`home.ts`), what people are told of
 * all that (`agent_status.ts`).
 */
import { assertNever, type Core, type Instant } from "../base/core.ts";
import { earlier } from "../base/deadlines.ts";
import type { AgentTrace, TunnelDiagnostics, TunnelFailure, TunnelStatus } from "../base/tunnel.ts";
import type {
  ConnectOptions,
  FlowOptions,
  NetstackEvent,
  TcpSocket,
  UdpFlow,
} from "../netstack/mod.ts";
import { parseUuid } from "./address.ts";
import { AgentContact, type AgentContactEvent } from "./agent_contact.ts";
import type { AgentSessionEvent, AgentSessionOptions } from "./agent_session_events.ts";
import { AgentSilence } from "./agent_silence.ts";
import { diagnosticsOf, silentStatusOf, statusOf } from "./agent_status.ts";
import { CoordinatorClient, type CoordinatorEvent, type DialFailure } from "./coordinator/mod.ts";
import { type DerpMap, rewriteEmbeddedRelay } from "./derp_map.ts";
import { Home, type HomeEvent } from "./home.ts";
import type { Direct } from "./direct.ts";
import {
  type Line,
  type LineEvent,
  type LineOwner,
  type LineTarget,
  lineTargetOf,
} from "./line.ts";
import type { NodeDirectEvent, NodeEvent, TunnelNode } from "./node.ts";
import type { DirectPathsOptions } from "./paths/direct_paths.ts";
import { localityOf } from "./relay_host.ts";
import { RelayLink } from "./relay_link.ts";
import { SelfNode } from "./self_node.ts";
import type { TunnelCore } from "./tunnel_core.ts";

/** Attempts at a coordinator that never said a word, before that is told; in so long a time one is enough. */
const MAX_SILENT_ATTEMPTS = 3;
const SILENT_ATTEMPT_MS = 10_000;

export class AgentSession implements TunnelCore<AgentSessionEvent> {
  readonly node: TunnelNode;
  readonly #options: AgentSessionOptions;
  readonly #self: SelfNode;
  readonly #coordinator: CoordinatorClient;
  readonly #home = new Home();
  readonly #contact: AgentContact;
  readonly #silence: AgentSilence;
  readonly #events: AgentSessionEvent[] = [];
  readonly #lineEvents: LineEvent[] = [];
  /** What has deadlines, in the order of their turns. */
  readonly #cores: readonly Core<unknown>[];
  readonly #beganAt: Instant;
  #life: "running" | "leaving" | "over" = "running";

  /** Throws `TypeError` when `agentId` is no UUID. */
  constructor(options: AgentSessionOptions, now: Instant) {
    const uuid = parseUuid(options.agentId);
    if (uuid === undefined) throw new TypeError(`agentId must be a UUID: is "${options.agentId}"`);
    this.#options = options;
    this.#beganAt = now;
    this.#self = new SelfNode(options);
    this.node = this.#self.tunnel;
    const { agentId: id, trace } = options;
    this.#contact = new AgentContact({ id, uuid, node: this.node, trace });
    this.#silence = new AgentSilence({ id: options.agentId, node: this.node });
    const { agentId, deploymentUrl, coordinatorHeaders: headers } = options;
    this.#coordinator = new CoordinatorClient({
      at: { kind: "websocket", deploymentUrl, agentId, headers },
      protocol: options.coordination ?? "v2",
      random: options.random,
      wallMsAtZero: options.wallMsAtZero,
      tunnels: [agentId],
      expectsReady: options.expectsReady ?? true,
    }, now);
    this.#cores = [this.#home, this.#contact, this.node, this.#coordinator, this.#silence];
    this.#useMap(options.derpMap, now);
    this.#drain(now);
  }

  /** Where the agent is dialled: what its UUID gives, unless it is older than that. */
  get agentAddress(): Uint8Array {
    return this.#contact.address;
  }

  get isReachable(): boolean {
    return this.#contact.phase.kind === "reachable";
  }

  get homeRegion(): number | undefined {
    return this.#home.region;
  }

  status(): TunnelStatus {
    const relays = this.node.relays.status();
    return statusOf({ phase: this.#contact.phase, relays, coordinator: this.#coordinator });
  }

  /** What an agent that fell silent is waited for to do, or its relay. */
  silentStatus(): TunnelStatus {
    return silentStatusOf(this.#contact.region, this.node.relays);
  }

  diagnostics(now: Instant): TunnelDiagnostics {
    return diagnosticsOf({
      home: this.#home,
      relays: this.node.relays.status(),
      coordinator: this.#coordinator,
      agent: this.#coordinator.nodeOf(this.#options.agentId),
      handshakeAt: this.node.wireguardOf(this.#options.agentId)?.lastHandshakeAt,
    }, now);
  }

  /** What was learnt of the agent for the next run; `undefined` while it is not enough. */
  trace(): AgentTrace | undefined {
    const agent = this.#coordinator.nodeOf(this.#options.agentId);
    const { readyLagMs } = this.#contact;
    if (agent === undefined || readyLagMs === undefined) return undefined;
    const { key: nodeKey, disco: discoKey, preferredDerp: homeRegion } = agent;
    return { nodeKey, discoKey, homeRegion, readyLagMs };
  }

  /** The region's name as people know it. */
  regionName(region: number): string {
    return this.#home.nameOf(region);
  }

  connect(options: ConnectOptions, now: Instant): TcpSocket {
    return this.node.connect(options, now);
  }

  openUdp(options: FlowOptions): UdpFlow {
    return this.node.netstack.datagrams.open(options);
  }

  /** Asks the agent for a sign of life; `pong` tells the answer. */
  ping(now: Instant): void {
    this.#contact.ping(now);
  }

  /**
   * Begins to look for a way to the agent without a relay, and uses it when there is one. `make` is as in
   * `TunnelNode.useDirect`; it is told whether the deployment is on this machine, so that the agent may be. Once.
   */
  useDirect(make: (parts: DirectPathsOptions) => Direct, now: Instant): Direct {
    const isSameHost = localityOf(lineTargetOf(this.#options.deploymentUrl).host) === "machine";
    const direct = this.node.useDirect((parts) => make({ ...parts, isSameHost }), now);
    direct.choose(this.#options.agentId, this.node);
    direct.paths.seek(this.#options.agentId, now);
    return direct;
  }

  /** Leaves in order; `left` follows within a second. */
  leave(now: Instant): void {
    if (this.#life !== "running") return;
    this.#life = "leaving";
    this.#contact.end();
    this.#home.stop();
    this.#coordinator.disconnect(now);
    this.#drain(now);
    if (this.#coordinator.state === "over") this.#end();
  }

  close(): void {
    this.node.close();
  }

  handleLineOpened(line: Line, target: LineTarget, now: Instant): void {
    this.#ownerOf(line).handleLineOpened(line, target, now);
    this.#drain(now);
  }

  handleLineBytes(line: Line, chunk: Uint8Array, now: Instant): void {
    this.#ownerOf(line).handleLineBytes(line, chunk, now);
    this.#drain(now);
  }

  handleLineWritten(line: Line, count: number, now: Instant): boolean {
    return this.#ownerOf(line).handleLineWritten(line, count, now);
  }

  handleLineClosed(line: Line, reason: string, now: Instant): void {
    this.#ownerOf(line).handleLineClosed(line, reason, now);
    this.#drain(now);
    this.#reviewWay(now);
  }

  /** Milliseconds to each region that answered; the rest did not in time. */
  handleRelayLatencies(latencies: ReadonlyMap<number, number>, now: Instant): void {
    this.#home.handleLatencies(latencies);
    this.#drain(now);
  }

  /** The relay map as the server has it now. */
  handleMap(map: DerpMap, now: Instant): void {
    if (this.#life === "running") this.#useMap(map, now);
  }

  handleWake(now: Instant): void {
    this.node.handleWake(now);
    this.#contact.handleWake(now);
    this.#coordinator.handleWake(now);
    this.#drain(now);
  }

  handleTimeout(now: Instant): void {
    for (const core of this.#cores) core.handleTimeout(now);
    this.#drain(now);
    this.#reviewWay(now);
  }

  pollTimeout(): Instant | undefined {
    let next: Instant | undefined;
    for (const core of this.#cores) next = earlier(next, core.pollTimeout());
    return next;
  }

  pump(now: Instant): void {
    do this.node.pump(now); while (this.#drainNode(now));
    this.#coordinator.pump();
    if (this.isReachable) this.#silence.review(now);
    else this.#silence.end(now);
    for (let event = this.#silence.pollEvent(); event; event = this.#silence.pollEvent()) {
      this.#events.push(event);
    }
  }

  pollEvent(): AgentSessionEvent | undefined {
    return this.#events.shift();
  }

  pollLineEvent(): LineEvent | undefined {
    return this.#lineEvents.shift() ?? this.node.pollLineEvent();
  }

  pollSocketEvent(): NetstackEvent | undefined {
    return this.node.pollSocketEvent();
  }

  #ownerOf(line: Line): LineOwner {
    return line instanceof RelayLink ? this.node : this.#coordinator;
  }

  /** What the cores in here have to tell one another, and in which order. The node's own events wait for `pump`. */
  #drain(now: Instant): void {
    for (;;) {
      const contact = this.#contact.pollEvent();
      const home = this.#home.pollEvent();
      if (contact !== undefined) this.#handleContactEvent(contact);
      if (home !== undefined) this.#handleHomeEvent(home, now);
      if (contact !== undefined || home !== undefined) continue;
      const event = this.#coordinator.pollEvent();
      if (event === undefined) return;
      this.#handleCoordinatorEvent(event, now);
    }
  }

  #handleContactEvent(event: AgentContactEvent): void {
    switch (event.kind) {
      case "reachable":
      case "agentLost":
        this.#events.push(event);
        return;
      case "silent":
        return this.#fail({ kind: "agentSilent" });
      default:
        return assertNever(event);
    }
  }

  #reviewWay(now: Instant): void {
    const { phase } = this.#contact;
    if (phase.kind === "reachable") this.#silence.reviewWay(phase.region, now);
  }

  #useMap(newMap: DerpMap, now: Instant): void {
    const { deploymentUrl, forcesWebsocket, beginsWithWebsocket = false } = this.#options;
    const map = rewriteEmbeddedRelay(newMap, deploymentUrl);
    if (!this.#home.handleMap(map, now)) return;
    this.node.setMap(map, { forcesWebsocket, beginsWithWebsocket }, now);
  }

  #handleHomeEvent(event: HomeEvent, now: Instant): void {
    switch (event.kind) {
      case "probe":
        this.#events.push({ kind: "probeRelays", map: event.map });
        return;
      case "chosen":
        this.node.relays.setHome(event.region, now);
        this.#contact.keepRelays();
        return this.#announce(event.region, now);
      case "failed":
        return this.#fail(event.failure);
      default:
        return assertNever(event);
    }
  }

  /** Tells the coordinator who and where we are. */
  #announce(region: number, now: Instant): void {
    this.#coordinator.updateSelf(this.#self.message(region, now), now);
    if (this.#coordinator.state === "connected") this.#contact.handleTold(now);
  }

  /** Whether there was anything: it may have made something leave. */
  #drainNode(now: Instant): boolean {
    let isMoved = false;
    for (let event = this.node.pollEvent(); event; event = this.node.pollEvent()) {
      isMoved = true;
      this.#handleNodeEvent(event, now);
    }
    return isMoved;
  }

  #handleNodeEvent(event: NodeEvent, now: Instant): void {
    switch (event.kind) {
      case "relayReady":
        return this.#contact.handleWay(now);
      case "relayUnreachable":
        if (this.#life !== "running") return;
        this.#home.handleUnreachable(event, this.#contact.region);
        return this.#drain(now);
      case "established":
        this.#contact.handleEstablished(now);
        return this.#drain(now);
      case "pong":
        this.#silence.handlePong(now);
        this.#events.push(event);
        return;
      case "direct":
        return this.#handleDirectEvent(event.event, now);
      case "absent":
        return;
      default:
        return assertNever(event);
    }
  }

  #handleDirectEvent(event: NodeDirectEvent, now: Instant): void {
    switch (event.kind) {
      case "endpoints":
        this.#self.endpoints = event.endpoints;
        if (this.homeRegion !== undefined && this.#life === "running") {
          this.#announce(this.homeRegion, now);
        }
        return;
      case "resolve":
      case "changed":
        this.#events.push(event);
        return;
      default:
        return assertNever(event);
    }
  }

  #handleCoordinatorEvent(event: CoordinatorEvent, now: Instant): void {
    switch (event.kind) {
      case "dial":
      case "hangUp":
        this.#lineEvents.push(event);
        return;
      case "connected":
        this.#contact.handleConnected(now);
        if (this.homeRegion !== undefined) this.#contact.handleTold(now);
        return;
      case "disconnected":
        if (event.failure?.isPermanent === true) this.#refused(event.failure, event.message);
        if (
          event.failedAttempts >= MAX_SILENT_ATTEMPTS ||
          (event.failedAttempts > 0 && now - this.#beganAt >= SILENT_ATTEMPT_MS)
        ) {
          this.#fail({ kind: "coordinatorUnreachable", reason: event.message });
        }
        return;
      case "node":
        return this.#contact.handleNode(event, now);
      case "ready":
        return this.#contact.handleReady(event, now);
      case "lost":
        if (event.cause === "connection") return this.#contact.handleCutOff();
        return this.#contact.handleLost(now);
      case "removed":
        return this.#contact.handleRemoved(now);
      case "derpMap":
        return this.handleMap(event.map, now);
      case "mapWanted":
        this.#events.push(event);
        return;
      case "failed":
        this.#contact.handleLost(now);
        return this.#fail(this.#refused(event.failure, event.message));
      case "closed":
        if (this.#life === "leaving") this.#end();
        return;
      case "serverError":
        return;
      default:
        return assertNever(event);
    }
  }

  #end(): void {
    if (this.#life === "over") return;
    this.#life = "over";
    this.#events.push({ kind: "left" });
  }

  #refused(failure: DialFailure | undefined, reason: string): TunnelFailure {
    const refusal = { kind: "coordinatorRefused", status: failure?.status, reason } as const;
    if (this.#life === "running") this.#events.push({ kind: "refused", failure: refusal });
    return refusal;
  }

  /** What is reachable stays so, whatever the coordinator or a relay for later say. */
  #fail(failure: TunnelFailure): void {
    if (this.#life !== "running" || this.isReachable) return;
    this.#events.push({ kind: "failed", failure });
  }
}

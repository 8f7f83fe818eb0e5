/** The workspace agent of a simulated tailnet: the sandbox's agent core on simulated sockets, serving bulk transfers. */
import type { Instant, Random } from "../../../lib/base/core.ts";
import { earlier } from "../../../lib/base/deadlines.ts";
import { generatePrivateKey, loadAead } from "../../../lib/crypto/mod.ts";
import { AgentCore, type AgentCoreEvent } from "../../../lib/sandbox/agent/core.ts";
import { addressOfUuid, nodeIdOfUuid, parseUuid } from "../../../lib/tailnet/address.ts";
import type { CoordinatorServerSession } from "../../../lib/tailnet/coordinator/server_mod.ts";
import type { DerpMap } from "../../../lib/tailnet/derp_map.ts";
import type { Endpoint } from "../../../lib/wire/endpoint.ts";
import { formatEndpoint } from "../../../lib/tailnet/endpoint_text.ts";
import type { Line } from "../../../lib/tailnet/line.ts";
import { TunnelNode } from "../../../lib/tailnet/node.ts";
import type { TailnetNode } from "../../../lib/tailnet/node_message.ts";
import type { NetstackEvent } from "../../../lib/netstack/mod.ts";
import { Bulk } from "./bulk.ts";
import type { SimCoordinator } from "./coordinator.ts";
import type { SimNetwork } from "./network.ts";
import { SimNodeDriver } from "./node_driver.ts";

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
  /** Retransmissions in vain after which a connection is given up: `AGENT_RETRANSMISSIONS`, or `Infinity` for a TCP as ours is. */
  readonly retransmissions: number;
}

/** What agents set (coder/tailscale `wgengine/netstack/netstack.go`, `maxRetriesOpt`): 12.6 s at a short round trip. */
export const AGENT_RETRANSMISSIONS = 5;

/** The coordinator is dialled again after this; its websocket is not simulated. */
const REDIAL_MS = 50;

export class SimAgent {
  readonly node: TunnelNode;
  readonly driver: SimNodeDriver<AgentCoreEvent>;
  readonly bulks: Bulk[] = [];
  /** Says READY_FOR_HANDSHAKE. */
  saysReady = true;
  /** Knows nobody: a process that was stopped. */
  isFrozen = false;
  /** The coordinator's words do not reach it before. */
  hearsFrom: Instant = 0;
  /** Where the peer that was told of last says that UDP reaches it. */
  peerEndpoints: readonly string[] = [];
  readonly #options: SimAgentOptions;
  readonly #scratch = new Uint8Array(1_280);
  #peerId: string | undefined;
  readonly #core: AgentCore;
  #session: CoordinatorServerSession | undefined;
  #dialling: { readonly line: Line; readonly at: Instant } | undefined;
  #line: Line | undefined;
  #region: number;
  #endpoints: readonly Endpoint[] = [];

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
      giveUpRetransmissions: options.retransmissions,
    });
    if (this.#isImpatient) {
      // An agent's TCP is told nothing of relays and paths: its own timers are all that it has.
      this.node.netstack.resume = () => {};
      this.node.netstack.handlePathChange = () => {};
    }
    this.node.netstack.listen(1);
    this.node.netstack.datagrams.accept();
    this.node.setMap(options.map, { forcesWebsocket: false }, now);
    this.node.relays.setHome(options.homeRegion, now);
    this.#core = new AgentCore(this.node, { random, wallMsAtZero }, now);
    this.announce(options.homeRegion, now);
    this.driver = new SimNodeDriver({
      core: this.#core,
      network: options.network,
      onEvent: (event, at) => this.#handleEvent(event, at),
      onSocketEvent: (event, at) => this.#handleSocketEvent(event, at),
    }, now);
  }

  /** Tells the coordinator of our node, at home in `region`. */
  announce(region: number, now: Instant): void {
    this.#region = region;
    this.node.relays.setHome(region, now);
    this.#core.client.updateSelf(this.#nodeAt(region, now), now);
  }

  /** Tells the coordinator what need not be true: the next word of an agent, or of a coordinator, that lies. */
  claim(over: Partial<TailnetNode>, now: Instant): void {
    this.#core.client.updateSelf({ ...this.#nodeAt(this.#region, now), ...over }, now);
  }

  /** Where the peer is at home, as far as the agent was told. */
  homeOf(peerId: string): number | undefined {
    return this.#core.client.nodeOf(peerId)?.preferredDerp;
  }

  /** Leaves as a process that is told to end: the coordinator hears it. */
  stopGracefully(now: Instant): void {
    this.#core.client.disconnect(now);
    this.driver.turn(now);
    this.kill(now);
  }

  /** Ends as a process that is killed. */
  kill(now: Instant): void {
    this.#session?.handleDisconnected(now);
    this.#session = undefined;
    this.driver.stop(now);
  }

  step(now: Instant): boolean {
    if (this.isFrozen || this.driver.isStopped) return false;
    const { at, line } = this.#dialling ?? {};
    if (line !== undefined && (at ?? Infinity) <= now) this.#dial(line, now);
    const moved = this.#listen(now);
    if (this.#isImpatient) this.#lose(now);
    return this.driver.step(now) || moved;
  }

  nextAt(now: Instant): Instant | undefined {
    if (this.isFrozen || this.driver.isStopped) return undefined;
    const hearsAt = now < this.hearsFrom ? this.hearsFrom : undefined;
    const at = earlier(earlier(this.driver.nextAt(now), this.#dialling?.at), hearsAt);
    return earlier(at, this.#session?.pollTimeout());
  }

  get #isImpatient(): boolean {
    return this.#options.retransmissions !== Infinity;
  }

  /** Without a way to the peer an agent's packets are lost, not kept: its TCP's timers go on. */
  #lose(now: Instant): void {
    const { netstack, relays } = this.node;
    const peerId = this.#peerId;
    if (peerId === undefined) return;
    const isDirect = this.driver.udp?.direct.paths.inUse(peerId) !== undefined;
    if (isDirect || relays.readyLink(this.homeOf(peerId) ?? this.#region) !== undefined) return;
    for (let left = netstack.waitingDestinations; left > 0; left--) {
      const destination = netstack.nextDestination();
      while (netstack.pollTransmit(this.#scratch, 0, now, destination) > 0);
    }
  }

  #handleSocketEvent(event: NetstackEvent, now: Instant): void {
    if (event.kind === "pong") return;
    // An echo, on every port.
    if (event.kind === "datagram") return void event.flow.send(event.data);
    if (event.kind === "accepted") {
      const { sendBytes } = this.#options;
      this.bulks.push(new Bulk(event.socket, { sendBytes, role: "agent" }));
    }
    this.bulks.find((bulk) => bulk.socket === event.socket)?.pump(now);
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
      endpoints: this.#endpoints,
    };
  }

  #dial(line: Line, now: Instant): void {
    this.#dialling = undefined;
    const { coordinator } = this.#options;
    if (!coordinator.isUp) {
      return this.#core.client.handleLineClosed(line, "connection refused", now);
    }
    this.#session = coordinator.openAgentSession(now);
    this.#line = line;
    this.#core.client.handleLineOpened(line, undefined, now);
  }

  #handleEvent(event: AgentCoreEvent, now: Instant): void {
    switch (event.kind) {
      case "dial":
        this.#dialling = { line: event.line, at: now + REDIAL_MS };
        return;
      case "hangUp":
        this.#session?.handleDisconnected(now);
        this.#session = undefined;
        return;
      case "endpoints":
        this.#endpoints = event.endpoints;
        return this.announce(this.#region, now);
      case "say":
        this.#session?.handleBytes(event.payload, now);
        return;
      case "node":
        this.#peerId = event.peerId;
        this.peerEndpoints = event.node.endpoints.map(formatEndpoint);
        if (this.saysReady) this.#core.client.readyForHandshake(event.peerId, now);
        return;
      case "derpMap":
        if (event.map.regions.size === 0) return;
        this.node.setMap(event.map, { forcesWebsocket: false }, now);
        this.node.relays.setHome(this.#region, now);
        return;
      default:
        return;
    }
  }

  /** Hears what the coordinator says. */
  #listen(now: Instant): boolean {
    if (now < this.hearsFrom) return false;
    const [session, line] = [this.#session, this.#line];
    if (session === undefined || line === undefined) return false;
    let moved = false;
    if ((session.pollTimeout() ?? Infinity) <= now) session.handleTimeout(now);
    for (let b = session.pollTransmit(); b !== undefined; b = session.pollTransmit()) {
      moved = true;
      this.#core.client.handleLineBytes(line, b, now);
    }
    if (session.endMessage !== undefined) {
      moved = true;
      this.#session = undefined;
      this.#core.client.handleLineClosed(line, session.endMessage, now);
    }
    return moved;
  }
}

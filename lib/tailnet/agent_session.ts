/**
 * The tunnel to one workspace agent: coordinator and node put together, and how far we are with reaching it
 * (coder/coder `tailnet/controllers.go`, `codersdk/workspacesdk/workspacesdk.go`). Once a session stands, neither a lost
 * coordinator nor a lost relay ends it; what does is told by an event.
 *
 *   seeking ──announced──▶ announced ──session──▶ reachable
 *      ▲                      │  ▲ other key          │
 *      └── left, or gone ─────┴──┴────────────────────┘       leave(), from any ──▶ leaving ──▶ over
 */
import { equalBytes } from "../base/bytes.ts";
import { assertNever, type Instant } from "../base/core.ts";
import { Deadlines, earlier } from "../base/deadlines.ts";
import { generatePrivateKey } from "../crypto/mod.ts";
import type { ConnectOptions, NetstackEvent, TcpSocket } from "../netstack/mod.ts";
import {
  addressOfUuid,
  LEGACY_AGENT_ADDRESS,
  parseUuid,
  randomAddress,
  randomNodeId,
} from "./address.ts";
import { AgentChanges, type AgentWord } from "./agent_changes.ts";
import type {
  AgentLoss,
  AgentSessionEvent,
  AgentSessionOptions,
  AgentSessionStatus,
  SessionFailure,
} from "./agent_session_events.ts";
import { CoordinatorClient, type CoordinatorEvent } from "./coordinator/mod.ts";
import { type DerpMap, relayRegions, rewriteEmbeddedRelay } from "./derp_map.ts";
import { HomeChoice } from "./home_region.ts";
import type { Line, LineEvent, LineTarget } from "./line.ts";
import { type NodeEvent, TunnelNode } from "./node.ts";
import { RelayLink } from "./relay_link.ts";
import type { RelayStatus } from "./relays.ts";
import type { TunnelCore } from "./tunnel_core.ts";

export type {
  AgentLoss,
  AgentSessionEvent,
  AgentSessionOptions,
  AgentSessionStatus,
  SessionFailure,
} from "./agent_session_events.ts";

type Phase =
  /** Nobody told us of the agent yet, or it went away. */
  | { readonly kind: "seeking" }
  /** The agent is known and at home in `region`; a handshake with it is wanted. */
  | { readonly kind: "announced"; readonly region: number; readonly knowsUs: boolean }
  /** Data passes in both directions. */
  | { readonly kind: "reachable"; readonly region: number }
  /** The coordinator is being told that we leave. */
  | { readonly kind: "leaving" }
  | { readonly kind: "over" };

type SessionDeadline =
  /** When to stop waiting for slower relays to answer the latency probe. */
  | "homeChoice"
  /** When to give up an agent that is announced but never answers. */
  | "handshake"
  /** When an agent that left deliberately is forgotten. */
  | "removal"
  /** When to look whether a peer that the coordinator lost is worth keeping. */
  | "lostPeer";

const HOME_CHOICE_MS = 1_500;
const REMOVAL_GRACE_MS = 1_000;
/** A peer that nobody vouches for is kept this long after the last handshake (`tailnet/configmaps.go` lostTimeout). */
const LOST_TIMEOUT_MS = 15 * 60_000;
/** Bounds of the time after which an unanswered initiation counts as lost once the agent says that it knows us. */
const MIN_ANSWER_MS = 25;
const MAX_ANSWER_MS = 400;
/** An agent that the coordinator announced but that answers nothing on any relay. */
const HANDSHAKE_LIMIT_MS = 120_000;
/** Attempts at a coordinator that never said a word, before that is told. */
const MAX_SILENT_ATTEMPTS = 3;

export class AgentSession implements TunnelCore<AgentSessionEvent> {
  readonly node: TunnelNode;
  readonly #uuidAddress: Uint8Array;
  #agentAddress: Uint8Array;
  readonly #options: AgentSessionOptions;
  readonly #coordinator: CoordinatorClient;
  readonly #nodeId: bigint;
  readonly #deadlines = new Deadlines<SessionDeadline>();
  readonly #events: AgentSessionEvent[] = [];
  readonly #lineEvents: LineEvent[] = [];
  readonly #homeChoice = new HomeChoice();
  readonly #changes = new AgentChanges();
  #phase: Phase = { kind: "seeking" };
  #map: DerpMap;
  /** When the coordinator was asked for the agent, to tell how far away it is. */
  #askedAt: Instant | undefined;
  /** How long an answer to an initiation may take, from the coordinator's answer to the first question. */
  #answerMs = MAX_ANSWER_MS;

  /** Throws `TypeError` when `agentId` is no UUID. */
  constructor(options: AgentSessionOptions, now: Instant) {
    const uuid = parseUuid(options.agentId);
    if (uuid === undefined) throw new TypeError(`agentId must be a UUID: is "${options.agentId}"`);
    const { random, wallMsAtZero, agentId, deploymentUrl } = options;
    this.#options = options;
    this.#uuidAddress = addressOfUuid(uuid);
    this.#agentAddress = this.#uuidAddress;
    this.#nodeId = randomNodeId(random);
    this.node = new TunnelNode({
      addresses: [randomAddress(random)],
      nodePrivateKey: generatePrivateKey(random),
      discoPrivateKey: generatePrivateKey(random),
      random,
      aead: options.aead,
      wallMsAtZero,
      relayHeaders: options.relayHeaders,
    });
    const headers = options.coordinatorHeaders;
    this.#coordinator = new CoordinatorClient({
      at: { kind: "websocket", deploymentUrl, agentId, headers },
      protocol: options.coordination ?? "v2",
      random,
      wallMsAtZero,
      tunnels: [agentId],
      expectsReady: options.expectsReady ?? true,
    }, now);
    this.#map = options.derpMap;
    this.#useMap(options.derpMap, now);
    this.#drainCoordinator(now);
  }

  /** Where the agent is dialled: what its UUID gives, unless it is older than that. */
  get agentAddress(): Uint8Array {
    return this.#agentAddress;
  }

  get isReachable(): boolean {
    return this.#phase.kind === "reachable";
  }

  get homeRegion(): number | undefined {
    return this.node.relays.homeRegion;
  }

  status(): AgentSessionStatus {
    if (this.#phase.kind === "reachable") return { step: "reachable" };
    const relays = this.node.relays.status();
    const home = relays.find((relay) => relay.isHome);
    const theirs = relays.find((relay) => relay.region === this.#agentRegion);
    for (const relay of [home, theirs]) {
      if (relay !== undefined && relay.state !== "ready" && relay.lastFailure !== undefined) {
        return waitForRelay(relay);
      }
    }
    const { hasHeard, lastFailure } = this.#coordinator;
    if (!hasHeard) return { step: "coordinator", lastFailure };
    if (home?.state !== "ready") return waitForRelay(home);
    if (this.#phase.kind !== "announced") return { step: "agent" };
    if (theirs !== undefined && theirs.state !== "ready") return waitForRelay(theirs);
    if (!this.#phase.knowsUs) return { step: "ready" };
    return { step: "handshake", relay: (theirs ?? home).name };
  }

  /** The region's name as people know it. */
  regionName(region: number): string {
    return this.#map.regions.get(region)?.name ?? `Unnamed ${region}`;
  }

  connect(options: ConnectOptions, now: Instant): TcpSocket {
    return this.node.connect(options, now);
  }

  /** Asks the agent for a sign of life; `pong` tells the answer. */
  ping(now: Instant): void {
    this.node.ping(this.#options.agentId, now);
  }

  /** Leaves in order; `left` follows within a second. */
  leave(now: Instant): void {
    if (this.#hasLeft) return;
    this.#enter({ kind: "leaving" }, now);
    this.#coordinator.disconnect(now);
    this.#drainCoordinator(now);
    if (this.#coordinator.state === "over") this.#enter({ kind: "over" }, now);
  }

  close(): void {
    this.node.close();
  }

  handleLineOpened(line: Line, target: LineTarget, now: Instant): void {
    if (line instanceof RelayLink) return this.node.handleLineOpened(line, target, now);
    this.#coordinator.handleLineOpened(line, target, now);
    this.#drainCoordinator(now);
  }

  handleLineBytes(line: Line, chunk: Uint8Array, now: Instant): void {
    if (line instanceof RelayLink) return this.node.handleLineBytes(line, chunk, now);
    this.#coordinator.handleLineBytes(line, chunk, now);
    this.#drainCoordinator(now);
  }

  handleLineWritten(line: Line, count: number, now: Instant): void {
    if (line instanceof RelayLink) this.node.handleLineWritten(line, count, now);
  }

  handleLineClosed(line: Line, reason: string, now: Instant): void {
    if (line instanceof RelayLink) return this.node.handleLineClosed(line, reason, now);
    this.#coordinator.handleLineClosed(line, reason, now);
    this.#drainCoordinator(now);
  }

  /** Milliseconds to each region that answered; the rest did not in time. */
  handleRelayLatencies(latencies: ReadonlyMap<number, number>, now: Instant): void {
    this.#homeChoice.setLatencies(latencies);
    if (this.homeRegion === undefined) this.#chooseHome(now);
  }

  handleWake(now: Instant): void {
    this.node.handleWake(now);
    this.#coordinator.handleWake(now);
    this.#drainCoordinator(now);
  }

  handleTimeout(now: Instant): void {
    for (let due = this.#deadlines.pop(now); due !== undefined; due = this.#deadlines.pop(now)) {
      this.#handleDeadline(due, now);
    }
    const word = this.#changes.takeDue(now);
    if (word !== undefined) this.#takeAgent(word, now);
    this.node.handleTimeout(now);
    this.#coordinator.handleTimeout(now);
    this.#drainCoordinator(now);
  }

  pollTimeout(): Instant | undefined {
    return earlier(
      earlier(this.#deadlines.next(), this.#changes.pollTimeout()),
      earlier(this.node.pollTimeout(), this.#coordinator.pollTimeout()),
    );
  }

  pump(now: Instant): void {
    do this.node.pump(now); while (this.#drainNode(now));
    this.#coordinator.pump();
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

  get #hasLeft(): boolean {
    return this.#phase.kind === "leaving" || this.#phase.kind === "over";
  }

  get #agentRegion(): number | undefined {
    return this.#phase.kind === "announced" || this.#phase.kind === "reachable"
      ? this.#phase.region
      : undefined;
  }

  /** The only place where the phase changes, and with it what is waited for. */
  #enter(next: Phase, now: Instant): void {
    const before = this.#phase;
    this.#phase = next;
    switch (next.kind) {
      case "seeking":
        this.#forgetAgent();
        return;
      case "announced": {
        const isNews = before.kind !== "announced" || (next.knowsUs && !before.knowsUs);
        if (isNews) this.#deadlines.set("handshake", now + HANDSHAKE_LIMIT_MS);
        return;
      }
      case "reachable":
        this.#deadlines.clear("handshake");
        return;
      case "leaving":
        this.#forgetAgent();
        this.#deadlines.clearAll();
        return;
      case "over":
        this.#events.push({ kind: "left" });
        return;
      default:
        return assertNever(next);
    }
  }

  #forgetAgent(): void {
    this.#changes.forget();
    for (const name of ["handshake", "lostPeer", "removal"] as const) this.#deadlines.clear(name);
  }

  #handleDeadline(due: SessionDeadline, now: Instant): void {
    switch (due) {
      case "homeChoice":
        return this.handleRelayLatencies(new Map(), now);
      case "lostPeer":
        return this.#checkLostPeer(now);
      case "removal":
        return this.#removeAgent("disconnected", now);
      case "handshake":
        return this.#fail({ kind: "agent-silent" });
      default:
        return assertNever(due);
    }
  }

  #checkLostPeer(now: Instant): void {
    const lastAt = this.node.lastHandshakeAt(this.#options.agentId) ?? -Infinity;
    if (now - lastAt < LOST_TIMEOUT_MS) {
      this.#deadlines.set("lostPeer", lastAt + LOST_TIMEOUT_MS);
    } else this.#removeAgent("gone", now);
  }

  #removeAgent(loss: AgentLoss, now: Instant): void {
    this.node.removePeer(this.#options.agentId);
    this.#enter({ kind: "seeking" }, now);
    this.#events.push({ kind: "agentLost", loss });
  }

  #useMap(newMap: DerpMap, now: Instant): void {
    const map = rewriteEmbeddedRelay(newMap, this.#options.deploymentUrl);
    const regions = relayRegions(map);
    const home = this.homeRegion;
    // A map without relays, once there were some, is somebody's mistake: what works is kept.
    if (regions.length === 0 && home !== undefined) return;
    this.#map = map;
    this.#homeChoice.forgetFailures();
    const { forcesWebsocket } = this.#options;
    this.node.setMap(map, { forcesWebsocket }, now);
    if (home !== undefined && regions.some((region) => region.id === home)) return;
    if (regions.length === 0) this.#fail({ kind: "no-relay" });
    else if (regions.length === 1 || home !== undefined) this.#chooseHome(now);
    else if (!this.#deadlines.has("homeChoice")) {
      this.#deadlines.set("homeChoice", now + HOME_CHOICE_MS);
      this.#events.push({ kind: "probeRelays", map });
    }
  }

  #chooseHome(now: Instant): void {
    const region = this.#homeChoice.bestOf(this.#map);
    if (region === undefined || this.#hasLeft) return;
    this.#deadlines.clear("homeChoice");
    this.node.relays.setHome(region, now);
    this.#keepRelays();
    this.#coordinator.updateSelf({
      id: this.#nodeId,
      asOfMs: this.#options.wallMsAtZero + now,
      key: this.node.nodePublicKey,
      disco: this.node.discoPublicKey,
      preferredDerp: region,
      derpLatency: new Map(),
      derpForcedWebsocket: new Map(),
      addresses: this.node.addresses,
      allowedIps: this.node.addresses,
      endpoints: [],
    }, now);
  }

  /** Leaves the relays that neither we nor the agent are at home in. */
  #keepRelays(): void {
    this.node.relays.keepOnly(new Set(this.#agentRegion === undefined ? [] : [this.#agentRegion]));
  }

  /** Should be called when a way to the agent may have opened. */
  #beginHandshake(now: Instant): void {
    const { agentId } = this.#options;
    // A session that outlived an outage goes on; one that did not is not waited for, but asked for.
    if (this.#agentRegion !== undefined && !this.node.canSend(agentId, now)) {
      this.node.initiate(agentId, now);
    }
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
        return this.#beginHandshake(now);
      case "relayUnreachable":
        return this.#handleUnreachableRelay(event.region, event.reason, now);
      case "established":
        if (this.#phase.kind !== "announced") return;
        this.node.keepAlive(this.#options.agentId, now);
        this.#enter({ kind: "reachable", region: this.#phase.region }, now);
        this.#events.push({ kind: "reachable" });
        return;
      case "pong":
        this.#events.push({ kind: "pong", latencyMs: event.latencyMs, region: event.region });
        return;
      case "absent":
        return;
      default:
        return assertNever(event);
    }
  }

  #handleUnreachableRelay(region: number, reason: string, now: Instant): void {
    if (region !== this.homeRegion && region !== this.#agentRegion) return;
    if (region === this.homeRegion) {
      this.#homeChoice.markUnreachable(region);
      const other = this.#homeChoice.bestOf(this.#map);
      if (other !== undefined) {
        this.#chooseHome(now);
        // Without the agent's relay another home is of no use, but the agent may move.
        if (region !== this.#agentRegion) return;
      } else this.#homeChoice.forgetFailures();
    }
    this.#fail({ kind: "relay-unreachable", relay: this.regionName(region), reason });
  }

  #drainCoordinator(now: Instant): void {
    for (let e = this.#coordinator.pollEvent(); e; e = this.#coordinator.pollEvent()) {
      this.#handleCoordinatorEvent(e, now);
    }
  }

  #handleCoordinatorEvent(event: CoordinatorEvent, now: Instant): void {
    switch (event.kind) {
      case "dial":
      case "hangUp":
        this.#lineEvents.push(event);
        return;
      case "connected":
        this.#askedAt = now;
        return;
      case "disconnected":
        if (event.failedAttempts >= MAX_SILENT_ATTEMPTS) {
          this.#fail({ kind: "coordinator-unreachable", reason: event.message });
        }
        return;
      case "node":
        return this.#handleAgentNode(event, now);
      case "ready":
        return this.#handleAgentReady(now);
      case "lost":
        if (this.#agentRegion !== undefined) this.#deadlines.set("lostPeer", now + LOST_TIMEOUT_MS);
        return;
      case "removed":
        // What the agent said last, an exit status perhaps, may still be on its way over the relay.
        if (this.#agentRegion !== undefined) this.#deadlines.set("removal", now + REMOVAL_GRACE_MS);
        return;
      case "derpMap":
        if (!this.#hasLeft) this.#useMap(event.map, now);
        return;
      case "failed":
        return this.#fail({
          kind: "coordinator-refused",
          status: event.failure?.status,
          reason: event.message,
        });
      case "closed":
        if (this.#phase.kind === "leaving") this.#enter({ kind: "over" }, now);
        return;
      case "serverError":
        return;
      default:
        return assertNever(event);
    }
  }

  #handleAgentReady(now: Instant): void {
    this.#changes.noteReady();
    if (this.#phase.kind === "announced") this.#enter({ ...this.#phase, knowsUs: true }, now);
    // Also after a restart under the same key: the agent lost its half of the session. What was sent before the agent
    // knew us was lost: it is repeated as soon as an answer to it would have been here.
    this.node.initiate(this.#options.agentId, now, { minGapMs: this.#answerMs });
  }

  #handleAgentNode(word: AgentWord, now: Instant): void {
    if (this.#hasLeft || word.node.preferredDerp === 0) return;
    if (this.#askedAt !== undefined) {
      const roundTripMs = now - this.#askedAt;
      this.#answerMs = Math.min(MAX_ANSWER_MS, MIN_ANSWER_MS + 1.5 * roundTripMs);
      this.#askedAt = undefined;
    }
    this.#deadlines.clear("lostPeer");
    this.#deadlines.clear("removal");
    const taken = this.#changes.offer(word, now);
    if (taken !== undefined) this.#takeAgent(taken, now);
  }

  #takeAgent({ node, isReady }: AgentWord, now: Instant): void {
    this.#agentAddress = this.#addressIn(node.addresses);
    const change = this.node.upsertPeer({
      id: this.#options.agentId,
      nodeKey: node.key,
      discoKey: node.disco,
      addresses: [this.#agentAddress, ...node.addresses],
      homeRegion: node.preferredDerp,
    }, now);
    const region = node.preferredDerp;
    const isMove = this.#agentRegion !== undefined && this.#agentRegion !== region;
    if (isMove || change === "replaced") this.#changes.noteChange(now);
    if (change === "updated") {
      if (this.#phase.kind === "announced" || this.#phase.kind === "reachable") {
        this.#enter({ ...this.#phase, region }, now);
      }
      return this.#keepRelays();
    }
    if (change === "replaced") {
      this.#enter({ kind: "seeking" }, now);
      this.#events.push({ kind: "agentLost", loss: "restarted" });
    }
    this.#enter({ kind: "announced", region, knowsUs: isReady }, now);
    this.#keepRelays();
    // Not waiting for the agent's word: when it knows us already this saves a round trip, else it is lost and repeated.
    this.#beginHandshake(now);
  }

  #addressIn(announced: readonly Uint8Array[]): Uint8Array {
    const owns = (address: Readonly<Uint8Array>) =>
      announced.some((each) => equalBytes(each, address));
    return !owns(this.#uuidAddress) && owns(LEGACY_AGENT_ADDRESS)
      ? LEGACY_AGENT_ADDRESS
      : this.#uuidAddress;
  }

  /** What is reachable stays so, whatever the coordinator or a relay for later say. */
  #fail(failure: SessionFailure): void {
    if (this.#phase.kind !== "seeking" && this.#phase.kind !== "announced") return;
    this.#events.push({ kind: "failed", failure });
  }
}

function waitForRelay(relay: RelayStatus | undefined): AgentSessionStatus {
  return { step: "relay", relay: relay?.name, lastFailure: relay?.lastFailure };
}

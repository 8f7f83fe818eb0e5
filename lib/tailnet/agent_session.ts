/**
 * The tunnel to one workspace agent: coordinator, relays and node put together, and how far we are with reaching it
 * (coder/coder `tailnet/controllers.go`, `codersdk/workspacesdk/workspacesdk.go`). Once a session stands, neither a lost
 * coordinator nor a lost relay ends it; what does is told by an event.
 */
import { equalBytes } from "../base/bytes.ts";
import type { Instant, Random } from "../base/core.ts";
import { Deadlines, earlier } from "../base/deadlines.ts";
import type { Aead } from "../crypto/mod.ts";
import { generatePrivateKey } from "../crypto/mod.ts";
import {
  addressOfUuid,
  LEGACY_AGENT_ADDRESS,
  parseUuid,
  randomAddress,
  randomNodeId,
} from "./address.ts";
import type { CoordinationProtocol } from "./coordinator/protocol_version.ts";
import { CoordinatorLine, type CoordinatorLineEvent } from "./coordinator_line.ts";
import type { CoordinatorLink } from "./coordinator_link.ts";
import { type DerpMap, relayRegions, rewriteEmbeddedRelay } from "./derp_map.ts";
import { HomeChoice } from "./home_region.ts";
import { type NodeEvent, TunnelNode } from "./node.ts";
import type { RelayStatus } from "./relays.ts";

export interface AgentSessionOptions {
  /** UUID text. */
  readonly agentId: string;
  /** The deployment's URL as the user gave it. */
  readonly deploymentUrl: URL;
  /** Of the coordinator's websocket: session token and the user's own. */
  readonly coordinatorHeaders: readonly (readonly [string, string])[];
  /** The user's own headers, for relays. */
  readonly relayHeaders: readonly (readonly [string, string])[];
  readonly derpMap: DerpMap;
  readonly forcesWebsocket: boolean;
  /** Whether the server passes READY_FOR_HANDSHAKE on. @default true */
  readonly expectsReady?: boolean;
  /** What the server speaks, as far as known. @default "v2" */
  readonly coordination?: CoordinationProtocol;
  readonly random: Random;
  readonly aead: Aead;
  readonly wallMsAtZero: number;
}

export type AgentSessionEvent =
  | { readonly kind: "dialCoordinator"; readonly link: CoordinatorLink }
  /** Send what the link still has, then close its connection. */
  | { readonly kind: "hangUpCoordinator"; readonly link: CoordinatorLink }
  /** Measure the way to these regions and tell `handleRelayLatencies`. */
  | { readonly kind: "probeRelays"; readonly map: DerpMap }
  /** The tunnel carries data in both directions; again after every `agentLost`. */
  | { readonly kind: "reachable" }
  /** Every stream to the agent is dead: it was restarted, or is gone. `message` is one line. */
  | { readonly kind: "agentLost"; readonly message: string }
  /** Reaching the agent will not succeed. `message` is one line, `hint` says what to do. Never while it is reachable. */
  | { readonly kind: "failed"; readonly message: string; readonly hint: string };

/** How far we are, for people. */
export interface AgentSessionStatus {
  readonly step: "relay" | "coordinator" | "agent" | "ready" | "handshake" | "reachable";
  /** What is waited for, e.g. `the relay "Coder Embedded Relay" (cannot find host)`. */
  readonly waitsFor: string;
}

type SessionDeadline =
  /** When to stop waiting for slower relays to answer the latency probe. */
  | "homeChoice"
  /** When to give up an agent that is announced but never answers. */
  | "handshake"
  /** When an agent that left deliberately is forgotten. */
  | "removal"
  /** When to look whether a peer that the coordinator lost is worth keeping. */
  | "lostPeer"
  /** When to take what the coordinator said of the agent since its last move or change of key. */
  | "agentNode";

const HOME_CHOICE_MS = 1_500;
const REMOVAL_GRACE_MS = 1_000;
/** A peer that nobody vouches for is kept this long after the last handshake (`tailnet/configmaps.go` lostTimeout). */
const LOST_TIMEOUT_MS = 15 * 60_000;
/** Bounds of the time after which an unanswered initiation counts as lost once the agent says that it knows us. */
const MIN_ANSWER_MS = 25;
const MAX_ANSWER_MS = 400;
/**
 * An agent moves, and changes its key, this long after it last did at the earliest: each costs a connection or a key
 * exchange, and only the last word counts.
 */
const AGENT_CHANGE_GAP_MS = 1_000;
/** An agent that the coordinator announced but that answers nothing on any relay. */
const HANDSHAKE_LIMIT_MS = 120_000;

type AgentNodeEvent = Extract<CoordinatorLineEvent, { kind: "node" }>;

export class AgentSession {
  readonly node: TunnelNode;
  readonly #uuidAddress: Uint8Array;
  #agentAddress: Uint8Array;
  readonly #options: AgentSessionOptions;
  readonly #coordinator: CoordinatorLine;
  readonly #nodeId: bigint;
  readonly #deadlines = new Deadlines<SessionDeadline>();
  readonly #events: AgentSessionEvent[] = [];
  readonly #homeChoice = new HomeChoice();
  #map: DerpMap;
  #isReachable = false;
  #isAgentKnown = false;
  #isAgentReady = false;
  #agentRegion: number | undefined;
  #isOver = false;
  /** When the coordinator was asked for the agent, to tell how far away it is. */
  #askedAt: Instant | undefined;
  #changedAt: Instant = -Infinity;
  /** The coordinator's last word of the agent, held back for coming too soon. */
  #heldNode: AgentNodeEvent | undefined;
  /** How long an answer to an initiation may take, from the coordinator's answer to the first question. */
  #answerMs = MAX_ANSWER_MS;

  /** Throws `TypeError` when `agentId` is no UUID. */
  constructor(options: AgentSessionOptions, now: Instant) {
    const uuid = parseUuid(options.agentId);
    if (uuid === undefined) throw new TypeError(`agentId must be a UUID: is "${options.agentId}"`);
    const { random, wallMsAtZero } = options;
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
    this.#coordinator = new CoordinatorLine({
      agentId: options.agentId,
      deploymentUrl: options.deploymentUrl,
      headers: options.coordinatorHeaders,
      random,
      wallMsAtZero,
      expectsReady: options.expectsReady ?? true,
      coordination: options.coordination ?? "v2",
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
    return this.#isReachable;
  }

  status(): AgentSessionStatus {
    if (this.#isReachable) return { step: "reachable", waitsFor: "nothing" };
    const relays = this.node.relays.status();
    const home = relays.find((relay) => relay.isHome);
    const theirs = relays.find((relay) => relay.region === this.#agentRegion);
    for (const relay of [home, theirs]) {
      if (relay !== undefined && relay.state !== "ready" && relay.lastFailure !== undefined) {
        return waitForRelay(relay);
      }
    }
    const { hasHeard, lastFailure } = this.#coordinator;
    if (!hasHeard) {
      const why = lastFailure === undefined ? "" : ` (${lastFailure})`;
      return { step: "coordinator", waitsFor: `the deployment's network coordinator${why}` };
    }
    if (home?.state !== "ready") return waitForRelay(home);
    if (!this.#isAgentKnown) {
      return { step: "agent", waitsFor: "the workspace agent to join the network" };
    }
    if (theirs !== undefined && theirs.state !== "ready") return waitForRelay(theirs);
    if (!this.#isAgentReady) {
      return { step: "ready", waitsFor: "the workspace agent to accept our network key" };
    }
    const { name } = theirs ?? home;
    return { step: "handshake", waitsFor: `the workspace agent to answer over "${name}"` };
  }

  /** The region's name as people know it. */
  regionName(region: number): string {
    return this.#map.regions.get(region)?.name ?? `Unnamed ${region}`;
  }

  get homeRegion(): number | undefined {
    return this.node.relays.homeRegion;
  }

  /** Asks the agent for a sign of life over the relay; the node tells the answer. */
  ping(now: Instant): void {
    this.node.ping(this.#options.agentId, now);
  }

  /** Leaves in order; the coordinator's connection ends within a second. */
  leave(now: Instant): void {
    this.#isOver = true;
    this.#coordinator.leave(now);
    this.#drainCoordinator(now);
  }

  get hasLeft(): boolean {
    return this.#coordinator.isOver;
  }

  /** Takes what the coordinator's connection read. Throws `ProtocolError`: then drop it. */
  handleCoordinatorBytes(link: CoordinatorLink, chunk: Uint8Array, now: Instant): void {
    this.#coordinator.handleBytes(link, chunk, now);
    this.#drainCoordinator(now);
  }

  /** The coordinator's connection ended or could not be made; `message` is one line. */
  handleCoordinatorClosed(link: CoordinatorLink, message: string, now: Instant): void {
    this.#coordinator.handleClosed(link, message, now);
    this.#drainCoordinator(now);
  }

  /** Milliseconds to each region that answered; the rest did not in time. */
  handleRelayLatencies(latencies: ReadonlyMap<number, number>, now: Instant): void {
    this.#homeChoice.setLatencies(latencies);
    if (this.homeRegion === undefined) this.#chooseHome(now);
  }

  handleNodeEvent(event: NodeEvent, now: Instant): void {
    if (event.kind === "relayReady") this.#beginHandshake(now);
    else if (event.kind === "established") {
      this.#deadlines.clear("handshake");
      this.node.keepAlive(this.#options.agentId, now);
      if (this.#isReachable) return;
      this.#isReachable = true;
      this.#events.push({ kind: "reachable" });
    }
  }

  /** The relay of `region` lets nobody in; `reason` is one line. */
  handleUnreachableRelay(region: number, reason: string, now: Instant): void {
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
    this.#fail(
      `Cannot reach the relay "${this.regionName(region)}": ${reason}`,
      "Check that this machine may connect to it: firewall, proxy (HTTPS_PROXY), TLS settings",
    );
  }

  handleTimeout(now: Instant): void {
    for (let due = this.#deadlines.pop(now); due !== undefined; due = this.#deadlines.pop(now)) {
      if (due === "homeChoice") this.handleRelayLatencies(new Map(), now);
      else if (due === "lostPeer") this.#checkLostPeer(now);
      else if (due === "agentNode") this.#takeHeldNode(now);
      else if (due === "removal") this.#removeAgent("The workspace agent disconnected");
      else {
        this.#fail(
          "The workspace agent does not answer on its relay",
          "Check the workspace's network, or restart the workspace",
        );
      }
    }
    this.#coordinator.handleTimeout(now);
    this.#drainCoordinator(now);
  }

  pollTimeout(): Instant | undefined {
    return earlier(this.#deadlines.next(), this.#coordinator.pollTimeout());
  }

  pollEvent(): AgentSessionEvent | undefined {
    return this.#events.shift();
  }

  /** The machine woke up: the coordinator is dialled anew; the relays are the node's. */
  handleWake(now: Instant): void {
    this.#coordinator.handleWake(now);
    this.#drainCoordinator(now);
  }

  #checkLostPeer(now: Instant): void {
    const lastAt = this.node.lastHandshakeAt(this.#options.agentId) ?? -Infinity;
    if (now - lastAt < LOST_TIMEOUT_MS) {
      this.#deadlines.set("lostPeer", lastAt + LOST_TIMEOUT_MS);
      return;
    }
    this.#removeAgent("The workspace agent has been gone too long");
  }

  #removeAgent(message: string): void {
    this.node.removePeer(this.#options.agentId);
    this.#deadlines.clear("handshake");
    this.#deadlines.clear("lostPeer");
    this.#deadlines.clear("agentNode");
    this.#heldNode = undefined;
    this.#isAgentKnown = false;
    this.#isAgentReady = false;
    this.#agentRegion = undefined;
    this.#isReachable = false;
    this.#events.push({ kind: "agentLost", message });
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
    if (regions.length === 0) {
      this.#fail(
        "The deployment has no relay that a client could use",
        "Ask the deployment's administrator to enable the built-in DERP relay",
      );
    } else if (regions.length === 1 || home !== undefined) {
      this.#chooseHome(now);
    } else if (!this.#deadlines.has("homeChoice")) {
      this.#deadlines.set("homeChoice", now + HOME_CHOICE_MS);
      this.#events.push({ kind: "probeRelays", map });
    }
  }

  #chooseHome(now: Instant): void {
    const region = this.#homeChoice.bestOf(this.#map);
    if (region === undefined) return;
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
    if (this.#isAgentKnown && !this.node.canSend(agentId, now)) this.node.initiate(agentId, now);
  }

  #drainCoordinator(now: Instant): void {
    for (let e = this.#coordinator.pollEvent(); e; e = this.#coordinator.pollEvent()) {
      this.#handleCoordinatorEvent(e, now);
    }
  }

  #handleCoordinatorEvent(event: CoordinatorLineEvent, now: Instant): void {
    switch (event.kind) {
      case "dialLink":
        this.#events.push({ kind: "dialCoordinator", link: event.link });
        return;
      case "hangUpLink":
        this.#events.push({ kind: "hangUpCoordinator", link: event.link });
        return;
      case "connected":
        this.#askedAt = now;
        return;
      case "node":
        this.#handleAgentNode(event, now);
        return;
      case "ready":
        this.#isAgentReady = true;
        if (this.#heldNode !== undefined) this.#heldNode = { ...this.#heldNode, isReady: true };
        if (!this.#isReachable) this.#deadlines.set("handshake", now + HANDSHAKE_LIMIT_MS);
        // Also after a restart under the same key: the agent lost its half of the session. What was sent before the agent
        // knew us was lost: it is repeated as soon as an answer to it would have been here.
        this.node.initiate(this.#options.agentId, now, { minGapMs: this.#answerMs });
        return;
      case "lost":
        this.#deadlines.set("lostPeer", now + LOST_TIMEOUT_MS);
        return;
      case "removed":
        // What the agent said last, an exit status perhaps, may still be on its way over the relay.
        this.#deadlines.set("removal", now + REMOVAL_GRACE_MS);
        return;
      case "derpMap":
        this.#useMap(event.map, now);
        return;
      case "unreachable":
        this.#fail(
          `Cannot reach the deployment's network coordinator: ${event.message}`,
          "Check that websockets pass between this machine and the deployment",
        );
        return;
      case "failed":
        this.#fail(
          event.failure?.status === undefined
            ? `The network coordinator refused us: ${event.message}`
            : `The network coordinator refused us (${event.failure.status}): ${event.message}`,
          event.failure?.status === 401
            ? "Try logging in using 'coder login'."
            : "Check your access to the workspace; --verbose shows every step",
        );
        return;
      case "serverError":
      case "closed":
        return;
    }
  }

  #handleAgentNode(event: AgentNodeEvent, now: Instant): void {
    const { node } = event;
    if (node.preferredDerp === 0) return;
    if (this.#askedAt !== undefined) {
      const roundTripMs = now - this.#askedAt;
      this.#answerMs = Math.min(MAX_ANSWER_MS, MIN_ANSWER_MS + 1.5 * roundTripMs);
      this.#askedAt = undefined;
    }
    this.#deadlines.clear("lostPeer");
    this.#deadlines.clear("removal");
    const earliestAt = this.#changedAt + AGENT_CHANGE_GAP_MS;
    if (now >= earliestAt) return this.#takeAgentNode(event, now);
    this.#heldNode = event;
    this.#deadlines.set("agentNode", earliestAt);
  }

  #takeHeldNode(now: Instant): void {
    const held = this.#heldNode;
    this.#heldNode = undefined;
    if (held !== undefined) this.#takeAgentNode(held, now);
  }

  #takeAgentNode(event: AgentNodeEvent, now: Instant): void {
    const { node } = event;
    this.#agentAddress = this.#addressIn(node.addresses);
    const change = this.node.upsertPeer({
      id: this.#options.agentId,
      nodeKey: node.key,
      discoKey: node.disco,
      addresses: [this.agentAddress, ...node.addresses],
      homeRegion: node.preferredDerp,
    }, now);
    // The first word is no change: an agent that has just come may move at once.
    const isMove = this.#agentRegion !== undefined && this.#agentRegion !== node.preferredDerp;
    if (isMove || change === "replaced") this.#changedAt = now;
    this.#agentRegion = node.preferredDerp;
    this.#keepRelays();
    if (change === "updated") return;
    if (change === "replaced") {
      this.#isReachable = false;
      this.#events.push({ kind: "agentLost", message: "The workspace agent was restarted" });
    }
    this.#isAgentKnown = true;
    this.#isAgentReady = event.isReady;
    this.#deadlines.set("handshake", now + HANDSHAKE_LIMIT_MS);
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
  #fail(message: string, hint: string): void {
    if (this.#isOver || this.#isReachable) return;
    this.#isOver = true;
    this.#events.push({ kind: "failed", message, hint });
  }
}

function waitForRelay(relay: RelayStatus | undefined): AgentSessionStatus {
  if (relay === undefined) return { step: "relay", waitsFor: "the nearest relay" };
  const why = relay.lastFailure === undefined ? "" : ` (${relay.lastFailure})`;
  return { step: "relay", waitsFor: `the relay "${relay.name}"${why}` };
}

/**
 * The tunnel to one workspace agent: coordinator, relays and node put together, and how far we are with reaching it
 * (coder/coder `tailnet/controllers.go`, `codersdk/workspacesdk/workspacesdk.go`). Once a session stands, neither a lost
 * coordinator nor a lost relay ends it; what does is told by an event.
 */
import type { Instant, Random } from "../base/core.ts";
import { Deadlines, earlier } from "../base/deadlines.ts";
import type { Aead } from "../crypto/mod.ts";
import { generatePrivateKey } from "../crypto/mod.ts";
import { addressOfUuid, parseUuid, randomAddress, randomNodeId } from "./address.ts";
import type { CoordinatorEvent } from "./coordinator/client.ts";
import { CoordinatorClient } from "./coordinator/client.ts";
import { CoordinatorLink } from "./coordinator_link.ts";
import { defaultHomeRegion, type DerpMap, relayRegions, rewriteEmbeddedRelay } from "./derp_map.ts";
import { type NodeEvent, TunnelNode } from "./node.ts";

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
  /** The tunnel carries data in both directions. Once. */
  | { readonly kind: "reachable" }
  /** Every stream to the agent is dead: it was restarted, or is gone. `message` is one line. */
  | { readonly kind: "agentLost"; readonly message: string }
  /** Reaching the agent will not succeed. `message` is one line, `hint` says what to do. */
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
  /** When a coordinator that was reached but says nothing is given up. */
  | "coordinatorSilence"
  /** When to give up an agent that is announced but never answers. */
  | "handshake"
  /** When an agent that left deliberately is forgotten. */
  | "removal"
  /** When to look whether a peer that the coordinator lost is worth keeping. */
  | "lostPeer";

const HOME_CHOICE_MS = 1_500;
const COORDINATOR_SILENCE_MS = 15_000;
const MAX_FIRST_COORDINATOR_FAILURES = 3;
const REMOVAL_GRACE_MS = 1_000;
/** A peer that nobody vouches for is kept this long after the last handshake (`tailnet/configmaps.go` lostTimeout). */
const LOST_TIMEOUT_MS = 15 * 60_000;
/** Bounds of the time after which an unanswered initiation counts as lost once the agent says that it knows us. */
const MIN_ANSWER_MS = 25;
const MAX_ANSWER_MS = 400;
/** An agent that the coordinator announced but that answers nothing on any relay. */
const HANDSHAKE_LIMIT_MS = 120_000;

export class AgentSession {
  readonly node: TunnelNode;
  readonly agentAddress: Uint8Array;
  readonly #options: AgentSessionOptions;
  readonly #coordinator: CoordinatorClient;
  readonly #nodeId: bigint;
  readonly #deadlines = new Deadlines<SessionDeadline>();
  readonly #events: AgentSessionEvent[] = [];
  #link: CoordinatorLink | undefined;
  #map: DerpMap;
  #isReachable = false;
  #isAgentKnown = false;
  #isAgentReady = false;
  #hasHeardCoordinator = false;
  #coordinatorFailures = 0;
  #lastCoordinatorFailure: string | undefined;
  #isOver = false;
  /** When the coordinator was asked for the agent, to tell how far away it is. */
  #askedAt: Instant | undefined;
  /** How long an answer to an initiation may take, from the coordinator's answer to the first question. */
  #answerMs = MAX_ANSWER_MS;

  /** Throws `TypeError` when `agentId` is no UUID. */
  constructor(options: AgentSessionOptions, now: Instant) {
    const uuid = parseUuid(options.agentId);
    if (uuid === undefined) throw new TypeError(`agentId must be a UUID: is "${options.agentId}"`);
    const { random } = options;
    this.#options = options;
    this.agentAddress = addressOfUuid(uuid);
    this.#nodeId = randomNodeId(random);
    this.node = new TunnelNode({
      addresses: [randomAddress(random)],
      nodePrivateKey: generatePrivateKey(random),
      discoPrivateKey: generatePrivateKey(random),
      random,
      aead: options.aead,
      wallMsAtZero: options.wallMsAtZero,
      relayHeaders: options.relayHeaders,
    });
    this.#coordinator = new CoordinatorClient({
      random,
      wallMsAtZero: options.wallMsAtZero,
      tunnels: [options.agentId],
      expectsReady: options.expectsReady ?? true,
    }, now);
    this.#map = options.derpMap;
    this.#useMap(options.derpMap, now);
    this.#drainCoordinator(now);
  }

  get isReachable(): boolean {
    return this.#isReachable;
  }

  status(): AgentSessionStatus {
    const home = this.node.relays.status().find((relay) => relay.isHome);
    if (this.#isReachable) return { step: "reachable", waitsFor: "nothing" };
    if (home?.state !== "ready" && home?.lastFailure !== undefined) {
      return { step: "relay", waitsFor: `the relay "${home.name}" (${home.lastFailure})` };
    }
    if (!this.#hasHeardCoordinator) {
      const why = this.#lastCoordinatorFailure === undefined
        ? ""
        : ` (${this.#lastCoordinatorFailure})`;
      return { step: "coordinator", waitsFor: `the deployment's network coordinator${why}` };
    }
    if (home?.state !== "ready") {
      return { step: "relay", waitsFor: `the relay "${home?.name ?? "of the deployment"}"` };
    }
    if (!this.#isAgentKnown) {
      return { step: "agent", waitsFor: "the workspace agent to join the network" };
    }
    if (!this.#isAgentReady) {
      return { step: "ready", waitsFor: "the workspace agent to accept our network key" };
    }
    return { step: "handshake", waitsFor: `the workspace agent to answer over "${home.name}"` };
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
    this.#coordinator.disconnect(now);
    this.#drainCoordinator(now);
  }

  get hasLeft(): boolean {
    return this.#coordinator.state === "over";
  }

  /** Takes what the coordinator's connection read. Throws `ProtocolError`: then drop it. */
  handleCoordinatorBytes(link: CoordinatorLink, chunk: Uint8Array, now: Instant): void {
    if (link !== this.#link) return;
    link.handleBytes(chunk);
    for (let event = link.pollEvent(); event !== undefined; event = link.pollEvent()) {
      if (event.kind === "open") {
        this.#coordinator.handleConnected(now);
        this.#askedAt = now;
      } else if (event.kind === "data") {
        this.#hasHeardCoordinator = true;
        this.#deadlines.clear("coordinatorSilence");
        this.#coordinator.handleBytes(event.bytes, now);
      } else {
        this.#endLink();
        const reason = event.kind === "refused"
          ? { kind: "refused", status: event.status, body: event.body } as const
          : { kind: "closed", message: event.message } as const;
        this.#coordinator.handleDisconnected(reason, now);
        break;
      }
    }
    this.#drainCoordinator(now);
  }

  /** The coordinator's connection ended or could not be made; `message` is one line. */
  handleCoordinatorClosed(link: CoordinatorLink, message: string, now: Instant): void {
    if (link !== this.#link) return;
    const kind = link.isOpen ? "closed" : "unreachable";
    this.#endLink();
    this.#coordinator.handleDisconnected({ kind, message }, now);
    this.#drainCoordinator(now);
  }

  /** Milliseconds to each region that answered; the rest did not in time. */
  handleRelayLatencies(latencies: ReadonlyMap<number, number>, now: Instant): void {
    if (this.homeRegion !== undefined) return;
    let best: number | undefined;
    let bestScore = Infinity;
    for (const [region, latencyMs] of latencies) {
      const score = latencyMs * (this.#map.regionScore.get(region) ?? 1);
      if (score < bestScore) [best, bestScore] = [region, score];
    }
    this.#chooseHome(best ?? defaultHomeRegion(this.#map), now);
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

  handleUnreachableRelay(region: number, reason: string, _now: Instant): void {
    if (this.#isReachable || this.#isOver) return;
    if (region !== this.homeRegion) return;
    const name = this.regionName(region);
    this.#fail(
      `Cannot reach the relay "${name}": ${reason}`,
      "Check that this machine may connect to it: firewall, proxy (HTTPS_PROXY), TLS settings",
    );
  }

  handleTimeout(now: Instant): void {
    for (let due = this.#deadlines.pop(now); due !== undefined; due = this.#deadlines.pop(now)) {
      if (due === "homeChoice") this.handleRelayLatencies(new Map(), now);
      else if (due === "coordinatorSilence") this.#handleSilence(now);
      else if (due === "lostPeer") this.#checkLostPeer(now);
      else if (due === "removal") this.#removeAgent("The workspace agent disconnected");
      else if (!this.#isReachable) {
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

  /** Stops waiting for what is only waited for because it failed before: the machine woke up. */
  handleWake(now: Instant): void {
    this.#coordinator.retryNow(now);
    this.#drainCoordinator(now);
  }

  #handleSilence(now: Instant): void {
    const link = this.#link;
    if (link === undefined || this.#isReachable) return;
    this.#events.push({ kind: "hangUpCoordinator", link });
    this.handleCoordinatorClosed(link, "accepts connections but says nothing", now);
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
    this.#isAgentKnown = false;
    this.#isAgentReady = false;
    this.#events.push({ kind: "agentLost", message });
  }

  #useMap(map: DerpMap, now: Instant): void {
    this.#map = rewriteEmbeddedRelay(map, this.#options.deploymentUrl);
    this.node.relays.setMap(this.#map, { forcesWebsocket: this.#options.forcesWebsocket }, now);
    const home = this.homeRegion;
    const regions = relayRegions(this.#map);
    if (home !== undefined && regions.some((region) => region.id === home)) return;
    const [only] = regions;
    if (only === undefined) {
      this.#fail(
        "The deployment has no relay that a client could use",
        "Ask the deployment's administrator to enable the built-in DERP relay",
      );
    } else if (regions.length === 1 || home !== undefined) {
      this.#chooseHome(defaultHomeRegion(this.#map), now);
    } else if (!this.#deadlines.has("homeChoice")) {
      this.#deadlines.set("homeChoice", now + HOME_CHOICE_MS);
      this.#events.push({ kind: "probeRelays", map: this.#map });
    }
  }

  #chooseHome(region: number | undefined, now: Instant): void {
    if (region === undefined) return;
    this.#deadlines.clear("homeChoice");
    this.node.relays.setHome(region, now);
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
    this.#flushCoordinator();
  }

  #beginHandshake(now: Instant): void {
    if (this.#isAgentKnown && !this.#isReachable) this.node.initiate(this.#options.agentId, now);
  }

  #drainCoordinator(now: Instant): void {
    for (let e = this.#coordinator.pollEvent(); e; e = this.#coordinator.pollEvent()) {
      this.#handleCoordinatorEvent(e, now);
    }
    this.#flushCoordinator();
  }

  #flushCoordinator(): void {
    const link = this.#link;
    if (link === undefined || !link.isOpen) return;
    for (let m = this.#coordinator.pollTransmit(); m; m = this.#coordinator.pollTransmit()) {
      link.send(m);
    }
  }

  #handleCoordinatorEvent(event: CoordinatorEvent, now: Instant): void {
    switch (event.kind) {
      case "dial":
        this.#dialCoordinator(event.resumeToken, now);
        return;
      case "hangUp":
        this.#flushCoordinator();
        this.#hangUp();
        return;
      case "node":
        this.#handleAgentNode(event, now);
        return;
      case "ready":
        this.#isAgentReady = true;
        this.#deadlines.set("handshake", now + HANDSHAKE_LIMIT_MS);
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
      case "disconnected":
        this.#coordinatorFailures++;
        this.#lastCoordinatorFailure = event.message;
        if (
          !this.#hasHeardCoordinator && this.#coordinatorFailures >= MAX_FIRST_COORDINATOR_FAILURES
        ) {
          this.#fail(
            `Cannot reach the deployment's network coordinator: ${event.message}`,
            "Check that websockets pass between this machine and the deployment",
          );
        }
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
      case "connected":
      case "serverError":
      case "closed":
        return;
    }
  }

  #handleAgentNode(event: Extract<CoordinatorEvent, { kind: "node" }>, now: Instant): void {
    const { node } = event;
    if (node.preferredDerp === 0) return;
    if (this.#askedAt !== undefined) {
      const roundTripMs = now - this.#askedAt;
      this.#answerMs = Math.min(MAX_ANSWER_MS, MIN_ANSWER_MS + 1.5 * roundTripMs);
      this.#askedAt = undefined;
    }
    this.#deadlines.clear("lostPeer");
    this.#deadlines.clear("removal");
    const change = this.node.upsertPeer({
      id: this.#options.agentId,
      nodeKey: node.key,
      discoKey: node.disco,
      addresses: [this.agentAddress, ...node.addresses],
      homeRegion: node.preferredDerp,
    }, now);
    const home = this.homeRegion;
    this.node.relays.keepOnly(new Set(home === undefined ? [] : [home, node.preferredDerp]));
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

  #dialCoordinator(resumeToken: string | undefined, now: Instant): void {
    const { agentId, deploymentUrl, coordinatorHeaders, random } = this.#options;
    const query = new URLSearchParams({ version: "2.0" });
    if (resumeToken !== undefined) query.set("resume_token", resumeToken);
    const link = new CoordinatorLink({
      path: `/api/v2/workspaceagents/${agentId}/coordinate?${query}`,
      host: deploymentUrl.host,
      headers: coordinatorHeaders,
      random,
    });
    this.#link = link;
    if (!this.#isReachable) {
      this.#deadlines.set("coordinatorSilence", now + COORDINATOR_SILENCE_MS);
    }
    this.#events.push({ kind: "dialCoordinator", link });
  }

  #hangUp(): void {
    const link = this.#link;
    if (link === undefined) return;
    link.close();
    this.#link = undefined;
    this.#events.push({ kind: "hangUpCoordinator", link });
  }

  #endLink(): void {
    this.#link = undefined;
    this.#deadlines.clear("coordinatorSilence");
  }

  #fail(message: string, hint: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#events.push({ kind: "failed", message, hint });
  }
}

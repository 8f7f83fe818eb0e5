/**
 * A workspace agent's place in the network: a `TunnelNode` in agent role, announced at the coordinator, answering every
 * client that the coordinator tells of (coder/coder `agent/agent.go` `createTailnet`, `tailnet/controllers.go`). It takes
 * connections to any port; what they lead to is its owner's.
 */
import type { Clock, Instant, Random } from "../../base/core.ts";
import { SILENT_LOG } from "../../base/log.ts";
import type { DatagramFlow } from "../../base/datagrams.ts";
import type { ByteStream } from "../../base/stream.ts";
import { generatePrivateKey, loadAead } from "../../crypto/mod.ts";
import { DirectDriver } from "../../io/direct_driver.ts";
import { NodeDriver } from "../../io/node_driver.ts";
import type { AcceptedSocket } from "../../io/tunnel_streams.ts";
import { parseUuid } from "../../tailnet/address.ts";
import { defaultHomeRegion, type DerpMap, rewriteEmbeddedRelay } from "../../tailnet/derp_map.ts";
import type { Line } from "../../tailnet/line.ts";
import { TunnelNode } from "../../tailnet/node.ts";
import type { Endpoint } from "../../wire/endpoint.ts";
import type { TailnetNode } from "../../tailnet/node_message.ts";
import { type AgentIdentity, identityOf } from "./release.ts";
import { AgentCore, type AgentCoreEvent } from "./core.ts";
import { failLoudly } from "../loud_tasks.ts";
import type { LocalSession, SandboxCoordinator } from "../net/coordinator.ts";

/** A connection that a client opens to one of our ports. */
export interface Accepted {
  readonly stream: ByteStream;
  readonly port: number;
  /** Completes the connection; at once for ports of the agent's own, when the target answers for others. */
  accept(): void;
  /** Refuses it, as a port where nothing listens. */
  refuse(): void;
}

export interface AgentNodeOptions {
  /** UUID text. */
  readonly agentId: string;
  readonly deploymentUrl: URL;
  readonly coordinator: SandboxCoordinator;
  /** The release that the agent is of. */
  readonly version: string;
  /** Sent to relays: they tell agents by it. */
  readonly relayHeaders: readonly (readonly [string, string])[];
  /** Whether the agent can be reached without a relay: by UDP, on loopback alone. */
  readonly isDirect: boolean;
  /** Whether the agent tells clients that it knows them (v2.11 and newer). */
  readonly sendsReady: () => boolean;
  readonly onAccepted: (accepted: Accepted) => void;
  /** A client's datagrams to a port of ours, until it is over. */
  readonly onFlow: (flow: DatagramFlow, port: number) => void;
  /** The coordinator has our node, or has us no more. */
  readonly onAnnounced: (what: "joined" | "left") => void;
  readonly clock: Clock;
  readonly random: Random;
}

export class AgentNode {
  readonly #options: AgentNodeOptions;
  readonly #node: TunnelNode;
  readonly #driver: NodeDriver<AgentCoreEvent>;
  readonly #core: AgentCore;
  readonly #identity: AgentIdentity;
  #session: LocalSession | undefined;
  #endpoints: readonly Endpoint[] = [];
  /** What the coordinator said while we were frozen. */
  #held: (() => void)[] | undefined;
  /** Counts sessions, so that what an older one still says is not taken for the new one's. */
  #sessionNumber = 0;
  #isStopped = false;
  #stopping: Promise<void> | undefined;

  /** Begins at once. */
  constructor(options: AgentNodeOptions) {
    this.#options = options;
    const { clock, random, agentId } = options;
    const now = clock.now();
    const uuid = parseUuid(agentId);
    if (uuid === undefined) throw new TypeError(`agentId must be a UUID: is "${agentId}"`);
    const wallMsAtZero = clock.wallMs() - now;
    this.#identity = identityOf(uuid, { version: options.version, random });
    this.#node = new TunnelNode({
      addresses: this.#identity.addresses,
      nodePrivateKey: generatePrivateKey(random),
      discoPrivateKey: generatePrivateKey(random),
      random,
      aead: loadAead(),
      wallMsAtZero,
      relayHeaders: options.relayHeaders,
    });
    this.#node.netstack.listen("any");
    this.#node.netstack.datagrams.accept();
    this.#core = new AgentCore(this.#node, { random, wallMsAtZero }, now);
    this.#driver = new NodeDriver({
      core: this.#core,
      clock,
      dial: { env: () => undefined }, // loopback: no proxy
      log: SILENT_LOG,
      onEvent: (event, at) => this.#handleEvent(event, at),
      onAccepted: (accepted) => this.#handleAccepted(accepted),
      onFlow: options.onFlow,
      onFault: failLoudly,
    });
    this.#useMap(options.coordinator.derpMap, now);
    this.#core.client.updateSelf(this.#self(), now);
    if (options.isDirect) this.#listen();
    this.#driver.turn();
  }

  #listen(): void {
    const { clock } = this.#options;
    this.#driver.attach(
      new DirectDriver({
        node: this.#node,
        use: (make, now) =>
          this.#node.useDirect((parts) => make({ ...parts, isSameHost: true }), now),
        clock,
        log: SILENT_LOG,
        bind: { ipv4: "127.0.0.1", ipv6: "::1" },
        onTurn: () => this.#driver.turn(),
        onFault: failLoudly,
      }),
    );
  }

  /** Announces a node that differs from the true one by `part`. */
  claim(part: Partial<TailnetNode>): void {
    this.#core.client.updateSelf({ ...this.#self(), ...part }, this.#driver.now());
    this.#driver.turn();
  }

  #self(): TailnetNode {
    return {
      id: this.#identity.nodeId,
      asOfMs: this.#options.clock.wallMs(),
      key: this.#node.nodePublicKey,
      disco: this.#node.discoPublicKey,
      preferredDerp: this.#node.relays.homeRegion ?? 0,
      derpLatency: new Map(),
      derpForcedWebsocket: new Map(),
      addresses: this.#node.addresses,
      allowedIps: this.#node.addresses,
      endpoints: this.#endpoints,
    };
  }

  /** 32 bytes; what relays know us by. */
  get nodePublicKey(): Uint8Array {
    return this.#node.nodePublicKey;
  }

  /** Like a process that is stopped: what the coordinator says waits. Relays are told by the owner. Idempotent. */
  freeze(): void {
    this.#held ??= [];
  }

  thaw(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const work of held) work();
  }

  /**
   * Ends it. Gracefully: the coordinator is told, clients hear DISCONNECTED. Else like a machine that lost its power:
   * no word to anybody, sockets just close. Idempotent.
   */
  async stop(options: { readonly graceful: boolean }): Promise<void> {
    this.#stopping ??= this.#stop(options.graceful);
    await this.#stopping;
  }

  async #stop(isGraceful: boolean): Promise<void> {
    if (isGraceful) {
      this.#core.client.disconnect(this.#driver.now());
      this.#driver.turn();
    }
    this.#isStopped = true;
    this.#session?.close();
    this.#session = undefined;
    this.#options.onAnnounced("left");
    await this.#driver.stop();
  }

  #handleAccepted({ stream, socket, port }: AcceptedSocket): void {
    const { netstack } = this.#node;
    this.#options.onAccepted({
      stream,
      port,
      accept: () => {
        if (socket.state !== "syn-held") return;
        netstack.accept(socket, this.#driver.now());
        this.#driver.schedule();
      },
      refuse: () => {
        if (socket.state !== "syn-held") return;
        netstack.refuse(socket, this.#driver.now());
        this.#driver.schedule();
      },
    });
  }

  #handleEvent(event: AgentCoreEvent, now: Instant): void {
    switch (event.kind) {
      case "dial":
        return this.#connect(event.line, now);
      case "hangUp":
        this.#session?.close();
        this.#session = undefined;
        return;
      case "endpoints":
        this.#endpoints = event.endpoints;
        return this.#core.client.updateSelf(this.#self(), now);
      case "say":
        this.#session?.send(event.payload);
        return;
      case "connected":
        return this.#options.onAnnounced("joined");
      case "node":
        if (this.#options.sendsReady()) this.#core.client.readyForHandshake(event.peerId, now);
        return;
      case "derpMap":
        return this.#useMap(event.map, now);
      case "disconnected":
        return this.#options.onAnnounced("left");
      case "lost":
      case "removed":
      case "ready":
      case "mapWanted":
      case "serverError":
      case "failed":
      case "closed":
        return;
    }
  }

  #connect(line: Line, now: Instant): void {
    const { coordinator, agentId } = this.#options;
    const number = ++this.#sessionNumber;
    const isCurrent = () => !this.#isStopped && number === this.#sessionNumber;
    const { client } = this.#core;
    this.#session = coordinator.connectAgent(agentId, {
      ownsLegacyAddress: this.#identity.ownsLegacyAddress,
      onBytes: (payload) =>
        this.#hear(isCurrent, () => client.handleLineBytes(line, payload, this.#driver.now())),
      onClosed: (message) =>
        this.#hear(isCurrent, () => {
          this.#session = undefined;
          client.handleLineClosed(line, message, this.#driver.now());
        }),
    });
    client.handleLineOpened(line, undefined, now);
  }

  #hear(isCurrent: () => boolean, work: () => void): void {
    const run = () => {
      if (!isCurrent()) return;
      work();
      this.#driver.schedule();
    };
    if (this.#held === undefined) run();
    else this.#held.push(run);
  }

  #useMap(map: DerpMap, now: Instant): void {
    const rewritten = rewriteEmbeddedRelay(map, this.#options.deploymentUrl);
    this.#node.setMap(rewritten, { forcesWebsocket: false }, now);
    const home = defaultHomeRegion(rewritten);
    if (home !== undefined) this.#node.relays.setHome(home, now);
  }
}

/** The client of a simulated tailnet: an `AgentSession` driven as `lib/io/agent_tunnel.ts` drives it. */
import type { Instant, Random } from "../../../lib/base/core.ts";
import { earlier } from "../../../lib/base/deadlines.ts";
import { ProtocolError } from "../../../lib/base/errors.ts";
import { loadAead } from "../../../lib/crypto/mod.ts";
import type { NetstackEvent } from "../../../lib/netstack/mod.ts";
import {
  AgentSession,
  type AgentSessionEvent,
  type AgentSessionOptions,
} from "../../../lib/tailnet/agent_session.ts";
import type { CoordinatorLink } from "../../../lib/tailnet/coordinator_link.ts";
import type { NodeEvent } from "../../../lib/tailnet/node.ts";
import { Bulk } from "./bulk.ts";
import type { SimEnd, SimNetwork } from "./network.ts";
import { type SimCompanion, SimNodeDriver } from "./node_driver.ts";

export interface SimClientOptions extends Omit<AgentSessionOptions, "aead"> {
  readonly network: SimNetwork;
  readonly random: Random;
}

const DIAL_MS = 5;

export class SimClient implements SimCompanion {
  readonly session: AgentSession;
  readonly driver: SimNodeDriver;
  readonly events: { readonly at: Instant; readonly event: AgentSessionEvent }[] = [];
  readonly nodeEvents: NodeEvent[] = [];
  readonly bulks: Bulk[] = [];
  /** What a latency probe finds, by region; `undefined`: it never ends. */
  latencies: ReadonlyMap<number, number> | undefined;
  readonly #options: SimClientOptions;
  #links = new Map<CoordinatorLink, SimEnd>();
  #dials: { readonly link: CoordinatorLink; readonly at: Instant }[] = [];
  #probeAt: Instant | undefined;

  constructor(options: SimClientOptions, now: Instant) {
    this.#options = options;
    this.session = new AgentSession({ ...options, aead: loadAead() }, now);
    const { node } = this.session;
    this.driver = new SimNodeDriver({ node, network: options.network, companion: this }, now);
  }

  kinds(): string[] {
    return this.events.map(({ event }) => event.kind);
  }

  lost(): string[] {
    return this.events.flatMap(({ event }) => event.kind === "agentLost" ? [event.message] : []);
  }

  /** `undefined` while it may still succeed. */
  failure(): { readonly at: Instant; readonly message: string; readonly hint: string } | undefined {
    for (const { at, event } of this.events) {
      if (event.kind === "failed") return { at, message: event.message, hint: event.hint };
    }
    return undefined;
  }

  /** Connections to the coordinator that are not closed. */
  coordinatorEnds(): SimEnd[] {
    return [...this.#links.values()];
  }

  openBulk(sendBytes: number, now: Instant): Bulk {
    const { node, agentAddress } = this.session;
    const socket = node.netstack.connect({ remote: agentAddress, port: 1 }, now);
    const bulk = new Bulk(socket, { sendBytes, role: "client" });
    this.bulks.push(bulk);
    return bulk;
  }

  step(now: Instant): boolean {
    let moved = false;
    for (const dial of this.#dials.splice(0)) {
      if (dial.at > now) this.#dials.push(dial);
      else {
        moved = true;
        this.#dial(dial.link, now);
      }
    }
    for (const [link, end] of [...this.#links]) moved = this.#read(link, end, now) || moved;
    if (this.#probeAt !== undefined && this.#probeAt <= now) {
      this.#probeAt = undefined;
      moved = true;
      this.session.handleRelayLatencies(this.latencies ?? new Map(), now);
    }
    return this.driver.step(now) || moved;
  }

  nextAt(now: Instant): Instant | undefined {
    let at = earlier(this.driver.nextAt(now), this.#probeAt);
    for (const dial of this.#dials) at = earlier(at, dial.at);
    for (const end of this.#links.values()) at = earlier(at, end.nextAt(now));
    return at;
  }

  turn(now: Instant): boolean {
    let moved = false;
    for (let e = this.session.pollEvent(); e !== undefined; e = this.session.pollEvent()) {
      moved = true;
      this.events.push({ at: now, event: e });
      if (e.kind === "dialCoordinator") this.#dials.push({ link: e.link, at: now + DIAL_MS });
      else if (e.kind === "hangUpCoordinator") this.#hangUp(e.link, now);
      else if (e.kind === "probeRelays" && this.latencies !== undefined) this.#probeAt = now + 100;
    }
    for (const [link, end] of this.#links) moved = flush(link, end, now) || moved;
    return moved;
  }

  handleTimeout(now: Instant): void {
    this.session.handleTimeout(now);
  }

  pollTimeout(): Instant | undefined {
    return this.session.pollTimeout();
  }

  handleNodeEvent(event: NodeEvent, now: Instant): void {
    this.nodeEvents.push(event);
    this.session.handleNodeEvent(event, now);
  }

  handleWake(now: Instant): void {
    this.session.handleWake(now);
  }

  handleUnreachableRelay(region: number, reason: string, now: Instant): void {
    this.session.handleUnreachableRelay(region, reason, now);
  }

  handleSocketEvent(event: NetstackEvent, now: Instant): void {
    if (event.kind === "pong") return;
    this.bulks.find((bulk) => bulk.socket === event.socket)?.pump(now);
  }

  #dial(link: CoordinatorLink, now: Instant): void {
    const { hostname, port } = this.#options.deploymentUrl;
    const end = this.#options.network.connect(hostname, Number(port), now);
    if (end === undefined) {
      this.session.handleCoordinatorClosed(link, "refused the connection", now);
    } else this.#links.set(link, end);
  }

  #read(link: CoordinatorLink, end: SimEnd, now: Instant): boolean {
    let moved = false;
    while (this.#links.get(link) === end) {
      const arrival = end.read(now);
      if (arrival === undefined) break;
      moved = true;
      if (arrival.kind === "end") this.#lost(link, arrival.reason, now);
      else this.#handleBytes(link, arrival.bytes, now);
    }
    return moved;
  }

  #handleBytes(link: CoordinatorLink, bytes: Uint8Array, now: Instant): void {
    try {
      this.session.handleCoordinatorBytes(link, bytes, now);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#lost(link, error.message, now);
    }
  }

  #lost(link: CoordinatorLink, reason: string, now: Instant): void {
    this.#links.get(link)?.close(now);
    this.#links.delete(link);
    this.session.handleCoordinatorClosed(link, reason, now);
  }

  #hangUp(link: CoordinatorLink, now: Instant): void {
    this.#dials = this.#dials.filter((dial) => dial.link !== link);
    const end = this.#links.get(link);
    if (end === undefined) return;
    flush(link, end, now);
    end.close(now);
    this.#links.delete(link);
  }
}

function flush(link: CoordinatorLink, end: SimEnd, now: Instant): boolean {
  let moved = false;
  for (let batch = link.takeBatch(); batch !== undefined; batch = link.takeBatch()) {
    end.write(batch, now);
    moved = true;
  }
  return moved;
}

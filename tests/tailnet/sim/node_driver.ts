/** Drives a `TunnelNode` over simulated sockets, in the order in which `lib/io/node_driver.ts` does it over real ones. */
import type { Instant } from "../../../lib/base/core.ts";
import { earlier } from "../../../lib/base/deadlines.ts";
import { ProtocolError } from "../../../lib/base/errors.ts";
import type { NetstackEvent } from "../../../lib/netstack/mod.ts";
import type { RelayEndpoint } from "../../../lib/tailnet/derp_map.ts";
import type { NodeEvent, TunnelNode } from "../../../lib/tailnet/node.ts";
import type { RelayLink } from "../../../lib/tailnet/relay_link.ts";
import type { SimEnd, SimNetwork } from "./network.ts";

/** What shares the node's loop. */
export interface SimCompanion {
  turn(now: Instant): boolean;
  handleTimeout(now: Instant): void;
  pollTimeout(now: Instant): Instant | undefined;
  handleNodeEvent(event: NodeEvent, now: Instant): void;
  handleWake(now: Instant): void;
  handleUnreachableRelay(region: number, reason: string, now: Instant): void;
  handleSocketEvent(event: NetstackEvent, now: Instant): void;
}

/** As the real driver: no timer is longer, so that a sleep is noticed. */
const MAX_TIMER_MS = 10_000;
const SLEEP_NOTICE_MS = 15_000;
const DIAL_MS = 5;

interface Dial {
  readonly link: RelayLink;
  readonly endpoints: readonly RelayEndpoint[];
  readonly at: Instant;
}

export class SimNodeDriver {
  readonly carriers = new Map<RelayLink, SimEnd>();
  readonly #node: TunnelNode;
  readonly #network: SimNetwork;
  readonly #companion: SimCompanion;
  #dials: Dial[] = [];
  #lastTurnAt: Instant;
  isStopped = false;
  /** Connections to relays that were asked for, called off or not. */
  dialCount = 0;

  constructor(
    parts: { node: TunnelNode; network: SimNetwork; companion: SimCompanion },
    now: Instant,
  ) {
    this.#node = parts.node;
    this.#network = parts.network;
    this.#companion = parts.companion;
    this.#lastTurnAt = now;
  }

  step(now: Instant): boolean {
    if (this.isStopped) return false;
    this.#noticeSleep(now);
    let moved = this.#dialDue(now);
    for (const [link, end] of [...this.carriers]) moved = this.#read(link, end, now) || moved;
    if ((this.#pollTimeout(now) ?? Infinity) <= now) {
      this.#node.handleTimeout(now);
      this.#companion.handleTimeout(now);
    }
    return this.#turn(now) || moved;
  }

  nextAt(now: Instant): Instant | undefined {
    if (this.isStopped) return undefined;
    let at = earlier(this.#pollTimeout(now), this.#lastTurnAt + MAX_TIMER_MS);
    for (const dial of this.#dials) at = earlier(at, dial.at);
    for (const end of this.carriers.values()) at = earlier(at, end.nextAt(now));
    return at;
  }

  /** The process ends without a word. */
  stop(now: Instant): void {
    this.isStopped = true;
    for (const end of this.carriers.values()) end.close(now);
    this.carriers.clear();
  }

  #pollTimeout(now: Instant): Instant | undefined {
    return earlier(this.#node.pollTimeout(), this.#companion.pollTimeout(now));
  }

  #noticeSleep(now: Instant): void {
    const elapsedMs = now - this.#lastTurnAt;
    this.#lastTurnAt = now;
    if (elapsedMs < SLEEP_NOTICE_MS) return;
    this.#node.relays.redialAll(now);
    this.#companion.handleWake(now);
  }

  #dialDue(now: Instant): boolean {
    const due = this.#dials.filter((dial) => dial.at <= now);
    this.#dials = this.#dials.filter((dial) => dial.at > now);
    for (const { link, endpoints } of due) this.#dial(link, endpoints, now);
    return due.length > 0;
  }

  #dial(link: RelayLink, endpoints: readonly RelayEndpoint[], now: Instant): void {
    for (const endpoint of endpoints) {
      const end = this.#network.connect(endpoint.host, endpoint.port, now);
      if (end === undefined) continue;
      link.open(endpoint.hostHeader);
      this.carriers.set(link, end);
      return;
    }
    this.#node.relays.handleClosed(link, "refused the connection", now);
  }

  #read(link: RelayLink, end: SimEnd, now: Instant): boolean {
    let moved = false;
    while (this.carriers.get(link) === end) {
      const arrival = end.read(now);
      if (arrival === undefined) break;
      moved = true;
      if (arrival.kind === "end") this.#lost(link, arrival.reason, now);
      else this.#handleBytes(link, arrival.bytes, now);
    }
    return moved;
  }

  #handleBytes(link: RelayLink, bytes: Uint8Array, now: Instant): void {
    try {
      this.#node.handleRelayBytes(link, bytes, now);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#lost(link, error.message, now);
    }
  }

  #lost(link: RelayLink, reason: string, now: Instant): void {
    this.#hangUp(link, now);
    this.#node.relays.handleClosed(link, reason, now);
  }

  #hangUp(link: RelayLink, now: Instant): void {
    this.#dials = this.#dials.filter((dial) => dial.link !== link);
    this.carriers.get(link)?.close(now);
    this.carriers.delete(link);
  }

  #turn(now: Instant): boolean {
    let moved = this.#companion.turn(now);
    this.#node.pump(now);
    const { relays, netstack } = this.#node;
    for (let e = relays.pollEvent(); e; e = relays.pollEvent()) {
      moved = true;
      if (e.kind === "dial") {
        this.dialCount++;
        this.#dials.push({ link: e.link, endpoints: e.endpoints, at: now + DIAL_MS });
      } else if (e.kind === "hangUp") this.#hangUp(e.link, now);
      else this.#companion.handleUnreachableRelay(e.region, e.reason, now);
    }
    for (let e = this.#node.pollEvent(); e; e = this.#node.pollEvent()) {
      moved = true;
      this.#companion.handleNodeEvent(e, now);
    }
    for (let e = netstack.pollEvent(); e; e = netstack.pollEvent()) {
      moved = true;
      this.#companion.handleSocketEvent(e, now);
    }
    for (const [link, end] of this.carriers) moved = this.#write(link, end, now) || moved;
    return moved;
  }

  #write(link: RelayLink, end: SimEnd, now: Instant): boolean {
    let moved = false;
    while (!end.isBusy(now)) {
      const batch = link.takeBatch();
      if (batch === undefined) break;
      moved = true;
      end.write(batch, now);
      this.#node.pump(now);
    }
    return moved;
  }
}

/**
 * Which relays we are connected to and when to dial again: the home relay for the whole life, a peer's home relay while
 * we talk to it (coder/tailscale `wgengine/magicsock/derp.go`). The driver dials what `pollEvent` asks for.
 * Not here: the connections to one of them (`relay.ts`), packets (`relay_link.ts` carries them, `node.ts` reads them).
 */
import type { Core, Instant, Random } from "../base/core.ts";
import { earlier } from "../base/deadlines.ts";
import { TokenBucket } from "../base/token_bucket.ts";
import { type DerpMap, relayEndpoints } from "./derp_map.ts";
import type { LineEvent } from "./line.ts";
import { Relay, type RelayWay } from "./relay.ts";
import { RelayLink, type RelayTransport } from "./relay_link.ts";

export interface RelaysOptions {
  readonly nodePrivateKey: Uint8Array;
  readonly nodePublicKey: Uint8Array;
  /** The user's own headers, sent to the relays that take them (`RelayEndpoint.takesHeaders`). */
  readonly headers: readonly (readonly [string, string])[];
  readonly random: Random;
}

export type RelaysEvent =
  | LineEvent
  /** A relay that was doubted answers again. */
  | { readonly kind: "back" }
  /** The relay never let us in, or not for long: another region may do better. Attempts go on; told at each of them. */
  | { readonly kind: "unreachable"; readonly region: number; readonly reason: string };

/** What a person may want to know of one relay. */
export interface RelayStatus {
  readonly region: number;
  readonly name: string;
  readonly isHome: boolean;
  readonly state: "connecting" | "ready" | "waiting";
  /** By which kind of upgrade it first let us in; `undefined`: not yet. */
  readonly firstTransport: RelayTransport | undefined;
  /** Why the last connection ended or could not be made. */
  readonly lastFailure: string | undefined;
}

/** Dials of all relays together: our home, the peer's, their fall-backs, and some moves; then two a second. */
const ALL_DIALS = { burstTokens: 12, tokensPerSecond: 2 };
/** Relays at a time. A client has two; more are a node's that has many peers. */
const MAX_RELAYS = 64;
/** For an answer after a change of the network (coder/tailscale `wgengine/magicsock/derp.go`, `maybeCloseDERPsOnRebind`). */
const PROBE = { limitMs: 3_000, doubtMs: 1_000 };

export class Relays implements Core<RelaysEvent> {
  readonly #options: RelaysOptions;
  readonly #relays = new Map<number, Relay>();
  readonly #events: RelaysEvent[] = [];
  readonly #budget = new TokenBucket(ALL_DIALS, -Infinity);
  #map: DerpMap | undefined;
  #way: RelayWay = { forcesWebsocket: false };
  #homeRegion: number | undefined;

  constructor(options: RelaysOptions) {
    this.#options = options;
  }

  get homeRegion(): number | undefined {
    return this.#homeRegion;
  }

  /** Takes a new map: relays that left it are left, those that moved are dialled anew. */
  setMap(map: DerpMap, way: RelayWay, now: Instant): void {
    const before = this.#map;
    this.#map = map;
    this.#way = way;
    for (const relay of [...this.#relays.values()]) {
      const old = before === undefined ? "" : JSON.stringify(relayEndpoints(before, relay.region));
      const fresh = JSON.stringify(relayEndpoints(map, relay.region));
      if (old === fresh) continue;
      if (relayEndpoints(map, relay.region).length === 0) this.#leave(relay);
      else {
        relay.reset(now, way);
        this.#serve(relay, now);
      }
    }
  }

  setHome(region: number, now: Instant): void {
    if (this.#homeRegion === region && this.#relays.has(region)) return;
    const before = this.#homeRegion === undefined ? undefined : this.readyLink(this.#homeRegion);
    before?.notePreferred(false);
    this.#homeRegion = region;
    this.want(region, now);
    this.readyLink(region)?.notePreferred(true);
  }

  /**
   * Sees to it that there is a connection to `region`, now and later. Regions that the map lacks are ignored, and so are
   * those that are too many.
   */
  want(region: number, now: Instant): void {
    if (this.#relays.has(region) || this.#map === undefined) return;
    if (this.#relays.size >= MAX_RELAYS && region !== this.#homeRegion) return;
    if (relayEndpoints(this.#map, region).length === 0) return;
    const relay = new Relay({ ...this.#way, region, random: this.#options.random }, now);
    this.#relays.set(region, relay);
    this.#serve(relay, now);
  }

  /** Leaves all relays but home and those in `regions`. */
  keepOnly(regions: ReadonlySet<number>): void {
    for (const relay of [...this.#relays.values()]) {
      if (relay.region === this.#homeRegion || regions.has(relay.region)) continue;
      this.#leave(relay);
    }
  }

  /** The link to `region` if packets can be sent on it. */
  readyLink(region: number): RelayLink | undefined {
    return this.#relays.get(region)?.link;
  }

  /** A link to `region` that is being made, on which packets can be sent already. */
  introducedLink(region: number): RelayLink | undefined {
    return this.#relays.get(region)?.introducedLink;
  }

  /** The relay let us in. */
  handleReady(link: RelayLink, now: Instant): void {
    const relay = this.#relays.get(link.region);
    if (relay?.handleReady(link, now) !== true) return;
    link.notePreferred(link.region === this.#homeRegion);
    this.#serve(relay, now);
  }

  /** The connection of `link` ended, was refused, or could not be made; `reason` is one line without a full stop. */
  handleClosed(link: RelayLink, reason: string, now: Instant): void {
    const relay = this.#relays.get(link.region);
    relay?.handleClosed(link, reason, now);
    link.wipe();
    if (relay !== undefined) this.#serve(relay, now);
  }

  /** Heeds what connections found out themselves: they fell silent, answer again, were closed inside, are not read. */
  review(now: Instant): void {
    for (const relay of this.#relays.values()) {
      relay.review(now);
      this.#serve(relay, now);
    }
  }

  /** Doubts all connections: the machine slept. Others are made beside them, and the first that answers is used. */
  handleWake(now: Instant): void {
    for (const relay of this.#relays.values()) {
      relay.handleWake(now);
      this.#serve(relay, now);
    }
  }

  /** Asks every relay whether it is still there: the network under us may have changed. What works is kept. */
  probeAll(now: Instant): void {
    for (const { link } of this.#relays.values()) link?.probe(now, PROBE);
  }

  /** Leaves all relays, and erases what was shared with them. */
  close(): void {
    for (const relay of [...this.#relays.values()]) this.#leave(relay);
  }

  pollEvent(): RelaysEvent | undefined {
    return this.#events.shift();
  }

  handleTimeout(now: Instant): void {
    for (const relay of this.#relays.values()) {
      relay.handleTimeout(now);
      relay.review(now);
      this.#serve(relay, now);
    }
  }

  pollTimeout(): Instant | undefined {
    let next: Instant | undefined;
    for (const relay of this.#relays.values()) next = earlier(next, relay.pollTimeout());
    return next;
  }

  /** All links that carry bytes now, ready or not. */
  *links(): Iterable<RelayLink> {
    for (const relay of this.#relays.values()) yield* relay.links();
  }

  status(): RelayStatus[] {
    return [...this.#relays.values()].map((relay) => ({
      region: relay.region,
      name: this.#map?.regions.get(relay.region)?.name ?? `Unnamed ${relay.region}`,
      isHome: relay.region === this.#homeRegion,
      state: relay.state,
      firstTransport: relay.firstTransport,
      lastFailure: relay.lastFailure,
    }));
  }

  #leave(relay: Relay): void {
    relay.close();
    this.#tell(relay);
    this.#relays.delete(relay.region);
  }

  /** Does what the relay wants now, as far as it may. */
  #serve(relay: Relay, now: Instant): void {
    this.#tell(relay);
    if (this.#map === undefined || (relay.dialAt ?? Infinity) > now) return;
    const endpoints = relayEndpoints(this.#map, relay.region);
    const paceAt = Math.max(relay.budget.nextAt(1, now), this.#budget.nextAt(1, now));
    if (endpoints.length === 0 || paceAt > now) {
      relay.dialAt = endpoints.length === 0 ? undefined : paceAt;
      return;
    }
    relay.budget.take(1, now);
    this.#budget.take(1, now);
    const link = new RelayLink({
      region: relay.region,
      transport: relay.nextTransport(),
      path: "/derp",
      targets: endpoints,
      headers: endpoints.every((endpoint) => endpoint.takesHeaders) ? this.#options.headers : [],
      nodePrivateKey: this.#options.nodePrivateKey,
      nodePublicKey: this.#options.nodePublicKey,
      random: this.#options.random,
    });
    relay.handleDialled(link, now);
    this.#tell(relay);
    this.#events.push({ kind: "dial", line: link });
  }

  #tell(relay: Relay): void {
    for (let news = relay.pollNews(); news !== undefined; news = relay.pollNews()) {
      if (news.kind === "hangUp") this.#events.push({ kind: "hangUp", line: news.link });
      else if (news.kind === "back") this.#events.push(news);
      else this.#events.push({ kind: "unreachable", region: relay.region, reason: news.reason });
    }
  }
}

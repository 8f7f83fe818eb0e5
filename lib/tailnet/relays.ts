/**
 * Which relays we are connected to and when to dial again: the home relay for the whole life, a peer's home relay while
 * we talk to it (coder/tailscale `wgengine/magicsock/derp.go`). The driver dials what `pollEvent` asks for.
 * Not here: packets (`relay_link.ts` carries them, `node.ts` reads them).
 */
import { type Core, type Instant, type Random, randomFraction } from "../base/core.ts";
import { earlier } from "../base/deadlines.ts";
import { TokenBucket } from "../base/token_bucket.ts";
import { type DerpMap, relayEndpoints } from "./derp_map.ts";
import type { LineEvent } from "./line.ts";
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
  /** The relay never let us in, or not for long: another region may do better. Attempts go on; told at each of them. */
  | { readonly kind: "unreachable"; readonly region: number; readonly reason: string };

/** What a person may want to know of one relay. */
export interface RelayStatus {
  readonly region: number;
  readonly name: string;
  readonly isHome: boolean;
  readonly state: "connecting" | "ready" | "waiting";
  /** Why the last connection ended or could not be made. */
  readonly lastFailure: string | undefined;
}

type State =
  | { readonly kind: "waiting"; readonly until: Instant }
  | { readonly kind: "connecting"; readonly link: RelayLink; readonly deadline: Instant }
  | { readonly kind: "ready"; readonly link: RelayLink; readonly since: Instant };

interface Relay {
  readonly region: number;
  state: State;
  /** Since a connection last lasted. */
  failures: number;
  hasBeenReady: boolean;
  /** Since when there is no connection after there was one. */
  downSince: Instant | undefined;
  /** The relay, or something before it, refused `Upgrade: DERP`. */
  wantsWebsocket: boolean;
  lastFailure: string | undefined;
  readonly budget: TokenBucket;
}

/** For name resolution, TCP, TLS, upgrade and login together, as the official client. */
const CONNECT_BUDGET_MS = 10_000;
/** Waits between the first attempts: three within five seconds, then the user is told. */
const FIRST_ATTEMPT_DELAYS_MS: readonly number[] = [1_000, 2_000];
const MAX_FIRST_ATTEMPTS = 3;
/** A relay that restarts is back by then. */
const LONG_OUTAGE_MS = 30_000;
const RETRY_STEP_MS = 10;
const MAX_RETRY_MS = 5_000;
/** Dials of one relay: enough for a relay that restarts in a loop, then one a second. */
const RELAY_DIALS = { burstTokens: 5, tokensPerSecond: 1 };
/** Dials of all relays together: our home, the peer's, their fall-backs, and some moves; then two a second. */
const ALL_DIALS = { burstTokens: 12, tokensPerSecond: 2 };
/** Relays at a time. A client has two; more are a node's that has many peers. */
const MAX_RELAYS = 64;
/** For an answer after a change of the network (coder/tailscale `wgengine/magicsock/derp.go`, `maybeCloseDERPsOnRebind`). */
const PROBE_LIMIT_MS = 3_000;
/** A connection that lasted so long may be dialled again at once; one that did not is not dialled in a frenzy. */
const STABLE_MS = 5_000;

export class Relays implements Core<RelaysEvent> {
  readonly #options: RelaysOptions;
  readonly #relays = new Map<number, Relay>();
  readonly #events: RelaysEvent[] = [];
  readonly #budget = new TokenBucket(ALL_DIALS, -Infinity);
  #map: DerpMap | undefined;
  #forcesWebsocket = false;
  #homeRegion: number | undefined;

  constructor(options: RelaysOptions) {
    this.#options = options;
  }

  get homeRegion(): number | undefined {
    return this.#homeRegion;
  }

  /** Takes a new map: relays that left it are left, those that moved are dialled anew. */
  setMap(map: DerpMap, options: { readonly forcesWebsocket: boolean }, now: Instant): void {
    const before = this.#map;
    this.#map = map;
    this.#forcesWebsocket = options.forcesWebsocket;
    for (const relay of [...this.#relays.values()]) {
      const old = before === undefined ? "" : JSON.stringify(relayEndpoints(before, relay.region));
      const fresh = JSON.stringify(relayEndpoints(map, relay.region));
      if (old === fresh) continue;
      this.#drop(relay);
      relay.wantsWebsocket = false;
      relay.failures = 0;
      if (relayEndpoints(map, relay.region).length > 0) this.#dial(relay, now);
      else this.#relays.delete(relay.region);
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
    const relay: Relay = {
      region,
      state: { kind: "waiting", until: now },
      failures: 0,
      hasBeenReady: false,
      downSince: undefined,
      wantsWebsocket: false,
      lastFailure: undefined,
      budget: new TokenBucket(RELAY_DIALS, -Infinity),
    };
    this.#relays.set(region, relay);
    this.#dial(relay, now);
  }

  /** Leaves all relays but home and those in `regions`. */
  keepOnly(regions: ReadonlySet<number>): void {
    for (const relay of [...this.#relays.values()]) {
      if (relay.region === this.#homeRegion || regions.has(relay.region)) continue;
      this.#drop(relay);
      this.#relays.delete(relay.region);
    }
  }

  /** The link to `region` if packets can be sent on it. */
  readyLink(region: number): RelayLink | undefined {
    const state = this.#relays.get(region)?.state;
    return state?.kind === "ready" ? state.link : undefined;
  }

  /** The relay let us in. */
  handleReady(link: RelayLink, now: Instant): void {
    const relay = this.#relayOf(link);
    if (relay === undefined) return;
    relay.state = { kind: "ready", link, since: now };
    relay.hasBeenReady = true;
    relay.downSince = undefined;
    link.notePreferred(link.region === this.#homeRegion);
  }

  /** The connection of `link` ended, was refused, or could not be made; `reason` is one line without a full stop. */
  handleClosed(link: RelayLink, reason: string, now: Instant): void {
    const relay = this.#relayOf(link);
    if (relay === undefined) return;
    link.handleEnd();
    link.wipe();
    const status = link.refusal?.status;
    relay.lastFailure = link.closedReason ?? reason;
    if (
      link.transport === "upgrade" && status !== undefined && status >= 400 && status < 500
    ) {
      // A relay or proxy that knows no `Upgrade: DERP`: the websocket goes through nearly everywhere.
      relay.wantsWebsocket = true;
      this.#dial(relay, now);
      return;
    }
    if (relay.state.kind === "ready" && now - relay.state.since >= STABLE_MS) relay.failures = 0;
    relay.failures++;
    if (relay.hasBeenReady) relay.downSince ??= now;
    const isHopeless = relay.downSince === undefined
      ? relay.failures >= MAX_FIRST_ATTEMPTS
      : now - relay.downSince >= LONG_OUTAGE_MS;
    if (isHopeless) {
      const { region, lastFailure } = relay;
      this.#events.push({ kind: "unreachable", region, reason: lastFailure });
    }
    relay.state = { kind: "waiting", until: now + this.#retryDelayMs(relay) };
  }

  /** Gives up links that ended by themselves: fell silent, were closed inside the websocket, are not read. */
  dropEnded(now: Instant): void {
    for (const { state } of this.#relays.values()) {
      if (state.kind === "waiting" || state.link.closedReason === undefined) continue;
      this.#events.push({ kind: "hangUp", line: state.link });
      this.handleClosed(state.link, state.link.closedReason, now);
    }
  }

  #retryDelayMs(relay: Relay): number {
    if (!relay.hasBeenReady) return FIRST_ATTEMPT_DELAYS_MS[relay.failures - 1] ?? MAX_RETRY_MS;
    const steps = relay.failures * relay.failures * RETRY_STEP_MS;
    return Math.min(steps, MAX_RETRY_MS) * (0.5 + randomFraction(this.#options.random));
  }

  /** Drops all connections and dials them anew: the machine slept, or the network under it changed. */
  redialAll(now: Instant): void {
    for (const relay of this.#relays.values()) {
      this.#drop(relay);
      relay.failures = 0;
      this.#dial(relay, now);
    }
  }

  /** Asks every relay whether it is still there: the network under us may have changed. What works is kept. */
  probeAll(now: Instant): void {
    for (const { state } of this.#relays.values()) {
      if (state.kind === "ready") state.link.probe(now, PROBE_LIMIT_MS);
    }
  }

  /** Leaves all relays, and erases what was shared with them. */
  close(): void {
    for (const relay of this.#relays.values()) this.#drop(relay);
    this.#relays.clear();
  }

  pollEvent(): RelaysEvent | undefined {
    return this.#events.shift();
  }

  handleTimeout(now: Instant): void {
    for (const relay of this.#relays.values()) {
      const { state } = relay;
      if (state.kind === "waiting" && state.until <= now) this.#dial(relay, now);
      else if (state.kind === "connecting" && state.deadline <= now) {
        this.handleClosed(state.link, "accepts connections but says nothing", now);
        this.#hangUp(state.link);
      } else if (state.kind === "ready") state.link.handleTimeout(now);
    }
  }

  pollTimeout(): Instant | undefined {
    let next: Instant | undefined;
    for (const { state } of this.#relays.values()) {
      if (state.kind === "waiting") next = earlier(next, state.until);
      else if (state.kind === "connecting") next = earlier(next, state.deadline);
      else next = earlier(next, state.link.pollTimeout());
    }
    return next;
  }

  /** All links that carry bytes now, ready or not. */
  *links(): Iterable<RelayLink> {
    for (const { state } of this.#relays.values()) {
      if (state.kind !== "waiting") yield state.link;
    }
  }

  status(): RelayStatus[] {
    return [...this.#relays.values()].map((relay) => ({
      region: relay.region,
      name: this.#map?.regions.get(relay.region)?.name ?? `Unnamed ${relay.region}`,
      isHome: relay.region === this.#homeRegion,
      state: relay.state.kind,
      lastFailure: relay.lastFailure,
    }));
  }

  #relayOf(link: RelayLink): Relay | undefined {
    const relay = this.#relays.get(link.region);
    const state = relay?.state;
    return state !== undefined && state.kind !== "waiting" && state.link === link
      ? relay
      : undefined;
  }

  #drop(relay: Relay): void {
    if (relay.state.kind === "waiting") return;
    this.#hangUp(relay.state.link);
    relay.state = { kind: "waiting", until: Infinity };
  }

  #hangUp(link: RelayLink): void {
    link.abandon();
    link.wipe();
    this.#events.push({ kind: "hangUp", line: link });
  }

  #dial(relay: Relay, now: Instant): void {
    if (this.#map === undefined) return;
    const endpoints = relayEndpoints(this.#map, relay.region);
    if (endpoints.length === 0) return;
    const paceAt = Math.max(relay.budget.nextAt(1, now), this.#budget.nextAt(1, now));
    if (paceAt > now) {
      relay.state = { kind: "waiting", until: paceAt };
      return;
    }
    relay.budget.take(1, now);
    this.#budget.take(1, now);
    const transport: RelayTransport = this.#forcesWebsocket || relay.wantsWebsocket
      ? "websocket"
      : "upgrade";
    const link = new RelayLink({
      region: relay.region,
      transport,
      path: "/derp",
      targets: endpoints,
      headers: endpoints.every((endpoint) => endpoint.takesHeaders) ? this.#options.headers : [],
      nodePrivateKey: this.#options.nodePrivateKey,
      nodePublicKey: this.#options.nodePublicKey,
      random: this.#options.random,
    });
    relay.state = { kind: "connecting", link, deadline: now + CONNECT_BUDGET_MS };
    this.#events.push({ kind: "dial", line: link });
  }
}

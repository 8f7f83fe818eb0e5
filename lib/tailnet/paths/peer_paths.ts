/**
 * The ways to one peer: which of its addresses to ping when, which one carries data, and when the relay takes over
 * (coder/tailscale `wgengine/magicsock/endpoint.go`). Names addresses only: who seals pings and sends them is `direct.ts`.
 *
 *   relay ── pong ──▶ direct ── silence, trust ran out ──▶ doubted ── pong ──▶ direct
 *     ▲                                                        │
 *     └──────────────────────── silence ───────────────────────┘
 *
 * While doubted, packets go both ways. The peer goes on sending to an address of ours that it trusts for seconds; a path
 * that died is therefore also withdrawn by a call-me-maybe over the relay that lists nothing, upon which agents send over
 * the relay at once (`handleCallMeMaybe` deletes what an earlier call listed).
 */
import { assertNever, type Instant } from "../../base/core.ts";
import { Deadlines, earlier } from "../../base/deadlines.ts";
import { PADDED_PACKET_BYTES } from "../../disco/mod.ts";
import type { AddressFamily, Endpoint } from "../../wire/endpoint.ts";
import { type CallList, CallPacer, SEARCH_GAP_MS } from "./call_pacer.ts";
import { type Candidate, isBetter } from "./candidate.ts";
import {
  ACTIVE_MS,
  FIRST_UPGRADE_MS,
  FRESH_CHOICE_MS,
  GOOD_ENOUGH_MS,
  HEARTBEAT_MS,
  MET_MS,
  TRUST_MS,
  UPGRADE_MS,
} from "./limits.ts";
import type { PeerPathsOutput, Route } from "./events.ts";
import { type PathPhase, PathUsage } from "./path_usage.ts";
import { Search } from "./search.ts";
import { SilenceWatch } from "./silence_watch.ts";

type PathDeadline =
  /** When to ping the addresses that are due, while none is in use. */
  | "search"
  /** When to ping the address in use. */
  | "heartbeat"
  /** When to ping the others although one is in use. */
  | "upgrade";

export class PeerPaths {
  readonly #search: Search;
  readonly #watch = new SilenceWatch();
  readonly #deadlines = new Deadlines<PathDeadline>();
  readonly #outputs: PeerPathsOutput[] = [];
  readonly #calls: CallPacer;
  readonly #usage = new PathUsage();
  #activeUntil: Instant = -Infinity;
  #metAt: Instant = -Infinity;

  constructor(now: Instant) {
    this.#search = new Search(now);
    this.#calls = new CallPacer(now);
  }

  /** Which way the next packet goes. */
  route(now: Instant): Route {
    return this.#usage.route(now);
  }

  /** The address in use and its latency; `undefined` while the relay is. */
  get inUse(): { readonly endpoint: Endpoint; readonly latencyMs: number } | undefined {
    if (this.#usage.phase.kind !== "direct") return undefined;
    const { endpoint, latencyMs } = this.#usage.phase.path;
    return { endpoint, latencyMs };
  }

  /** Whether the peer may send straight: it does when we answer its pings, whatever we do ourselves. */
  isMet(now: Instant): boolean {
    return this.#usage.phase.kind !== "relay" || now - this.#metAt < MET_MS;
  }

  /** Pings the address in use for somebody who wants to know; false while the relay is in use. */
  pingInUse(now: Instant): boolean {
    if (this.#usage.phase.kind !== "direct") return false;
    this.#search.pingInUse(this.#usage.phase.path, now);
    return true;
  }

  /** The addresses that a datagram of this peer may come from: what it pinged from, and what answered. */
  knows(endpoint: Endpoint): boolean {
    const candidate = this.#search.candidates.get(endpoint);
    return candidate?.heardAt !== undefined || candidate?.answeredAt !== undefined;
  }

  get candidateCount(): number {
    return this.#search.candidates.size;
  }

  /** The families that we have a socket for. */
  setFamilies(families: ReadonlySet<AddressFamily>, now: Instant): void {
    this.#search.setFamilies(families);
    if (this.#isSearching(now)) this.#round(now);
  }

  /** What the coordinator says of the peer; only addresses that may be pinged. */
  setAnnounced(endpoints: readonly Endpoint[], now: Instant): void {
    this.#search.candidates.setAnnounced(endpoints);
    this.#dropForgotten(now);
    if (this.#isSearching(now)) this.#round(now);
  }

  /** Begins to look for a way although nothing was sent yet. */
  seek(now: Instant): void {
    this.#activeUntil = now + ACTIVE_MS;
    for (const candidate of this.#search.candidates) candidate.revive(now);
    if (this.#isSearching(now)) this.#round(now);
  }

  /** Rests on the relay until `seek`. Whoever calls has told the peer that we have no address. */
  leave(now: Instant): void {
    this.#activeUntil = -Infinity;
    this.#deadlines.clear("search");
    this.#calls.handleWithdrawn(now);
    this.#enter({ kind: "relay" });
  }

  /** Should be called when data, not mere keepalives, was sent to the peer, whichever way. */
  handleSent(now: Instant): void {
    this.#activeUntil = now + ACTIVE_MS;
    const phase = this.#usage.phase;
    switch (phase.kind) {
      case "relay":
        if (!this.#deadlines.has("search")) this.#round(now);
        return;
      case "direct":
        if (now >= phase.trustedUntil) this.#suspect(phase.path, now);
        this.#watch.handleSent(now);
        this.#keepAlive(now);
        return;
      case "doubted":
        this.#watch.handleSent(now);
        return;
      default:
        assertNever(phase);
    }
  }

  /** Should be called when an authentic packet of the peer came over UDP. */
  handleHeard(now: Instant): void {
    if (this.#usage.phase.kind !== "relay") this.#watch.handleHeard(now);
  }

  /** The peer pinged us from `endpoint` with a packet of so many bytes, and is sent a pong of so many. */
  handlePing(
    endpoint: Endpoint,
    { pingBytes, pongBytes }: { readonly pingBytes: number; readonly pongBytes: number },
    now: Instant,
  ): void {
    this.#metAt = now;
    const candidate = this.#search.candidates.heard(endpoint);
    if (candidate === undefined) return;
    candidate.handlePing(pingBytes, pongBytes, now);
    if (this.inUse?.endpoint !== candidate.endpoint) this.#search.ping(candidate, now);
  }

  /** The peer answered a ping of so many bytes to `endpoint`. */
  handlePong(
    endpoint: Endpoint,
    { packetBytes, latencyMs }: { readonly packetBytes: number; readonly latencyMs: number },
    now: Instant,
  ): void {
    const candidate = this.#search.candidates.get(endpoint);
    if (candidate === undefined) return;
    candidate.handlePong(packetBytes, latencyMs, now);
    const phase = this.#usage.phase;
    if (packetBytes < PADDED_PACKET_BYTES) {
      this.#search.ping(candidate, now);
    } else if (phase.kind !== "relay" && phase.path === candidate) {
      this.#watch.handlePong(candidate.slowestMs ?? latencyMs, now);
      const since = phase.kind === "direct" ? phase.since : now;
      this.#enter({ kind: "direct", path: candidate, since, trustedUntil: now + TRUST_MS });
    } else if (!candidate.isProven) {
      this.#armSearch(now);
    } else if (phase.kind !== "direct") {
      this.#switchTo(candidate, now);
    } else {
      const isFresh = now - phase.since < FRESH_CHOICE_MS;
      if (isBetter(candidate, phase.path, { isFresh })) this.#switchTo(candidate, now);
    }
  }

  /** The peer asks to be pinged at these addresses, which it has just opened for us; only those that may be. */
  handleCall(endpoints: readonly Endpoint[], now: Instant): boolean {
    if (!this.#calls.heed(now)) return false;
    this.#search.candidates.setCalled(endpoints, now);
    // An empty list says that nothing of ours arrives there any more.
    if (endpoints.length === 0 && this.#usage.phase.kind === "direct") {
      this.#suspect(this.#usage.phase.path, now);
    }
    this.#dropForgotten(now);
    this.#search.pingAll(now);
    this.#armSearch(now);
    return true;
  }

  /** The machine itself could not send there: no route, no such interface. */
  handleUnsendable(endpoint: Endpoint, now: Instant): void {
    const phase = this.#usage.phase;
    const isInUse = phase.kind === "direct" && this.#search.candidates.get(endpoint) === phase.path;
    if (isInUse) this.#suspect(phase.path, now);
  }

  /** Our interfaces changed, or the machine slept: all that was known of paths is about other ones, and what the peer was told. */
  handleNetworkChange(now: Instant): void {
    for (const candidate of this.#search.candidates) candidate.forgetPongs(now);
    const phase = this.#usage.phase;
    if (phase.kind === "direct") this.#suspect(phase.path, now);
    if (this.#isSearching(now)) this.#round(now);
    if (now < this.#activeUntil) this.#call("all", { isNews: true }, now);
  }

  /** There is a relay again. */
  handleRelayReady(now: Instant): void {
    const list = this.#calls.unheard(now);
    if (list !== undefined) this.#call(list, { isNews: true }, now);
  }

  /** Our own addresses are others than the peer was told last. */
  handleOwnEndpoints(now: Instant): void {
    if (this.#isSearching(now)) this.#call("all", { isNews: true }, now);
  }

  handleTimeout(now: Instant): void {
    const phase = this.#usage.phase;
    if (phase.kind !== "relay") this.#handleVerdict(phase.path, now);
    for (let due = this.#deadlines.pop(now); due !== undefined; due = this.#deadlines.pop(now)) {
      this.#handleDeadline(due, now);
    }
    const list = this.#calls.handleTimeout(now);
    if (list !== undefined) this.#outputs.push({ kind: "call", list });
  }

  pollTimeout(): Instant | undefined {
    const verdictAt = this.#usage.phase.kind === "relay" ? undefined : this.#watch.pollTimeout();
    return earlier(verdictAt, earlier(this.#deadlines.next(), this.#calls.pollTimeout()));
  }

  pollOutput(): PeerPathsOutput | undefined {
    const ping = this.#search.poll();
    return ping === undefined ? this.#outputs.shift() : { kind: "ping", ...ping };
  }

  #handleVerdict(path: Candidate, now: Instant): void {
    const verdict = this.#watch.handleTimeout(now);
    switch (verdict) {
      case undefined:
        return;
      case "ask":
        this.#search.pingInUse(path, now);
        return;
      case "doubt":
        if (this.#usage.phase.kind === "direct") this.#enter({ kind: "doubted", path });
        this.#search.pingInUse(path, now);
        this.#round(now);
        return;
      case "dead":
        path.handleDeath(now);
        this.#outputs.push({
          kind: "changed",
          change: { kind: "relay", wasDirect: path.endpoint, reason: "silence" },
        });
        this.#enter({ kind: "relay" });
        this.#call("nothing", { isNews: true }, now);
        this.#round(now);
        return;
      default:
        assertNever(verdict);
    }
  }

  #handleDeadline(due: PathDeadline, now: Instant): void {
    switch (due) {
      case "search":
        this.#search.candidates.prune(now, this.#usage.path);
        if (this.#isSearching(now)) this.#round(now);
        return;
      case "heartbeat":
        if (this.#usage.phase.kind !== "direct" || now >= this.#activeUntil) return;
        this.#search.ping(this.#usage.phase.path, now);
        this.#deadlines.set("heartbeat", now + HEARTBEAT_MS);
        return;
      case "upgrade":
        if (this.#usage.phase.kind !== "direct" || now >= this.#activeUntil) return;
        if (this.#usage.phase.path.latencyMs > GOOD_ENOUGH_MS) this.#search.pingAll(now);
        this.#deadlines.set("upgrade", now + UPGRADE_MS);
        return;
      default:
        assertNever(due);
    }
  }

  #isSearching(now: Instant): boolean {
    return this.#usage.phase.kind !== "direct" && now < this.#activeUntil;
  }

  /** Pings every address that is due, and lets the peer ping us. */
  #round(now: Instant): void {
    if (this.#search.pingDue(now)) this.#call("all", { isNews: false }, now);
    this.#armSearch(now);
  }

  #armSearch(now: Instant): void {
    if (!this.#isSearching(now)) return;
    this.#deadlines.set("search", this.#search.nextAt(now) ?? now + SEARCH_GAP_MS);
  }

  #suspect(path: Candidate, now: Instant): void {
    this.#enter({ kind: "doubted", path });
    this.#search.pingInUse(path, now);
    this.#watch.suspect(now);
    this.#round(now);
  }

  /** Nobody names the address in use any more: it is not given up, but asked. */
  #dropForgotten(now: Instant): void {
    const phase = this.#usage.phase;
    if (phase.kind === "direct" && phase.path.isForgotten(now)) this.#suspect(phase.path, now);
    this.#search.candidates.prune(now, this.#usage.path);
  }

  #switchTo(candidate: Candidate, now: Instant): void {
    const { endpoint, latencyMs } = candidate;
    this.#watch.reset(candidate.slowestMs);
    this.#enter({ kind: "direct", path: candidate, since: now, trustedUntil: now + TRUST_MS });
    this.#outputs.push({ kind: "changed", change: { kind: "direct", endpoint, latencyMs } });
    this.#deadlines.clear("search");
    this.#deadlines.set("upgrade", now + FIRST_UPGRADE_MS);
    if (now < this.#activeUntil) this.#keepAlive(now);
    if (this.#calls.isWithdrawn) this.#call("all", { isNews: true }, now);
  }

  /** Both end by themselves when nothing is sent any more. */
  #keepAlive(now: Instant): void {
    if (!this.#deadlines.has("heartbeat")) this.#deadlines.set("heartbeat", now + HEARTBEAT_MS);
    if (!this.#deadlines.has("upgrade")) this.#deadlines.set("upgrade", now + UPGRADE_MS);
  }

  #call(list: CallList, options: { readonly isNews: boolean }, now: Instant): void {
    if (this.#calls.request(list, options, now)) this.#outputs.push({ kind: "call", list });
  }

  #enter(next: PathPhase): void {
    this.#usage.enter(next);
    if (next.kind !== "relay") return;
    this.#deadlines.clear("heartbeat");
    this.#deadlines.clear("upgrade");
  }
}

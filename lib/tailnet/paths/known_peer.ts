/** One peer as its node's direct paths know it: its addresses, what it sees of ours, and whether it is kept off all of them. */
import type { Instant } from "../../base/core.ts";
import { earlier } from "../../base/deadlines.ts";
import type { Endpoint } from "../../wire/endpoint.ts";
import type { PeerPathsOutput, Route } from "./events.ts";
import { HeldPath } from "./held_path.ts";
import { Observed } from "./observed.ts";
import { PeerPaths } from "./peer_paths.ts";

const RELAY: Route = { kind: "relay" };

export class KnownPeer {
  readonly id: string;
  readonly paths: PeerPaths;
  readonly observed = new Observed();
  /** As the coordinator said it. */
  announced: readonly Endpoint[] = [];
  /** Somebody wants to hear of the next pong. */
  isPingAsked = false;
  #held: HeldPath | undefined;
  readonly #outputs: PeerPathsOutput[] = [];

  constructor(id: string, now: Instant) {
    this.id = id;
    this.paths = new PeerPaths(now);
  }

  get isHeld(): boolean {
    return this.#held !== undefined;
  }

  /** Pings in a row that were answered on the path that is held back. */
  get answers(): number {
    return this.#held?.answers ?? 0;
  }

  /** Leaves the path in use for the relay, and makes the peer do so; false when none is in use. */
  hold(now: Instant): boolean {
    const { inUse } = this.paths;
    if (this.isHeld || inUse === undefined) return false;
    this.#held = new HeldPath(inUse.endpoint, inUse.latencyMs, now);
    this.paths.leave(now);
    this.#outputs.push({
      kind: "changed",
      change: { kind: "relay", wasDirect: inUse.endpoint, reason: "losses" },
    });
    return true;
  }

  /** Looks for a path again. */
  release(now: Instant): void {
    if (this.#held === undefined) return;
    this.#held = undefined;
    this.paths.seek(now);
  }

  route(now: Instant): Route {
    return this.isHeld ? RELAY : this.paths.route(now);
  }

  /** Whether the peer's packets may come straight. */
  isMet(now: Instant): boolean {
    return !this.isHeld && this.paths.isMet(now);
  }

  handleSent(now: Instant): void {
    if (this.#held === undefined) this.paths.handleSent(now);
    else this.#held.handleSent(now);
  }

  handleHeard(now: Instant): void {
    if (this.#held === undefined) this.paths.handleHeard(now);
    else this.#held.handleHeard(now);
  }

  handlePong(
    endpoint: Endpoint,
    pong: { readonly packetBytes: number; readonly latencyMs: number },
    now: Instant,
  ): void {
    if (this.#held === undefined) this.paths.handlePong(endpoint, pong, now);
    else this.#held.handlePong(endpoint, pong.packetBytes, now);
  }

  /** False when it was one too many. */
  handleCall(endpoints: readonly Endpoint[], now: Instant): boolean {
    return this.isHeld || this.paths.handleCall(endpoints, now);
  }

  handleNetworkChange(now: Instant): void {
    this.observed.clear();
    this.release(now);
    this.paths.handleNetworkChange(now);
  }

  handleTimeout(now: Instant): void {
    this.#held?.handleTimeout(now);
    this.paths.handleTimeout(now);
  }

  pollTimeout(): Instant | undefined {
    return earlier(this.#held?.pollTimeout(), this.paths.pollTimeout());
  }

  pollOutput(): PeerPathsOutput | undefined {
    return this.#held?.pollOutput() ?? this.#outputs.shift() ?? this.paths.pollOutput();
  }
}

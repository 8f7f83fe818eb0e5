/** Which address of a peer carries data, how far that is trusted, and which way packets go therefore. */
import type { Instant } from "../../base/core.ts";
import type { Candidate } from "./candidate.ts";
import type { Route } from "./events.ts";

export type PathPhase =
  | { readonly kind: "relay" }
  | {
    readonly kind: "direct";
    readonly path: Candidate;
    readonly since: Instant;
    readonly trustedUntil: Instant;
  }
  | { readonly kind: "doubted"; readonly path: Candidate };

const RELAY: Route = { kind: "relay" };

export class PathUsage {
  #phase: PathPhase = { kind: "relay" };
  // Made when the address changes, not for each packet.
  #trustedRoute: Route = RELAY;
  #doubtedRoute: Route = RELAY;

  get phase(): PathPhase {
    return this.#phase;
  }

  get path(): Candidate | undefined {
    return this.#phase.kind === "relay" ? undefined : this.#phase.path;
  }

  /** Which way the next packet goes. Trust that ran out counts as doubt before anybody says so. */
  route(now: Instant): Route {
    const phase = this.#phase;
    return phase.kind === "direct" && now < phase.trustedUntil
      ? this.#trustedRoute
      : this.#doubtedRoute;
  }

  enter(next: PathPhase): void {
    const before = this.path;
    this.#phase = next;
    if (next.kind === "relay") {
      this.#trustedRoute = RELAY;
      this.#doubtedRoute = RELAY;
    } else if (next.path !== before) {
      const { endpoint } = next.path;
      this.#trustedRoute = { kind: "direct", endpoint };
      this.#doubtedRoute = { kind: "both", endpoint };
    }
  }
}

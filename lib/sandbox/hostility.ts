/**
 * What the parties that a client need not trust do to it on order, each by one call: deployment, coordinator, relay, agent.
 * What an agent's SSH server does is ordered with its workspace (`ssh/attacks.ts`). Ordered by tests; the demo orders nothing.
 */
import type { DerpMap } from "../tailnet/derp_map.ts";
import type { TailnetNode } from "../tailnet/node_message.ts";
import type { HttpAnswer } from "./http/messages.ts";
import type { SandboxAgent } from "./model/agent.ts";
import type { SandboxCoordinator } from "./net/coordinator.ts";
import type { SandboxRelay } from "./net/relay.ts";
import type { Override, SandboxApi } from "./rest/api.ts";

export interface HostileParties {
  readonly api: SandboxApi;
  readonly coordinator: SandboxCoordinator;
  readonly relay: SandboxRelay;
}

export class Hostility {
  readonly #parties: HostileParties;

  constructor(parties: HostileParties) {
    this.#parties = parties;
  }

  /** The deployment answers a route with whatever this is, until `api.restore`. */
  deploymentAnswers(route: string, answer: HttpAnswer | Override): void {
    this.#parties.api.override(route, answer);
  }

  /** The coordinator says this to every client, between messages of its own. Borrowed for the call. */
  coordinatorSays(payload: Uint8Array): void {
    this.#parties.coordinator.forge(payload);
  }

  /** The coordinator tells everybody of one map of relays after another. */
  coordinatorTellsMaps(maps: Iterable<DerpMap>): void {
    for (const map of maps) this.#parties.coordinator.setDerpMap(map);
  }

  /** The relay writes this to every client, between frames of its own. Borrowed for the call. */
  relayWrites(bytes: Uint8Array): void {
    this.#parties.relay.forge(bytes);
  }

  /** The agent announces a node that differs from the true one by each of these, one after another. */
  agentClaims(agent: SandboxAgent, claims: Iterable<Partial<TailnetNode>>): void {
    for (const claim of claims) agent.claim(claim);
  }
}

/** What is waited for on the way to the agent, as people are told it. */
import { type ContactPhase, regionIn } from "./agent_contact.ts";
import type { AgentSessionStatus } from "./agent_session_events.ts";
import type { RelayStatus } from "./relays.ts";

export interface StatusFacts {
  readonly phase: ContactPhase;
  readonly relays: readonly RelayStatus[];
  readonly coordinator: { readonly hasHeard: boolean; readonly lastFailure: string | undefined };
}

export function statusOf({ phase, relays, coordinator }: StatusFacts): AgentSessionStatus {
  if (phase.kind === "reachable") return { step: "reachable" };
  const home = relays.find((relay) => relay.isHome);
  const theirs = relays.find((relay) => relay.region === regionIn(phase));
  // What fails is told before what is merely slow.
  for (const relay of [home, theirs]) {
    if (relay !== undefined && relay.state !== "ready" && relay.lastFailure !== undefined) {
      return waitForRelay(relay);
    }
  }
  if (!coordinator.hasHeard) return { step: "coordinator", lastFailure: coordinator.lastFailure };
  if (home?.state !== "ready") return waitForRelay(home);
  if (phase.kind !== "announced") return { step: "agent" };
  if (theirs !== undefined && theirs.state !== "ready") return waitForRelay(theirs);
  if (!phase.knowsUs) return { step: "ready" };
  return { step: "handshake", relay: (theirs ?? home).name };
}

function waitForRelay(relay: RelayStatus | undefined): AgentSessionStatus {
  return { step: "relay", relay: relay?.name, lastFailure: relay?.lastFailure };
}

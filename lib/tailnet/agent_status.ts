/** What is waited for on the way to the agent, as people are told it, and what a report says of it. */
import type { Instant } from "../base/core.ts";
import type { TunnelDiagnostics, TunnelStatus } from "../base/tunnel.ts";
import { type ContactPhase, regionIn } from "./agent_contact.ts";
import { formatEndpoint } from "./endpoint_text.ts";
import type { Home } from "./home.ts";
import type { TailnetNode } from "./node_message.ts";
import type { Relays, RelayStatus } from "./relays.ts";

export interface StatusFacts {
  readonly phase: ContactPhase;
  readonly relays: readonly RelayStatus[];
  readonly coordinator: { readonly hasHeard: boolean; readonly lastFailure: string | undefined };
}

export function statusOf({ phase, relays, coordinator }: StatusFacts): TunnelStatus {
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

/** What is waited for when an agent at home in `region` was reached and has fallen silent. */
export function silentStatusOf(region: number | undefined, relays: Relays): TunnelStatus {
  const relay = relays.status().find((each) => each.region === region);
  if (relay === undefined || relay.state !== "ready") return waitForRelay(relay);
  const isSilent = relays.readyLink(relay.region)?.isDoubted === true;
  if (isSilent) return { step: "relay", relay: relay.name, lastFailure: "does not answer" };
  return { step: "handshake", relay: relay.name };
}

function waitForRelay(relay: RelayStatus | undefined): TunnelStatus {
  return { step: "relay", relay: relay?.name, lastFailure: relay?.lastFailure };
}

export interface DiagnosticsFacts {
  readonly home: Home;
  readonly relays: readonly RelayStatus[];
  readonly coordinator: { readonly hasHeard: boolean };
  /** As last announced. */
  readonly agent: TailnetNode | undefined;
  readonly handshakeAt: Instant | undefined;
}

export function diagnosticsOf(facts: DiagnosticsFacts, now: Instant): TunnelDiagnostics {
  const { home, relays, coordinator, agent, handshakeAt } = facts;
  const named = (id: number) => ({ id, name: home.nameOf(id) });
  return {
    home: home.region === undefined ? undefined : named(home.region),
    relayTransport: relays.find((relay) => relay.isHome)?.firstTransport,
    hasToldNode: home.region !== undefined && coordinator.hasHeard,
    agent: agent === undefined ? undefined : {
      home: named(agent.preferredDerp),
      endpoints: agent.endpoints.map(formatEndpoint),
    },
    handshakeAgoMs: handshakeAt === undefined ? undefined : now - handshakeAt,
  };
}

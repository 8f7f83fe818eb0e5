/** What stands between us and an agent, line by line, as `ping` tells it (coder/coder `cli/ping.go`). */
import { formatGoDuration } from "../../base/duration.ts";
import type { TunnelDiagnostics } from "../../base/tunnel.ts";
import type { DerpMap } from "../../tailnet/derp_map.ts";

/** WireGuard renews its keys every two minutes while it is used: an older handshake says that nothing passes. */
const OLD_HANDSHAKE_MS = 5 * 60_000;
const MS_PER_SECOND = 1_000;

/** How far relay, coordinator and key exchange are. */
export function wayLines(
  { home, hasToldNode, agent, handshakeAgoMs }: TunnelDiagnostics,
): string[] {
  return [
    home === undefined
      ? "✘ not connected to DERP"
      : `✔ preferred DERP region: ${home.id} (${home.name})`,
    hasToldNode
      ? "✔ sent local data to Coder networking coordinator"
      : "✘ have not sent local data to Coder networking coordinator",
    ...agent === undefined
      ? ["✘ have not received remote agent data from Coder networking coordinator"]
      : [
        "✔ received remote agent data from Coder networking coordinator",
        `    preferred DERP region: ${agent.home.id} (${agent.home.name})`,
        `    endpoints: ${agent.endpoints.join(", ")}`,
      ],
    handshakeAgoMs === undefined ? "✘ Wireguard is not connected" : handshakeLine(handshakeAgoMs),
  ];
}

function handshakeLine(agoMs: number): string {
  const sign = agoMs > OLD_HANDSHAKE_MS ? "⚠" : "✔";
  const ago = formatGoDuration(Math.round(agoMs / MS_PER_SECOND) * MS_PER_SECOND);
  return `${sign} Wireguard handshake ${ago} ago`;
}

export interface DirectFacts {
  readonly isDirect: boolean;
  readonly disabledHere: boolean;
  readonly disabledByDeployment: boolean;
  readonly map: DerpMap;
  /** Where upstream explains what can be wrong. */
  readonly helpUrl: string;
}

/** Why there may be no direct connection, as far as can be known from here; none when there is one. */
export function directLines(facts: DirectFacts): string[] {
  const { isDirect, disabledHere, disabledByDeployment, map, helpUrl } = facts;
  if (isDirect) return [];
  if (disabledHere) {
    return [
      "❗ Direct connections are disabled locally, by `--disable-direct-connections` or " +
      "`CODER_DISABLE_DIRECT_CONNECTIONS`.",
      "   They may still be established over a private network.",
    ];
  }
  if (disabledByDeployment) {
    return [
      "❗ Your Coder administrator has blocked direct connections",
      `   ${helpUrl}#disabled-deployment-wide`,
    ];
  }
  const nodes = [...map.regions.values()].flatMap((region) => region.nodes);
  if (nodes.some((node) => node.stunPort >= 0)) return [];
  return ["❗ The DERP map is not configured to use STUN", `   ${helpUrl}#no-stun-servers`];
}

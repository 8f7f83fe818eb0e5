/** Tunnels of the real host: what a deployment says of itself, as the options of a tunnel. */
import type { TunnelOptions } from "../base/host_network.ts";
import type { AgentTunnel } from "../base/tunnel.ts";
import { isAtLeast, READY_FOR_HANDSHAKE_SINCE } from "../base/version.ts";
import { coordinationOf } from "../tailnet/coordinator/protocol_version.ts";
import { derpMapFromJson } from "../tailnet/derp_map_json.ts";
import type { DialOptions } from "./dial.ts";
import { startAgent } from "./start_agent.ts";

/** Begins a tunnel. Throws `ProtocolError` when the relay map cannot be read. */
export function startTunnel(options: TunnelOptions, dial: DialOptions): AgentTunnel {
  const { agentId, deploymentUrl, token, headers, userAgent, serverVersion, log } = options;
  const derpMap = derpMapFromJson(options.derpMap);
  log.debug("relay map", { regions: derpMap.regions.size, leftOut: derpMap.leftOut });
  return startAgent({
    agentId,
    deploymentUrl,
    ...(token === undefined ? {} : { token }),
    headers,
    derpMap,
    fetchDerpMap: async (signal) => derpMapFromJson(await options.fetchDerpMap(signal)),
    forcesWebsocket: options.forcesWebsocket,
    beginsWithWebsocket: options.beginsWithWebsocket,
    expectsReady: isAtLeast(serverVersion, READY_FOR_HANDSHAKE_SINCE),
    coordination: coordinationOf(serverVersion),
    ...(options.trace === undefined ? {} : { trace: options.trace }),
    disablesDirect: options.disablesDirect,
    dial,
    userAgent,
    log,
  });
}

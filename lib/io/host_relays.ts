/** How far away the relays of a deployment are, for whoever looks for a fault: no tunnel is needed for that. */
import type { ProbedRelay, ProbeOptions } from "../base/host_network.ts";
import { rewriteEmbeddedRelay } from "../tailnet/derp_map.ts";
import { derpMapFromJson } from "../tailnet/derp_map_json.ts";
import { SystemClock } from "./clock.ts";
import type { DialOptions } from "./dial.ts";
import { probeRelays } from "./relay_probe.ts";

/** The regions that have relays, in the map's order. Rejects with `ProtocolError` when the map cannot be read. */
export async function probeMap(
  options: ProbeOptions,
  dial: DialOptions,
): Promise<readonly ProbedRelay[]> {
  const { deploymentUrl, headers, timeoutMs, signal } = options;
  const map = rewriteEmbeddedRelay(derpMapFromJson(options.derpMap), deploymentUrl);
  const clock = new SystemClock();
  const latencies = await probeRelays(map, { clock, dial, headers, timeoutMs, signal });
  return [...map.regions.values()]
    .filter(({ nodes }) => nodes.some((node) => !node.stunOnly))
    .map(({ id, name }) => ({ name, latencyMs: latencies.get(id) }));
}

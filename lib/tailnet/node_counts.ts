/** What the cores of a node counted, for a log: cores do not log. What never happened is left out. */
import type { Netstack } from "../netstack/mod.ts";
import type { WireguardCounters } from "../wireguard/mod.ts";
import type { NodeCounters } from "./node_events.ts";

export interface CountedParts {
  readonly counters: NodeCounters;
  readonly netstack: Netstack;
  readonly relays: { links(): Iterable<{ readonly name: string; readonly droppedFrames: number }> };
}

/** By name; drops under their reason, e.g. `netstack.dropped tcp-checksum`. */
export function nodeCounts(
  { counters, netstack, relays }: CountedParts,
  wireguard: { readonly counters: WireguardCounters },
): Record<string, number | string> {
  const counts: Record<string, number | string> = {};
  const groups = { node: counters, wireguard: wireguard.counters, netstack: netstack.counters };
  for (const [group, values] of Object.entries(groups)) {
    for (const [name, value] of Object.entries(values)) {
      if (typeof value === "number" && value > 0) counts[`${group}.${name}`] = value;
    }
  }
  const drops = {
    wireguard: Object.entries(wireguard.counters.drops),
    netstack: netstack.counters.drops,
  };
  for (const [group, reasons] of Object.entries(drops)) {
    for (const [reason, count] of reasons) {
      if (count > 0) counts[`${group}.dropped ${reason}`] = count;
    }
  }
  for (const { name, droppedFrames } of relays.links()) {
    if (droppedFrames > 0) counts[`${name}.dropped frames`] = droppedFrames;
  }
  const broken = netstack.brokenRules();
  if (broken.length > 0) counts["netstack.broken"] = broken.join("; ");
  return counts;
}

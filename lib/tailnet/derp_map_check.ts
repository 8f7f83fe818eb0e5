/**
 * What of a relay map can be used, looked at once, where maps become ours: whoever sends one is not trusted with more than
 * naming relays. What cannot be used is left out and counted; texts for people are cut.
 */
import type { DerpMap, DerpNode, DerpRegion } from "./derp_map_types.ts";
import { parseIpv4, parseIpv6Text } from "./address.ts";
import { isDnsName, isRelayHost } from "./relay_host.ts";

/** More regions, nodes of one region, or nodes of all together than this are not kept. */
export const MAX_DERP_REGIONS = 1024;
export const MAX_DERP_NODES = 64;
export const MAX_DERP_NODES_IN_ALL = 4096;
/** Region ids travel as int32 in a node's announcement. */
const MAX_REGION_ID = 0x7fff_ffff;
const MAX_PORT = 65_535;
const NO_STUN = -1;
const MAX_TEXT_CHARS = 256;
/** Any text but a literal means: do not use this family. */
const NO_LITERAL = "none";

/** The map of these regions; of two with one id the later counts. */
export function checkedMap(
  regions: Iterable<DerpRegion>,
  regionScore: ReadonlyMap<number, number>,
): DerpMap {
  const byId = new Map<number, DerpRegion>();
  let leftOut = 0;
  let roomForNodes = MAX_DERP_NODES_IN_ALL;
  for (const region of regions) {
    if (!isRegionId(region.id) || (byId.size >= MAX_DERP_REGIONS && !byId.has(region.id))) {
      leftOut++;
      continue;
    }
    const room = Math.min(MAX_DERP_NODES, roomForNodes);
    const checked = checkedRegion(region, room);
    leftOut += region.nodes.length - checked.nodes.length;
    roomForNodes -= checked.nodes.length;
    byId.set(region.id, checked);
  }
  return { regions: byId, regionScore: checkedScores(regionScore), leftOut };
}

export function isRegionId(id: number): boolean {
  return Number.isInteger(id) && id > 0 && id <= MAX_REGION_ID;
}

function checkedRegion(region: DerpRegion, room: number): DerpRegion {
  const nodes: DerpNode[] = [];
  for (const node of region.nodes) {
    if (nodes.length >= room) break;
    const checked = checkedNode(node, region);
    if (checked !== undefined) nodes.push(checked);
  }
  return { ...region, code: cut(region.code), name: cut(region.name), nodes };
}

function checkedNode(node: DerpNode, region: DerpRegion): DerpNode | undefined {
  // The host of an embedded relay comes from the user's URL; what the map says of it may be anything.
  const hostName = isRelayHost(node.hostName) ? node.hostName : "";
  if (hostName === "" && !region.embeddedRelay) return undefined;
  if (!isPort(node.derpPort)) return undefined;
  if (node.certName !== "" && !isDnsName(node.certName)) return undefined;
  return {
    ...node,
    name: cut(node.name),
    regionId: region.id,
    hostName,
    ipv4: node.ipv4 === "" || parseIpv4(node.ipv4) !== undefined ? node.ipv4 : NO_LITERAL,
    ipv6: node.ipv6 === "" || parseIpv6Text(node.ipv6) !== undefined ? node.ipv6 : NO_LITERAL,
    stunPort: isPort(node.stunPort) ? node.stunPort : NO_STUN,
    stunTestIp: isRelayHost(node.stunTestIp) ? node.stunTestIp : "",
  };
}

/** 0 stands for the usual one. */
function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 0 && port <= MAX_PORT;
}

/** Scores that mean something: coder/tailscale `tailcfg/derpmap.go` ignores those that are not positive. */
function checkedScores(scores: ReadonlyMap<number, number>): Map<number, number> {
  const kept = new Map<number, number>();
  for (const [id, score] of scores) {
    if (kept.size >= MAX_DERP_REGIONS) break;
    if (isRegionId(id) && Number.isFinite(score) && score > 0) kept.set(id, score);
  }
  return kept;
}

function cut(text: string): string {
  return text.length <= MAX_TEXT_CHARS ? text : text.slice(0, MAX_TEXT_CHARS);
}

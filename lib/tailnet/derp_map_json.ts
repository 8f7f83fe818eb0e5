/**
 * The relay map as JSON with Go's field names, as `/connection` and `/derp-map` give it (coder/tailscale
 * `tailcfg/derpmap.go`). Unknown fields pass, absent ones are zero, a region that is `null` is no region.
 * The only schema of it: the API room hands the value on as it came.
 */
import * as v from "valibot";
import { ProtocolError } from "../base/errors.ts";
import { derpMapOf } from "./derp_map.ts";
import { MAX_DERP_NODES, MAX_DERP_NODES_IN_ALL, MAX_DERP_REGIONS } from "./derp_map_check.ts";
import type { DerpMap, DerpNode, DerpRegion } from "./derp_map.ts";

const text = v.nullish(v.string(), "");
const integer = v.nullish(v.pipe(v.number(), v.safeInteger()), 0);
const ABSENT_FLAG = false;
const flag = v.nullish(v.boolean(), ABSENT_FLAG);

const NODE = v.object({
  Name: text,
  RegionID: integer,
  HostName: text,
  CertName: text,
  IPv4: text,
  IPv6: text,
  STUNPort: integer,
  STUNOnly: flag,
  DERPPort: integer,
  InsecureForTests: flag,
  ForceHTTP: flag,
  STUNTestIP: text,
  CanPort80: flag,
});

const REGION = v.object({
  EmbeddedRelay: flag,
  RegionID: integer,
  RegionCode: text,
  RegionName: text,
  Avoid: flag,
  Nodes: v.nullish(v.array(v.unknown()), []),
});

const DERP_MAP = v.object({
  HomeParams: v.optional(v.unknown()),
  Regions: v.nullish(v.record(v.string(), v.unknown()), {}),
});
const HOME_PARAMS = v.object({ RegionScore: v.nullish(v.record(v.string(), v.unknown()), {}) });

/**
 * The map in parsed JSON. Regions and nodes of another shape are left out, as are those that cannot be used. Throws
 * `ProtocolError` when the whole is no map.
 */
export function derpMapFromJson(json: unknown): DerpMap {
  const parsed = v.safeParse(DERP_MAP, json);
  if (!parsed.success) {
    const [issue] = parsed.issues;
    throw new ProtocolError(
      `Cannot read DERP map: ${v.getDotPath(issue) ?? "value"}: ${issue.message.slice(0, 200)}`,
      { code: "bad-derp-map", spec: "tailcfg/derpmap.go DERPMap" },
    );
  }
  const regions: DerpRegion[] = [];
  let leftOut = 0;
  let roomForNodes = MAX_DERP_NODES_IN_ALL;
  for (const region of Object.values(parsed.output.Regions)) {
    if (region === null) continue; // takes a default region away
    const read = regions.length < MAX_DERP_REGIONS ? v.safeParse(REGION, region) : undefined;
    if (read?.success !== true) {
      leftOut++;
      continue;
    }
    const nodes = nodesFromJson(read.output.Nodes, roomForNodes);
    roomForNodes -= nodes.length;
    leftOut += read.output.Nodes.length - nodes.length;
    regions.push({
      id: read.output.RegionID,
      code: read.output.RegionCode,
      name: read.output.RegionName,
      embeddedRelay: read.output.EmbeddedRelay,
      avoid: read.output.Avoid,
      nodes,
    });
  }
  const map = derpMapOf(regions, scoresFromJson(parsed.output.HomeParams));
  return { ...map, leftOut: leftOut + map.leftOut };
}

function nodesFromJson(list: readonly unknown[], room: number): DerpNode[] {
  const nodes: DerpNode[] = [];
  // Looked at, not only kept, up to the bound: a list of rubbish costs no more than one of nodes.
  for (const item of list.slice(0, Math.min(MAX_DERP_NODES, room))) {
    const read = v.safeParse(NODE, item);
    if (read.success) nodes.push(nodeFromJson(read.output));
  }
  return nodes;
}

function scoresFromJson(homeParams: unknown): Map<number, number> {
  const read = v.safeParse(HOME_PARAMS, homeParams);
  const scores = new Map<number, number>();
  if (!read.success) return scores;
  for (const [id, score] of Object.entries(read.output.RegionScore)) {
    if (typeof score === "number") scores.set(Number(id), score);
  }
  return scores;
}

/** The map as JSON that Go reads back, e.g. for an API double. */
export function derpMapToJson(map: DerpMap): Record<string, unknown> {
  const regions = [...map.regions.values()].map((region) => [String(region.id), {
    EmbeddedRelay: region.embeddedRelay,
    RegionID: region.id,
    RegionCode: region.code,
    RegionName: region.name,
    ...(region.avoid ? { Avoid: true } : {}),
    Nodes: region.nodes.map(nodeToJson),
  }]);
  const scores = Object.fromEntries(map.regionScore);
  return {
    ...(map.regionScore.size === 0 ? {} : { HomeParams: { RegionScore: scores } }),
    Regions: Object.fromEntries(regions),
  };
}

function nodeFromJson(node: v.InferOutput<typeof NODE>): DerpNode {
  return {
    name: node.Name,
    regionId: node.RegionID,
    hostName: node.HostName,
    certName: node.CertName,
    ipv4: node.IPv4,
    ipv6: node.IPv6,
    stunPort: node.STUNPort,
    stunOnly: node.STUNOnly,
    derpPort: node.DERPPort,
    insecureForTests: node.InsecureForTests,
    forceHttp: node.ForceHTTP,
    stunTestIp: node.STUNTestIP,
    canPort80: node.CanPort80,
  };
}

function nodeToJson(node: DerpNode): Record<string, unknown> {
  const optional = {
    CertName: node.certName,
    IPv4: node.ipv4,
    IPv6: node.ipv6,
    STUNPort: node.stunPort,
    STUNOnly: node.stunOnly,
    DERPPort: node.derpPort,
    InsecureForTests: node.insecureForTests,
    ForceHTTP: node.forceHttp,
    STUNTestIP: node.stunTestIp,
    CanPort80: node.canPort80,
  };
  const present = Object.entries(optional)
    .filter(([, value]) => value !== "" && value !== 0 && value !== false); // Go's omitempty
  return {
    Name: node.name,
    RegionID: node.regionId,
    HostName: node.hostName,
    ...Object.fromEntries(present),
  };
}

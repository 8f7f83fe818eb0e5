/**
 * The relay map as JSON with Go's field names, as `/connection` and `/derp-map` give it (coder/tailscale
 * `tailcfg/derpmap.go`). Unknown fields pass, absent ones are zero, a region that is `null` is no region.
 * `derpMapFromModel` takes what the API room has checked already.
 */
import * as v from "valibot";
import { ProtocolError } from "../base/errors.ts";
import { derpMapOf, MAX_DERP_NODES } from "./derp_map.ts";
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
  Nodes: v.nullish(v.array(NODE), []),
});

const DERP_MAP = v.object({
  HomeParams: v.nullish(v.object({ RegionScore: v.nullish(v.record(v.string(), v.number()), {}) })),
  Regions: v.nullish(v.record(v.string(), v.nullish(REGION)), {}),
});

/** The map in parsed JSON. Throws `ProtocolError` with the path of what is wrong. */
export function derpMapFromJson(json: unknown): DerpMap {
  const parsed = v.safeParse(DERP_MAP, json);
  if (!parsed.success) {
    const [issue] = parsed.issues;
    throw new ProtocolError(
      `Cannot read DERP map: ${v.getDotPath(issue) ?? "value"}: ${issue.message}`,
      { code: "bad-derp-map", spec: "tailcfg/derpmap.go DERPMap" },
    );
  }
  const regions: DerpRegion[] = [];
  for (const region of Object.values(parsed.output.Regions)) {
    if (region === null || region === undefined) continue;
    regions.push({
      id: region.RegionID,
      code: region.RegionCode,
      name: region.RegionName,
      embeddedRelay: region.EmbeddedRelay,
      avoid: region.Avoid,
      nodes: region.Nodes.slice(0, MAX_DERP_NODES).map(nodeFromJson),
    });
  }
  const scores = Object.entries(parsed.output.HomeParams?.RegionScore ?? {});
  return derpMapOf(regions, new Map(scores.map(([id, score]) => [Number(id), score])));
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

/** Regions as the API room names their fields. */
export interface DerpMapModel {
  readonly regions: readonly {
    readonly embeddedRelay: boolean;
    readonly regionId: number;
    readonly regionCode: string;
    readonly regionName: string;
    readonly avoid: boolean;
    readonly nodes: readonly Omit<DerpNode, "stunTestIp" | "canPort80">[];
  }[];
}

/** The map in an answer that the API room has checked; it has no scores. */
export function derpMapFromModel(model: DerpMapModel): DerpMap {
  return derpMapOf(model.regions.map((region) => ({
    id: region.regionId,
    code: region.regionCode,
    name: region.regionName,
    embeddedRelay: region.embeddedRelay,
    avoid: region.avoid,
    nodes: region.nodes.slice(0, MAX_DERP_NODES)
      .map((node) => ({ ...node, stunTestIp: "", canPort80: false })),
  })));
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

/**
 * The relay map as protobuf, as `StreamDERPMaps` gives it (coder/coder `tailnet/convert.go` `DERPMapFromProto`,
 * `DERPMapToProto`).
 */
import { createDERPMap } from "../proto/tailnet_pb.ts";
import type { DERPMap, DERPMap_Region, DERPMap_Region_Node } from "../proto/tailnet_pb.ts";
import { derpMapOf } from "./derp_map.ts";
import { MAX_DERP_REGIONS } from "./derp_map_check.ts";
import type { DerpMap, DerpNode, DerpRegion } from "./derp_map.ts";

export function derpMapFromProto(message: DERPMap): DerpMap {
  const regions = [...message.regions.values()];
  const kept = regions.slice(0, MAX_DERP_REGIONS).map(regionFromProto);
  const scores = [...message.homeParams?.regionScore ?? []];
  const map = derpMapOf(kept, new Map(scores.map(([id, score]) => [Number(id), score])));
  return { ...map, leftOut: map.leftOut + regions.length - kept.length };
}

export function derpMapToProto(map: DerpMap): DERPMap {
  const regions = [...map.regions.values()].map((
    region,
  ): [bigint, DERPMap_Region] => [BigInt(region.id), {
    regionId: BigInt(region.id),
    regionCode: region.code,
    regionName: region.name,
    embeddedRelay: region.embeddedRelay,
    avoid: region.avoid,
    nodes: region.nodes.map(({ regionId, canPort80, ...node }) => ({
      ...node,
      regionId: BigInt(regionId),
      canPort80,
    })),
  }]);
  return createDERPMap({
    // Set even when empty: Go clients follow the pointer.
    homeParams: {
      regionScore: new Map([...map.regionScore].map(([id, score]) => [BigInt(id), score])),
    },
    regions: new Map(regions),
  });
}

function regionFromProto(region: DERPMap_Region): DerpRegion {
  return {
    id: Number(region.regionId),
    code: region.regionCode,
    name: region.regionName,
    embeddedRelay: region.embeddedRelay,
    avoid: region.avoid,
    nodes: region.nodes.map(nodeFromProto),
  };
}

function nodeFromProto(node: DERPMap_Region_Node): DerpNode {
  return {
    name: node.name,
    regionId: Number(node.regionId),
    hostName: node.hostName,
    certName: node.certName,
    ipv4: node.ipv4,
    ipv6: node.ipv6,
    stunPort: node.stunPort,
    stunOnly: node.stunOnly,
    derpPort: node.derpPort,
    insecureForTests: node.insecureForTests,
    forceHttp: node.forceHttp,
    stunTestIp: node.stunTestIp,
    canPort80: node.canPort80,
  };
}

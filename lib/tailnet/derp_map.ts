/**
 * The map of relays: regions with their nodes in order of priority (coder/tailscale `tailcfg/derpmap.go`), what of it
 * can be used, where that is dialled (`derp/derphttp/derphttp_client.go` `urlString`, `dialNode`), and when two maps are
 * the same (coder/coder `tailnet/derpmap.go` `CompareDERPMaps`). Wire forms: `derp_map_json.ts`, `derp_map_proto.ts`.
 *
 * One deviation: upstream puts a non-empty `IPv4` into the URL, so that `none` becomes a host name; here the URL always
 * names `hostName`, and only a valid literal is dialled.
 */
import { unbracket } from "../base/trim.ts";
import { parseIpv4, parseIpv6Text } from "./address.ts";
import { checkedMap } from "./derp_map_check.ts";
import type { DerpMap, DerpNode, DerpRegion, Vantage } from "./derp_map_types.ts";
import { localityOf } from "./relay_host.ts";

export type { DerpMap, DerpNode, DerpRegion, Vantage };

/** One address to try; as it stands a target for the dialer, and plain JSON for comparing. */
export interface RelayEndpoint {
  /** Host name or literal address to connect to. */
  readonly host: string;
  readonly port: number;
  readonly isTls: boolean;
  /** For SNI, and for verification where `certName` says nothing else. */
  readonly serverName: string;
  /** The name that the certificate is for. */
  readonly certName: string;
  /** `Host:` of a request; the port is left out when it is the scheme's. */
  readonly hostHeader: string;
  /** Whether the user's own headers may be sent: never in the clear to a relay of a deployment that is spoken to by TLS. */
  readonly takesHeaders: boolean;
  /** Whether a connection is to be dropped when the name turns out to lead to this machine or its link. */
  readonly refusesLocal: boolean;
}

const DEFAULT_DERP_PORT = 443;

/** The map of these regions, as far as they can be used (`derp_map_check.ts`). */
export function derpMapOf(
  regions: Iterable<DerpRegion>,
  regionScore: ReadonlyMap<number, number> = new Map(),
): DerpMap {
  return checkedMap(regions, regionScore);
}

/** Nodes that relay, in order of priority. */
export function relayNodes(region: DerpRegion): DerpNode[] {
  return region.nodes.filter((node) => !node.stunOnly);
}

/** Regions that have a relay, lowest id first. Regions to avoid are last. */
export function relayRegions(map: DerpMap): DerpRegion[] {
  return [...map.regions.values()]
    .filter((region) => relayNodes(region).length > 0)
    .sort((a, b) => Number(a.avoid) - Number(b.avoid) || a.id - b.id);
}

/**
 * The region to call home before, or instead of, measuring: the deployment's own relay, else the lowest id that need
 * not be avoided. `undefined` when no region relays.
 */
export function defaultHomeRegion(map: DerpMap): number | undefined {
  const regions = relayRegions(map);
  return (regions.find((region) => region.embeddedRelay) ?? regions[0])?.id;
}

/** Addresses of the relays of `regionId`, best first; empty when it has none or does not exist. */
export function relayEndpoints(map: DerpMap, regionId: number): RelayEndpoint[] {
  const region = map.regions.get(regionId);
  if (region === undefined) return [];
  return relayNodes(region).flatMap((node) => endpointsOf(node, region, map.vantage));
}

function endpointsOf(
  node: DerpNode,
  region: DerpRegion,
  vantage: Vantage | undefined,
): RelayEndpoint[] {
  if (node.hostName === "") return [];
  const isTls = !node.forceHttp;
  const port = node.derpPort === 0 ? DEFAULT_DERP_PORT : node.derpPort;
  const isDefaultPort = port === (isTls ? 443 : 80);
  const urlHost = node.hostName.includes(":") ? `[${node.hostName}]` : node.hostName;
  return dialHosts(node).map((host) => ({
    host,
    port,
    isTls,
    serverName: node.hostName,
    // coder/tailscale `net/tlsdial/tlsdial.go` `SetConfigExpectedCert`
    certName: node.certName === "" ? node.hostName : node.certName,
    hostHeader: isDefaultPort ? urlHost : `${urlHost}:${port}`,
    takesHeaders: isTls || vantage === undefined || vantage.isInClear,
    // The deployment itself is where the user says.
    refusesLocal: vantage !== undefined && !vantage.isLocal && !region.embeddedRelay,
  }));
}

/** Literals first; the name only when DNS may add a family, or nothing else is left. */
function dialHosts({ hostName, ipv4, ipv6 }: DerpNode): string[] {
  const hosts: string[] = [];
  if (parseIpv4(ipv4) !== undefined) hosts.push(ipv4);
  if (parseIpv6Text(ipv6) !== undefined) hosts.push(ipv6);
  if (ipv4 === "" || ipv6 === "" || hosts.length === 0) hosts.push(hostName);
  return hosts;
}

/**
 * The map as seen from the URL that the user gave for the deployment: relays of embedded regions are moved there
 * (coder/coder `tailnet/derp.go` `RewriteDERPMapDefaultRelay`). Deviation: relays on this machine or its link are left out
 * unless the deployment is there as well, since whoever sends a map could have this machine's ports tried by it.
 */
export function rewriteEmbeddedRelay(map: DerpMap, deploymentUrl: URL): DerpMap {
  const forceHttp = deploymentUrl.protocol === "http:";
  const derpPort = deploymentUrl.port === "" ? (forceHttp ? 80 : 443) : Number(deploymentUrl.port);
  const hostName = unbracket(deploymentUrl.hostname);
  const here = localityOf(hostName);
  const isForbidden = (host: string): boolean => {
    const there = localityOf(host);
    return there !== undefined && there !== here;
  };
  let leftOut = map.leftOut;
  const regions = [...map.regions.values()].map((region): DerpRegion => {
    const nodes = region.nodes
      .map((node) =>
        !region.embeddedRelay || node.stunOnly ? node : { ...node, hostName, derpPort, forceHttp }
      )
      .filter((node) => {
        const hosts = [node.ipv4, node.ipv6];
        if (!region.embeddedRelay) hosts.push(node.hostName);
        return !hosts.some(isForbidden);
      });
    leftOut += region.nodes.length - nodes.length;
    return { ...region, nodes };
  });
  const seen = checkedMap(regions, map.regionScore);
  const vantage = { isInClear: forceHttp, isLocal: here !== undefined };
  return { ...seen, leftOut: leftOut + seen.leftOut, vantage };
}

/** Whether nothing that matters differs; the order of regions and nodes does not, nor does `canPort80`. */
export function equalDerpMaps(a: DerpMap, b: DerpMap): boolean {
  if (a.regions.size !== b.regions.size) return false;
  for (const [id, region] of a.regions) {
    const other = b.regions.get(id);
    if (other === undefined || !equalRegions(region, other)) return false;
  }
  return true;
}

function equalRegions(a: DerpRegion, b: DerpRegion): boolean {
  const isSame = a.id === b.id && a.code === b.code && a.name === b.name &&
    a.embeddedRelay === b.embeddedRelay && a.avoid === b.avoid && a.nodes.length === b.nodes.length;
  if (!isSame) return false;
  const byName = new Map(b.nodes.map((node) => [node.name, node]));
  return a.nodes.every((node) => {
    const other = byName.get(node.name);
    return other !== undefined && equalNodes(node, other);
  });
}

function equalNodes(a: DerpNode, b: DerpNode): boolean {
  return a.name === b.name && a.regionId === b.regionId && a.hostName === b.hostName &&
    a.certName === b.certName && a.ipv4 === b.ipv4 && a.ipv6 === b.ipv6 &&
    a.stunPort === b.stunPort && a.stunOnly === b.stunOnly && a.derpPort === b.derpPort &&
    a.insecureForTests === b.insecureForTests && a.forceHttp === b.forceHttp &&
    a.stunTestIp === b.stunTestIp;
}

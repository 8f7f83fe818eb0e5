/**
 * The map of relays: regions with their nodes in order of priority (coder/tailscale `tailcfg/derpmap.go`), what of it
 * can be used, where that is dialled (`derp/derphttp/derphttp_client.go` `urlString`, `dialNode`), and when two maps are
 * the same (coder/coder `tailnet/derpmap.go` `CompareDERPMaps`). Wire forms: `derp_map_json.ts`, `derp_map_proto.ts`.
 *
 * One deviation: upstream puts a non-empty `IPv4` into the URL, so that `none` becomes a host name; here the URL always
 * names `hostName`, and only a valid literal is dialled.
 */
import { unbracket } from "../base/trim.ts";
import { parseIpv4, parseIpv6 } from "./address.ts";

export interface DerpNode {
  readonly name: string;
  readonly regionId: number;
  readonly hostName: string;
  /** Expected certificate name where it differs from `hostName`. */
  readonly certName: string;
  /** Literal to dial instead of asking DNS; empty: ask; any other text: do not use this family. */
  readonly ipv4: string;
  readonly ipv6: string;
  /** 0 means 3478, -1 none. */
  readonly stunPort: number;
  readonly stunOnly: boolean;
  /** 0 means 443. */
  readonly derpPort: number;
  readonly insecureForTests: boolean;
  readonly forceHttp: boolean;
  readonly stunTestIp: string;
  readonly canPort80: boolean;
}

export interface DerpRegion {
  readonly id: number;
  readonly code: string;
  readonly name: string;
  /** The deployment's own relay: reached at whatever URL the user has for the deployment. */
  readonly embeddedRelay: boolean;
  readonly avoid: boolean;
  /** In order of priority. */
  readonly nodes: readonly DerpNode[];
}

export interface DerpMap {
  readonly regions: ReadonlyMap<number, DerpRegion>;
  /** Region id to the factor that multiplies its measured latency. */
  readonly regionScore: ReadonlyMap<number, number>;
}

/** One address to try; as it stands a target for the dialer, and plain JSON for comparing. */
export interface RelayEndpoint {
  readonly node: string;
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
  /** `https://host[:port]/derp` */
  readonly url: string;
  /** `https://host[:port]/derp/latency-check` */
  readonly latencyCheckUrl: string;
  /** The certificate is not to be verified; servers set it in their own tests only. */
  readonly insecureForTests: boolean;
}

export const EMPTY_DERP_MAP: DerpMap = { regions: new Map(), regionScore: new Map() };

/** More regions, or nodes of one region, than this are not kept. */
export const MAX_DERP_REGIONS = 1024;
export const MAX_DERP_NODES = 64;

const DEFAULT_DERP_PORT = 443;

/** The map of these regions; of two with one id the later counts. */
export function derpMapOf(
  regions: Iterable<DerpRegion>,
  regionScore: ReadonlyMap<number, number> = new Map(),
): DerpMap {
  const byId = new Map<number, DerpRegion>();
  for (const region of regions) {
    if (byId.size === MAX_DERP_REGIONS) break;
    if (region.id > 0) byId.set(region.id, region);
  }
  return { regions: byId, regionScore };
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
  return region === undefined ? [] : relayNodes(region).flatMap(endpointsOf);
}

function endpointsOf(node: DerpNode): RelayEndpoint[] {
  const isTls = !node.forceHttp;
  const port = node.derpPort === 0 ? DEFAULT_DERP_PORT : node.derpPort;
  const isDefaultPort = port === (isTls ? 443 : 80);
  const urlHost = node.hostName.includes(":") ? `[${node.hostName}]` : node.hostName;
  const hostHeader = isDefaultPort ? urlHost : `${urlHost}:${port}`;
  const url = `${isTls ? "https" : "http"}://${hostHeader}/derp`;
  return dialHosts(node).map((host) => ({
    node: node.name,
    host,
    port,
    isTls,
    serverName: node.hostName,
    // coder/tailscale `net/tlsdial/tlsdial.go` `SetConfigExpectedCert`
    certName: node.certName === "" ? node.hostName : node.certName,
    hostHeader,
    url,
    latencyCheckUrl: `${url}/latency-check`,
    insecureForTests: node.insecureForTests,
  }));
}

/** Literals first; the name only when DNS may add a family, or nothing else is left. */
function dialHosts({ hostName, ipv4, ipv6 }: DerpNode): string[] {
  const hosts: string[] = [];
  if (parseIpv4(ipv4) !== undefined) hosts.push(ipv4);
  if (parseIpv6(ipv6) !== undefined) hosts.push(ipv6);
  if (ipv4 === "" || ipv6 === "" || hosts.length === 0) hosts.push(hostName);
  return hosts;
}

/**
 * The map as seen from the URL that the user gave for the deployment: relays of embedded regions are moved there
 * (coder/coder `tailnet/derp.go` `RewriteDERPMapDefaultRelay`).
 */
export function rewriteEmbeddedRelay(map: DerpMap, deploymentUrl: URL): DerpMap {
  const forceHttp = deploymentUrl.protocol === "http:";
  const derpPort = deploymentUrl.port === "" ? (forceHttp ? 80 : 443) : Number(deploymentUrl.port);
  const hostName = unbracket(deploymentUrl.hostname);
  const regions = [...map.regions.values()].map((region) => {
    if (!region.embeddedRelay) return region;
    const nodes = region.nodes.map((node) =>
      node.stunOnly ? node : { ...node, hostName, derpPort, forceHttp }
    );
    return { ...region, nodes };
  });
  return derpMapOf(regions, map.regionScore);
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

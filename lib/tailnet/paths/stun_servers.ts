/** The STUN servers of a relay map (coder/tailscale `tailcfg/derpmap.go`, `net/netcheck/netcheck.go` `nodeAddr`). */
import type { AddressFamily } from "../../wire/endpoint.ts";
import type { DerpMap } from "../derp_map.ts";
import { parseAddress } from "../endpoint_text.ts";
import { familyOf } from "../../wire/endpoint.ts";

export interface StunServer {
  /** To be looked up where no address is given. */
  readonly host: string;
  readonly port: number;
  /** 16 bytes; `"none"`: not in this family. */
  readonly ipv4?: Uint8Array | "none";
  readonly ipv6?: Uint8Array | "none";
}

/** More servers than this are never asked. */
export const MAX_STUN_SERVERS = 16;
const DEFAULT_STUN_PORT = 3_478;
const MAX_PORT = 0xffff;

/** In the map's order: the servers of regions to avoid last. */
export function stunServersOf(map: DerpMap): StunServer[] {
  const regions = [...map.regions.values()]
    .sort((a, b) => Number(a.avoid) - Number(b.avoid) || a.id - b.id);
  const servers = new Map<string, StunServer>();
  for (const node of regions.flatMap((region) => region.nodes)) {
    const port = node.stunPort === 0 ? DEFAULT_STUN_PORT : node.stunPort;
    if (port < 0 || port > MAX_PORT || servers.size === MAX_STUN_SERVERS) continue;
    // An address for tests stands for the whole host.
    const test = node.stunTestIp === "" ? undefined : parseAddress(node.stunTestIp);
    const ipv4 = test === undefined ? literal(node.ipv4, "ipv4") : only(test, "ipv4");
    const ipv6 = test === undefined ? literal(node.ipv6, "ipv6") : only(test, "ipv6");
    servers.set(`${node.hostName}:${port}`, {
      host: node.hostName,
      port,
      ...(ipv4 === undefined ? {} : { ipv4 }),
      ...(ipv6 === undefined ? {} : { ipv6 }),
    });
  }
  return [...servers.values()];
}

/** Empty: ask DNS; an address: this one; any other text: not in this family. */
function literal(text: string, family: AddressFamily): Uint8Array | "none" | undefined {
  if (text === "") return undefined;
  const address = parseAddress(text);
  return address === undefined ? "none" : only(address, family);
}

function only(address: Uint8Array, family: AddressFamily): Uint8Array | "none" {
  return familyOf(address) === family ? address : "none";
}

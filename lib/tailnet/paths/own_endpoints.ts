/**
 * Where UDP reaches us, in the order in which peers are told (coder/tailscale `wgengine/magicsock/magicsock.go`
 * `determineEndpoints`, `net/interfaces` `LocalAddresses`): what STUN servers saw, then the addresses of our interfaces.
 * Not here: port mappings that a router is asked for (NAT-PMP, PCP, UPnP).
 */
import { equalBytes } from "../../base/bytes.ts";
import {
  type AddressFamily,
  type Endpoint,
  endpointKey,
  familyOf,
  scopeOf,
} from "../../wire/endpoint.ts";
import { isInTunnel } from "./allowed.ts";

export interface InterfaceAddress {
  /** E.g. `eth0`. */
  readonly name: string;
  /** 16 bytes, IPv4 mapped. */
  readonly address: Uint8Array;
}

/** The local port of the socket of each family that there is one for. */
export type LocalPorts = Readonly<Partial<Record<AddressFamily, number>>>;

/** More than machines with many containers have; a call-me-maybe of that many is still a small packet. */
export const MAX_OWN_ENDPOINTS = 24;
/** Networks of ZeroTier: a tunnel in a tunnel. */
const LEFT_OUT_INTERFACES = /^zt/;

export class OwnEndpoints {
  #ports: LocalPorts = {};
  #interfaces: readonly InterfaceAddress[] = [];
  readonly #mapped = new Map<AddressFamily, Endpoint>();

  setPorts(ports: LocalPorts): void {
    this.#ports = ports;
  }

  get families(): ReadonlySet<AddressFamily> {
    const families = new Set<AddressFamily>();
    for (const family of ["ipv4", "ipv6"] as const) {
      if (this.#ports[family] !== undefined) families.add(family);
    }
    return families;
  }

  setInterfaces(addresses: readonly InterfaceAddress[]): void {
    this.#interfaces = addresses;
  }

  /** What STUN said, or that it says nothing any more. */
  setMapped(family: AddressFamily, endpoint: Endpoint | undefined): void {
    if (endpoint === undefined) this.#mapped.delete(family);
    else this.#mapped.set(family, endpoint);
  }

  /** Whether an endpoint is one of our own sockets. */
  isOurs({ address, port }: Endpoint): boolean {
    return this.#ports[familyOf(address)] === port && (scopeOf(address) === "loopback" ||
      this.#interfaces.some((own) => equalBytes(own.address, address)));
  }

  list(): Endpoint[] {
    const endpoints: Endpoint[] = [];
    for (const family of ["ipv4", "ipv6"] as const) {
      const mapped = this.#mapped.get(family);
      if (mapped !== undefined) endpoints.push(mapped);
    }
    endpoints.push(...this.#local(endpoints.length > 0));
    const seen = new Set<string>();
    return endpoints.filter((endpoint) => {
      const key = endpointKey(endpoint);
      return !seen.has(key) && seen.add(key);
    }).slice(0, MAX_OWN_ENDPOINTS);
  }

  /** Regular addresses; those of last resort only where a family has no regular one; loopback when there is nothing else. */
  #local(hasMapped: boolean): Endpoint[] {
    const regular: Endpoint[] = [];
    const resort: Endpoint[] = [];
    const loopback: Endpoint[] = [];
    for (const { name, address } of this.#interfaces) {
      const family = familyOf(address);
      const port = this.#ports[family];
      if (port === undefined || LEFT_OUT_INTERFACES.test(name) || isInTunnel(address)) continue;
      const scope = scopeOf(address);
      const isUnique = scope === "private" && family === "ipv6";
      const isLinkLocal = scope === "link-local" && family === "ipv4";
      if (isUnique || isLinkLocal) resort.push({ address, port });
      else if (scope === "global" || scope === "private") regular.push({ address, port });
      else if (scope === "loopback") loopback.push({ address, port });
    }
    const hasRegular = (family: AddressFamily) =>
      regular.some(({ address }) => familyOf(address) === family);
    const used = [
      ...regular,
      ...resort.filter(({ address }) => !hasRegular(familyOf(address))),
    ];
    return used.length === 0 && !hasMapped ? loopback : used;
  }
}

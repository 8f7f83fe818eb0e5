/**
 * Where UDP may reach somebody: one form for disco messages, the coordinator's nodes, STUN and sockets, and what kind of
 * address it is (RFC 6890 and what it lists). Texts are read and made by the rooms above.
 */
import { assertLength, equalBytes, toHex } from "../base/bytes.ts";
import { IPV6_ADDRESS_BYTES } from "./ipv6.ts";

export interface Endpoint {
  /** 16 bytes; IPv4 is mapped (RFC 4291 §2.5.5.2). */
  readonly address: Uint8Array;
  readonly port: number;
}

export type AddressFamily = "ipv4" | "ipv6";

/** From where an address can be reached, as far as that decides whom to send to. */
export type AddressScope =
  | "unspecified"
  | "loopback"
  | "link-local"
  /** RFC 1918, RFC 6598 (shared) and RFC 4193 (unique local). */
  | "private"
  | "multicast"
  /** Broadcast, "this network" and what is reserved: nobody is there. */
  | "reserved"
  | "global";

const IPV4_BYTES = 4;
const IPV4_OFFSET = 12;
const MAPPED_PREFIX = new Uint8Array([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]);

/** The 16-byte form of a 4-byte address. */
export function mapIpv4(address: Uint8Array): Uint8Array<ArrayBuffer> {
  assertLength(address, IPV4_BYTES, "address");
  const mapped = new Uint8Array(IPV6_ADDRESS_BYTES);
  mapped.set(MAPPED_PREFIX);
  mapped.set(address, IPV4_OFFSET);
  return mapped;
}

/** The last 4 bytes of a mapped address, a view into it; `undefined` for a real IPv6 address. */
export function unmapIpv4(address: Uint8Array): Uint8Array | undefined {
  assertLength(address, IPV6_ADDRESS_BYTES, "address");
  const isMapped = equalBytes(address.subarray(0, IPV4_OFFSET), MAPPED_PREFIX);
  return isMapped ? address.subarray(IPV4_OFFSET) : undefined;
}

export function familyOf(address: Uint8Array): AddressFamily {
  return unmapIpv4(address) === undefined ? "ipv6" : "ipv4";
}

export function equalEndpoints(a: Endpoint, b: Endpoint): boolean {
  return a.port === b.port && equalBytes(a.address, b.address);
}

/** The same text for equal endpoints, for the keys of a map. */
export function endpointKey(endpoint: Endpoint): string {
  return `${toHex(endpoint.address)}:${endpoint.port}`;
}

/** What kind of address 16 bytes are. */
export function scopeOf(address: Uint8Array): AddressScope {
  const ipv4 = unmapIpv4(address);
  return ipv4 === undefined ? scopeOfIpv6(address) : scopeOfIpv4(ipv4);
}

function scopeOfIpv4(address: Uint8Array): AddressScope {
  const [a = 0, b = 0] = address;
  if (address.every((byte) => byte === 0)) return "unspecified";
  if (a === 127) return "loopback";
  if (a === 169 && b === 254) return "link-local"; // RFC 3927
  if (a === 10 || (a === 172 && b >> 4 === 1) || (a === 192 && b === 168)) return "private";
  if (a === 100 && b >> 6 === 1) return "private"; // RFC 6598
  if (a >> 4 === 0xe) return "multicast";
  return a === 0 || a >> 4 === 0xf ? "reserved" : "global";
}

function scopeOfIpv6(address: Uint8Array): AddressScope {
  const [a = 0, b = 0] = address;
  const last = address[IPV6_ADDRESS_BYTES - 1] ?? 0;
  if (address.subarray(0, IPV6_ADDRESS_BYTES - 1).every((byte) => byte === 0)) {
    if (last === 0) return "unspecified";
    return last === 1 ? "loopback" : "reserved";
  }
  if (a === 0xff) return "multicast";
  if (a === 0xfe && b >> 6 === 2) return "link-local";
  if (a >> 1 === 0xfc >> 1) return "private";
  return a === 0 ? "reserved" : "global";
}

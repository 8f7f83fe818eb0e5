/**
 * Where a datagram comes from or goes to, as disco writes it (coder/tailscale `disco/disco.go`, `CallMeMaybe`, `Pong`).
 *   endpoint, 18 bytes: address 16, IPv4 as ::ffff:a.b.c.d | port u16be
 * Texts of addresses are made and read by the rooms above.
 */
import { assertLength, type ByteReader, type ByteWriter, equalBytes } from "../base/bytes.ts";

export interface Endpoint {
  /** 16 bytes; IPv4 is mapped (RFC 4291 §2.5.5.2). */
  readonly address: Uint8Array;
  readonly port: number;
}

export const ENDPOINT_BYTES = 18;
const ADDRESS_BYTES = 16;
const IPV4_BYTES = 4;
const IPV4_OFFSET = 12;
const MAPPED_PREFIX = new Uint8Array([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]);
/** Stands for a relay where an address is asked for, with the region as port (tailcfg `DerpMagicIP`). */
const RELAY_ADDRESS = new Uint8Array([127, 3, 3, 40]);
const PORT_MASK = 0xffff;

/** The 16-byte form of a 4-byte address. */
export function mapIpv4(address: Uint8Array): Uint8Array<ArrayBuffer> {
  assertLength(address, IPV4_BYTES, "address");
  const mapped = new Uint8Array(ADDRESS_BYTES);
  mapped.set(MAPPED_PREFIX);
  mapped.set(address, IPV4_OFFSET);
  return mapped;
}

/** The last 4 bytes of a mapped address, a view into it; `undefined` for a real IPv6 address. */
export function unmapIpv4(address: Uint8Array): Uint8Array | undefined {
  assertLength(address, ADDRESS_BYTES, "address");
  const isMapped = equalBytes(address.subarray(0, IPV4_OFFSET), MAPPED_PREFIX);
  return isMapped ? address.subarray(IPV4_OFFSET) : undefined;
}

/** What a pong over a relay reports as the source it saw. */
export function relayEndpoint(regionId: number): Endpoint {
  return { address: mapIpv4(RELAY_ADDRESS), port: regionId & PORT_MASK };
}

export function equalEndpoints(a: Endpoint, b: Endpoint): boolean {
  return a.port === b.port && equalBytes(a.address, b.address);
}

/** Throws `RangeError` when 18 bytes are not left. The address is a copy. */
export function readEndpoint(reader: ByteReader): Endpoint {
  return { address: reader.copy(ADDRESS_BYTES), port: reader.u16be() };
}

export function writeEndpoint(writer: ByteWriter, endpoint: Endpoint): void {
  assertLength(endpoint.address, ADDRESS_BYTES, "address");
  writer.bytes(endpoint.address).u16be(endpoint.port);
}

/**
 * Where a datagram comes from or goes to, as disco writes it (coder/tailscale `disco/disco.go`, `CallMeMaybe`, `Pong`).
 *   endpoint, 18 bytes: address 16, IPv4 as ::ffff:a.b.c.d | port u16be
 */
import { assertLength, type ByteReader, type ByteWriter } from "../base/bytes.ts";
import { type Endpoint, mapIpv4 } from "../wire/endpoint.ts";
import { IPV6_ADDRESS_BYTES } from "../wire/ipv6.ts";

export const ENDPOINT_BYTES = IPV6_ADDRESS_BYTES + 2;
/** Stands for a relay where an address is asked for, with the region as port (tailcfg `DerpMagicIP`). */
const RELAY_ADDRESS = new Uint8Array([127, 3, 3, 40]);
const PORT_MASK = 0xffff;

/** What a pong over a relay reports as the source it saw. */
export function relayEndpoint(regionId: number): Endpoint {
  return { address: mapIpv4(RELAY_ADDRESS), port: regionId & PORT_MASK };
}

/** Throws `RangeError` when 18 bytes are not left. The address is a copy. */
export function readEndpoint(reader: ByteReader): Endpoint {
  return { address: reader.copy(IPV6_ADDRESS_BYTES), port: reader.u16be() };
}

export function writeEndpoint(writer: ByteWriter, endpoint: Endpoint): void {
  assertLength(endpoint.address, IPV6_ADDRESS_BYTES, "address");
  writer.bytes(endpoint.address).u16be(endpoint.port);
}

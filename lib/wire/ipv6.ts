/**
 * IPv6 header (RFC 8200 §3). Extension headers, fragments and flow labels are left out: the tunnel carries none,
 * and what we do not understand is dropped above.
 *   version 4 bits | traffic class 8 bits | flow label 20 bits | payload length u16 | next header u8 | hop limit u8 |
 *   source 16 | destination 16                                                    40 bytes, big-endian
 */

export const IPV6_HEADER_BYTES = 40;
export const IPV6_ADDRESS_BYTES = 16;
/** Offset of the source address; the destination follows. */
export const IPV6_SOURCE_OFFSET = 8;
export const IPV6_DESTINATION_OFFSET = 24;
/** In the first four bits. */
export const IPV6_VERSION = 6;
export const IPV6_PAYLOAD_LENGTH_OFFSET = 4;

/** Next-header codes we speak (IANA protocol numbers). 99 is "any private encryption scheme", used by TSMP. */
export const NextHeader = { tcp: 6, udp: 17, icmpv6: 58, tsmp: 99 } as const;
export type NextHeader = (typeof NextHeader)[keyof typeof NextHeader];

/** What the tunnel's other end sends as well. */
export const DEFAULT_HOP_LIMIT = 64;

const NEXT_HEADER_OFFSET = 6;
const HOP_LIMIT_OFFSET = 7;
/** First byte of every multicast address (RFC 4291 §2.7). */
const MULTICAST_PREFIX = 0xff;

/** Why a packet is no IPv6 packet we can read. */
export type Ipv6Reason = "ipv6-truncated" | "ipv6-version" | "ipv6-length";

/** The fields of a header, in an object that is meant to be reused. Addresses stay in the packet. */
export class Ipv6Header {
  payloadBytes = 0;
  nextHeader = 0;
  hopLimit = 0;
}

/**
 * Reads the header at `offset` of a packet of `length` bytes into `header`; a reason when it cannot be trusted.
 * Bytes behind the payload are allowed: the tunnel pads. After `undefined`, `payloadBytes` lie within `length`.
 */
export function parseIpv6(
  view: DataView,
  offset: number,
  length: number,
  header: Ipv6Header,
): Ipv6Reason | undefined {
  if (length < IPV6_HEADER_BYTES) return "ipv6-truncated";
  if (view.getUint8(offset) >>> 4 !== IPV6_VERSION) return "ipv6-version";
  header.payloadBytes = view.getUint16(offset + IPV6_PAYLOAD_LENGTH_OFFSET);
  header.nextHeader = view.getUint8(offset + NEXT_HEADER_OFFSET);
  header.hopLimit = view.getUint8(offset + HOP_LIMIT_OFFSET);
  if (IPV6_HEADER_BYTES + header.payloadBytes > length) return "ipv6-length";
  return undefined;
}

/** Writes a header with traffic class and flow label zero. Addresses are 16 bytes each. */
export function writeIpv6(
  view: DataView,
  offset: number,
  header: Ipv6Header,
  source: Uint8Array,
  destination: Uint8Array,
): void {
  view.setUint32(offset, (IPV6_VERSION << 28) >>> 0);
  view.setUint16(offset + IPV6_PAYLOAD_LENGTH_OFFSET, header.payloadBytes);
  view.setUint8(offset + NEXT_HEADER_OFFSET, header.nextHeader);
  view.setUint8(offset + HOP_LIMIT_OFFSET, header.hopLimit);
  for (let i = 0; i < IPV6_ADDRESS_BYTES; i++) {
    view.setUint8(offset + IPV6_SOURCE_OFFSET + i, source[i] ?? 0);
    view.setUint8(offset + IPV6_DESTINATION_OFFSET + i, destination[i] ?? 0);
  }
}

/** Whether the 16 bytes at `offset` are `address`. */
export function isAddressAt(view: DataView, offset: number, address: Uint8Array): boolean {
  for (let i = IPV6_ADDRESS_BYTES - 1; i >= 0; i--) {
    if (view.getUint8(offset + i) !== address[i]) return false;
  }
  return true;
}

/** A copy of the address at `offset`. */
export function addressAt(view: DataView, offset: number): Uint8Array<ArrayBuffer> {
  const address = new Uint8Array(IPV6_ADDRESS_BYTES);
  for (let i = 0; i < IPV6_ADDRESS_BYTES; i++) address[i] = view.getUint8(offset + i);
  return address;
}

export function isMulticastAt(view: DataView, offset: number): boolean {
  return view.getUint8(offset) === MULTICAST_PREFIX;
}

/**
 * UDP header over IPv6 (RFC 768, RFC 8200 §8.1), stateless.
 *   source port u16 | destination port u16 | length u16, header included | checksum u16      8 bytes, big-endian
 */
import { addSums, checksumOf, isIntact, sumBytes, sumOfPseudoHeader } from "./checksum.ts";
import { IPV6_ADDRESS_BYTES, NextHeader } from "./ipv6.ts";

export const UDP_HEADER_BYTES = 8;

const LENGTH_OFFSET = 4;
const CHECKSUM_OFFSET = 6;

/** Why bytes are no UDP datagram. */
export type UdpReason = "udp-truncated" | "udp-length" | "udp-no-checksum" | "udp-checksum";

/** The fields of a datagram, meant to be reused. */
export class UdpHeader {
  sourcePort = 0;
  destinationPort = 0;
  payloadBytes = 0;
}

/**
 * Reads the datagram of at most `length` bytes at `offset` and verifies its checksum; the addresses are at
 * `addressesOffset`. After `undefined` the payload of `payloadBytes` follows the header.
 */
export function parseUdp(
  view: DataView,
  offset: number,
  length: number,
  addressesOffset: number,
  header: UdpHeader,
): UdpReason | undefined {
  if (length < UDP_HEADER_BYTES) return "udp-truncated";
  const datagramBytes = view.getUint16(offset + LENGTH_OFFSET);
  if (datagramBytes < UDP_HEADER_BYTES || datagramBytes > length) return "udp-length";
  if (view.getUint16(offset + CHECKSUM_OFFSET) === 0) return "udp-no-checksum"; // RFC 8200 §8.1: not optional
  const addressSum = sumBytes(view, addressesOffset, 2 * IPV6_ADDRESS_BYTES);
  const pseudo = addSums(addressSum, sumOfPseudoHeader(datagramBytes, NextHeader.udp));
  if (!isIntact(addSums(pseudo, sumBytes(view, offset, datagramBytes)))) return "udp-checksum";
  header.sourcePort = view.getUint16(offset);
  header.destinationPort = view.getUint16(offset + 2);
  header.payloadBytes = datagramBytes - UDP_HEADER_BYTES;
  return undefined;
}

/** Writes the header before a payload that is in place already, checksum included. Addresses at `addressesOffset`. */
export function writeUdp(
  view: DataView,
  offset: number,
  addressesOffset: number,
  header: UdpHeader,
): void {
  const datagramBytes = UDP_HEADER_BYTES + header.payloadBytes;
  view.setUint16(offset, header.sourcePort);
  view.setUint16(offset + 2, header.destinationPort);
  view.setUint16(offset + LENGTH_OFFSET, datagramBytes);
  view.setUint16(offset + CHECKSUM_OFFSET, 0);
  const addressSum = sumBytes(view, addressesOffset, 2 * IPV6_ADDRESS_BYTES);
  const pseudo = addSums(addressSum, sumOfPseudoHeader(datagramBytes, NextHeader.udp));
  const checksum = checksumOf(addSums(pseudo, sumBytes(view, offset, datagramBytes)));
  // RFC 8200 §8.1: a computed zero is sent as 0xffff, for zero says "none".
  view.setUint16(offset + CHECKSUM_OFFSET, checksum === 0 ? 0xffff : checksum);
}

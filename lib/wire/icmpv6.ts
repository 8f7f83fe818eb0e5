/**
 * ICMPv6 (RFC 4443): the common header and the echo messages (§4.1, §4.2). Errors are recognized by their type only.
 *   type u8 | code u8 | checksum u16 | body; echo body: identifier u16 | sequence u16 | data      big-endian
 */
import { addSums, checksumOf, isIntact, sumBytes, sumOfPseudoHeader } from "./checksum.ts";
import { IPV6_ADDRESS_BYTES, NextHeader } from "./ipv6.ts";

/** Common header plus identifier and sequence number. */
export const ICMPV6_ECHO_HEADER_BYTES = 8;

/** Message types (RFC 4443 §3, §4). */
export const Icmpv6Type = {
  destinationUnreachable: 1,
  packetTooBig: 2,
  timeExceeded: 3,
  parameterProblem: 4,
  echoRequest: 128,
  echoReply: 129,
} as const;
export type Icmpv6Type = (typeof Icmpv6Type)[keyof typeof Icmpv6Type];

const HEADER_BYTES = 4;
const CHECKSUM_OFFSET = 2;

/** Why bytes are no ICMPv6 message. */
export type Icmpv6Reason = "icmpv6-truncated" | "icmpv6-checksum";

/** The fields of a message, meant to be reused. */
export class Icmpv6Header {
  type = 0;
  code = 0;
}

/** Reads the message of `length` bytes at `offset` and verifies its checksum; the addresses are at `addressesOffset`. */
export function parseIcmpv6(
  view: DataView,
  offset: number,
  length: number,
  addressesOffset: number,
  header: Icmpv6Header,
): Icmpv6Reason | undefined {
  if (length < HEADER_BYTES) return "icmpv6-truncated";
  if (!isIntact(sumOfMessage(view, offset, length, addressesOffset))) return "icmpv6-checksum";
  header.type = view.getUint8(offset);
  header.code = view.getUint8(offset + 1);
  return undefined;
}

/** Writes type, code and checksum of a message of `length` bytes at `offset`, whose body is in place already. */
export function writeIcmpv6(
  view: DataView,
  offset: number,
  length: number,
  addressesOffset: number,
  header: Icmpv6Header,
): void {
  view.setUint8(offset, header.type);
  view.setUint8(offset + 1, header.code);
  view.setUint16(offset + CHECKSUM_OFFSET, 0);
  const sum = sumOfMessage(view, offset, length, addressesOffset);
  view.setUint16(offset + CHECKSUM_OFFSET, checksumOf(sum));
}

function sumOfMessage(
  view: DataView,
  offset: number,
  length: number,
  addressesOffset: number,
): number {
  const addressSum = sumBytes(view, addressesOffset, 2 * IPV6_ADDRESS_BYTES);
  const pseudo = addSums(addressSum, sumOfPseudoHeader(length, NextHeader.icmpv6));
  return addSums(pseudo, sumBytes(view, offset, length));
}

/**
 * STUN binding requests and responses (RFC 8489 §5, §14), as much as asking for our mapped address takes.
 *   header, 20 bytes: type u16be | length of the attributes u16be | cookie u32be | transaction id 12
 *   attribute:        type u16be | length u16be | value, padded to 4
 * Tailscale's servers answer only requests with their SOFTWARE and a final FINGERPRINT (tailscale `net/stun/stun.go`,
 * `ParseBindingRequest`), so that ours carry both. Not here: retries, and every other method of the RFC.
 */
import { assertLength, ByteReader, ByteWriter, equalBytes } from "../base/bytes.ts";
import { type Endpoint, mapIpv4, unmapIpv4 } from "../wire/endpoint.ts";

const COOKIE = 0x2112a442;
const COOKIE_BYTES = new Uint8Array([0x21, 0x12, 0xa4, 0x42]);
const COOKIE_OFFSET = 4;
const COOKIE_TOP_HALF = COOKIE >>> 16;
const BINDING_REQUEST = 0x0001;
const BINDING_SUCCESS = 0x0101;
const HEADER_BYTES = 20;
const ATTRIBUTE_HEADER_BYTES = 4;
/** The first two bits of every STUN message are zero (RFC 8489 §5). */
const MAX_FIRST_BYTE = 0x3f;

export const STUN_TRANSACTION_ID_BYTES = 12;
const StunAttribute = {
  mappedAddress: 0x0001,
  xorMappedAddress: 0x0020,
  /** The same, moved by some servers into the range that may be ignored. */
  xorMappedAddressAlt: 0x8020,
  software: 0x8022,
  fingerprint: 0x8028,
} as const;
const StunFamily = { ipv4: 1, ipv6: 2 } as const;
const SOFTWARE = new TextEncoder().encode("tailnode");
const FINGERPRINT_BYTES = 4;
const FINGERPRINT_XOR = 0x5354554e; // RFC 8489 §14.7
const CRC32_POLYNOMIAL = 0xedb88320;

export type StunFault = {
  readonly kind: "invalid";
  readonly reason: "not-stun" | "type" | "malformed" | "no-address" | "software" | "fingerprint";
};
export type StunRequest = { readonly kind: "request"; readonly transactionId: Uint8Array };
export type StunResponse = {
  readonly kind: "response";
  readonly transactionId: Uint8Array;
  /** Where the request came from, as the server saw it. */
  readonly endpoint: Endpoint;
};

/** Whether a datagram looks like STUN. Makes no object: each packet of bulk is asked. */
export function isStun(datagram: Uint8Array): boolean {
  if (datagram.length < HEADER_BYTES || (datagram[0] ?? 0) > MAX_FIRST_BYTE) return false;
  for (let i = 0; i < COOKIE_BYTES.length; i++) {
    if (datagram[COOKIE_OFFSET + i] !== COOKIE_BYTES[i]) return false;
  }
  return true;
}

/** A binding request of 40 bytes. `transactionId` 12 fresh bytes. */
export function encodeStunRequest(transactionId: Uint8Array): Uint8Array {
  const softwareBytes = ATTRIBUTE_HEADER_BYTES + SOFTWARE.length;
  const fingerprintBytes = ATTRIBUTE_HEADER_BYTES + FINGERPRINT_BYTES;
  const [message, writer] = begin(BINDING_REQUEST, transactionId, softwareBytes + fingerprintBytes);
  writer.u16be(StunAttribute.software).u16be(SOFTWARE.length).bytes(SOFTWARE);
  const covered = message.subarray(0, writer.offset);
  writer.u16be(StunAttribute.fingerprint).u16be(FINGERPRINT_BYTES).u32be(fingerprintOf(covered));
  return message;
}

/** A server's answer that the request came from `endpoint`. */
export function encodeStunResponse(transactionId: Uint8Array, endpoint: Endpoint): Uint8Array {
  const ipv4 = unmapIpv4(endpoint.address);
  const address = ipv4 ?? endpoint.address;
  const valueBytes = 4 + address.length;
  const [message, writer] = begin(
    BINDING_SUCCESS,
    transactionId,
    ATTRIBUTE_HEADER_BYTES + valueBytes,
  );
  writer.u16be(StunAttribute.xorMappedAddress).u16be(valueBytes);
  writer.u8(0).u8(ipv4 === undefined ? StunFamily.ipv6 : StunFamily.ipv4);
  writer.u16be(endpoint.port ^ COOKIE_TOP_HALF).bytes(xorAddress(address, message));
  return message;
}

/** A request that a strict server answers, or why not. Never throws. For doubles of such a server. */
export function decodeStunRequest(datagram: Uint8Array): StunRequest | StunFault {
  const attributes = attributesOf(datagram, BINDING_REQUEST);
  if (!Array.isArray(attributes)) return attributes;
  const software = attributes.find(({ type }) => type === StunAttribute.software);
  if (software === undefined || !equalBytes(software.value, SOFTWARE)) return fault("software");
  const last = attributes.at(-1);
  const isRight = last?.type === StunAttribute.fingerprint &&
    last.value.length === FINGERPRINT_BYTES &&
    new ByteReader(last.value).u32be() === fingerprintOf(datagram.subarray(0, last.at));
  return isRight ? { kind: "request", transactionId: transactionIdOf(datagram) } : fault(
    "fingerprint",
  );
}

/** Our address as a server's response tells it, or why it does not. Never throws. */
export function decodeStunResponse(datagram: Uint8Array): StunResponse | StunFault {
  const attributes = attributesOf(datagram, BINDING_SUCCESS);
  if (!Array.isArray(attributes)) return attributes;
  let endpoint: Endpoint | undefined;
  let fallback: Endpoint | undefined;
  for (const { type, value } of attributes) {
    if (type === StunAttribute.xorMappedAddress || type === StunAttribute.xorMappedAddressAlt) {
      endpoint = decodeAddress(value, datagram);
      if (endpoint === undefined) return fault("malformed");
    } else if (type === StunAttribute.mappedAddress) {
      fallback = decodeAddress(value, undefined);
      if (fallback === undefined) return fault("malformed");
    }
  }
  endpoint ??= fallback;
  if (endpoint === undefined) return fault("no-address");
  return { kind: "response", transactionId: transactionIdOf(datagram), endpoint };
}

interface Attribute {
  readonly type: number;
  /** A view into the datagram. */
  readonly value: Uint8Array;
  /** Where the attribute begins in the datagram. */
  readonly at: number;
}

/** All attributes of a message of this type; what follows the header's length is ignored. */
function attributesOf(datagram: Uint8Array, expectedType: number): Attribute[] | StunFault {
  if (!isStun(datagram)) return fault("not-stun");
  const header = new ByteReader(datagram);
  if (header.u16be() !== expectedType) return fault("type");
  const end = HEADER_BYTES + header.u16be();
  if (end > datagram.length) return fault("malformed");
  const reader = new ByteReader(datagram.subarray(0, end), HEADER_BYTES);
  const attributes: Attribute[] = [];
  while (reader.remaining > 0) {
    const at = reader.offset;
    if (reader.remaining < ATTRIBUTE_HEADER_BYTES) return fault("malformed");
    const type = reader.u16be();
    const valueBytes = reader.u16be();
    const paddingBytes = (4 - valueBytes % 4) % 4;
    if (reader.remaining < valueBytes + paddingBytes) return fault("malformed");
    attributes.push({ type, value: reader.view(valueBytes), at });
    reader.skip(paddingBytes);
  }
  return attributes;
}

/** MAPPED-ADDRESS (RFC 8489 §14.1), or with the message whose header it is XORed with, XOR-MAPPED-ADDRESS (§14.2). */
function decodeAddress(value: Uint8Array, xoredWith: Uint8Array | undefined): Endpoint | undefined {
  if (value.length < 4) return undefined;
  const reader = new ByteReader(value, 1);
  const family = reader.u8();
  const port = reader.u16be() ^ (xoredWith === undefined ? 0 : COOKIE_TOP_HALF);
  const addressBytes = family === StunFamily.ipv4 ? 4 : family === StunFamily.ipv6 ? 16 : undefined;
  if (addressBytes === undefined || reader.remaining < addressBytes) return undefined;
  const plain = reader.copy(addressBytes);
  const address = xoredWith === undefined ? plain : xorAddress(plain, xoredWith);
  return { address: addressBytes === 4 ? mapIpv4(address) : address, port };
}

/** `address` XOR cookie and transaction id, which follow each other in every header. */
function xorAddress(address: Uint8Array, message: Uint8Array): Uint8Array {
  return address.map((byte, i) => byte ^ (message[COOKIE_OFFSET + i] ?? 0));
}

function transactionIdOf(message: Uint8Array): Uint8Array {
  return new ByteReader(message, HEADER_BYTES - STUN_TRANSACTION_ID_BYTES)
    .copy(STUN_TRANSACTION_ID_BYTES);
}

function begin(
  type: number,
  transactionId: Uint8Array,
  attributeBytes: number,
): [Uint8Array, ByteWriter] {
  assertLength(transactionId, STUN_TRANSACTION_ID_BYTES, "transactionId");
  const message = new Uint8Array(HEADER_BYTES + attributeBytes);
  const writer = new ByteWriter(message);
  writer.u16be(type).u16be(attributeBytes).u32be(COOKIE).bytes(transactionId);
  return [message, writer];
}

function fault(reason: StunFault["reason"]): StunFault {
  return { kind: "invalid", reason };
}

/** CRC-32 of ITU-T V.42, XORed (RFC 8489 §14.7). Bit by bit: there are 32 bytes, now and then. */
function fingerprintOf(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) {
      crc = (crc >>> 1) ^ (CRC32_POLYNOMIAL & -(crc & 1));
    }
  }
  return (~crc ^ FINGERPRINT_XOR) >>> 0;
}

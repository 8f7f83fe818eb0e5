/**
 * Addresses inside the workspace network and where they come from (coder/coder, `tailnet/conn.go`
 * `ServicePrefix.AddrFromUUID`, `IPFromUUID`, `NodeID`): a UUID with its first six bytes replaced by a /48.
 * Also the texts of UUIDs and IPv6 addresses. An address is 16 bytes, a UUID is 16 bytes in RFC 4122 order.
 */
import { assertLength, ByteReader, concatBytes, fromHex, toHex } from "../base/bytes.ts";
import { randomBytes } from "../base/core.ts";
import type { Random } from "../base/core.ts";
import { IPV6_ADDRESS_BYTES } from "../wire/ipv6.ts";

export const UUID_BYTES = 16;

/** fd7a:115c:a1e0::/48, in which every agent of every release owns an address (coder/coder `tailnet/conn.go`). */
export const TAILSCALE_PREFIX: Readonly<Uint8Array> = fromHex("fd7a115ca1e0");
/** fd60:627a:a42b::/48, owned besides by agents since v2.17. */
export const CODER_PREFIX: Readonly<Uint8Array> = fromHex("fd60627aa42b");

/** What agents before v2.16 own besides, and those before v0.26.2 alone: the same for all of them. */
export const LEGACY_AGENT_ADDRESS: Readonly<Uint8Array> = fromHex(
  "fd7a115ca1e049d6b259b7acb1b248f4",
);

const INT63_MASK = (1n << 63n) - 1n;
const UUID_TEXT = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** The 16 bytes of `3a5b2a46-b6af-4365-8859-479cedf5c885`; `undefined` when `text` is no UUID. */
export function parseUuid(text: string): Uint8Array<ArrayBuffer> | undefined {
  return UUID_TEXT.test(text) ? fromHex(text.replaceAll("-", "")) : undefined;
}

/** Lower-case text of a UUID. */
export function formatUuid(uuid: Uint8Array): string {
  assertLength(uuid, UUID_BYTES, "uuid");
  const hex = toHex(uuid);
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)]
    .join("-");
}

/** A random UUID, version 4 (RFC 9562 §5.4). */
export function randomUuid(random: Random): Uint8Array<ArrayBuffer> {
  const uuid = randomBytes(random, UUID_BYTES);
  uuid[6] = ((uuid[6] ?? 0) & 0x0f) | 0x40;
  uuid[8] = ((uuid[8] ?? 0) & 0x3f) | 0x80;
  return uuid;
}

/** The address that an agent answers at, from v0.26.2 on. */
export function addressOfUuid(
  uuid: Uint8Array,
  prefix: Readonly<Uint8Array> = TAILSCALE_PREFIX,
): Uint8Array<ArrayBuffer> {
  assertLength(uuid, UUID_BYTES, "uuid");
  return concatBytes(prefix, uuid.subarray(prefix.length));
}

/** A fresh address for ourselves; it stays the same for the tunnel's life. */
export function randomAddress(random: Random): Uint8Array<ArrayBuffer> {
  return addressOfUuid(randomUuid(random));
}

/** A fresh node id: a positive int64. */
export function randomNodeId(random: Random): bigint {
  for (;;) {
    const id = new ByteReader(randomBytes(random, 8)).u64be() & INT63_MASK;
    if (id !== 0n) return id;
  }
}

/** The node id of an agent: the last eight bytes of its UUID as int64, without the sign. */
export function nodeIdOfUuid(uuid: Uint8Array): bigint {
  assertLength(uuid, UUID_BYTES, "uuid");
  const signed = BigInt.asIntN(64, new ByteReader(uuid, 8).u64be());
  return signed < 0n ? -signed : signed;
}

/** The 16 bytes of an IPv6 address in any text form but zoned and v4-mapped dotted ones (RFC 4291 §2.2). */
export function parseIpv6Text(text: string): Uint8Array<ArrayBuffer> | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const [head = [], tail = []] = halves.map((half) => half === "" ? [] : half.split(":"));
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const groups = [...head, ...new Array<string>(missing).fill("0"), ...tail];
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return undefined;
  return fromHex(groups.map((group) => group.padStart(4, "0")).join(""));
}

/** Canonical text (RFC 5952): lower case, no leading zeros, the longest run of two or more zero groups as `::`. */
export function formatIpv6(address: Uint8Array): string {
  assertLength(address, IPV6_ADDRESS_BYTES, "address");
  const reader = new ByteReader(address);
  const groups = Array.from({ length: 8 }, () => reader.u16be().toString(16));
  let bestAt = -1;
  let bestLength = 1; // a single zero group is not shortened
  for (let at = 0; at < 8; at++) {
    let length = 0;
    while (groups[at + length] === "0") length++;
    if (length > bestLength) {
      bestAt = at;
      bestLength = length;
    }
  }
  if (bestAt < 0) return groups.join(":");
  return `${groups.slice(0, bestAt).join(":")}::${groups.slice(bestAt + bestLength).join(":")}`;
}

/** The four bytes of a dotted IPv4 address, `undefined` for anything else (leading zeros are none of Go's either). */
export function parseIpv4(text: string): Uint8Array<ArrayBuffer> | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  const bytes = new Uint8Array(4);
  for (const [at, part] of parts.entries()) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined;
    bytes[at] = Number(part);
  }
  return bytes;
}

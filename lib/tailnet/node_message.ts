/**
 * One end of a tunnel as it announces itself: our typed form and the protobuf `Node` (coder/coder,
 * `tailnet/convert.go` `NodeToProto`, `ProtoToNode`; key forms in coder/tailscale `types/key/node.go`, `disco.go`).
 *   Node.key: "np" | public key 32        Node.disco: text "discokey:" and 64 hexadecimal digits
 *   Node.addresses, allowed_ips: "<IPv6>/128"        Node.endpoints: "<IPv4>:<port>" or "[<IPv6>]:<port>"
 * What we cannot use is left out, not refused: other prefixes than /128, zoned endpoints. A node without usable keys
 * is no node.
 */
import { assertLength, concatBytes, fromHex, KEY_BYTES, toHex } from "../base/bytes.ts";
import { createNode } from "../proto/tailnet_pb.ts";
import type { Node } from "../proto/tailnet_pb.ts";
import type { Endpoint } from "../wire/endpoint.ts";
import { formatIpv6, parseIpv6Text } from "./address.ts";
import { formatEndpoint, parseEndpoint } from "./endpoint_text.ts";

/** More addresses or endpoints of one node than this are not kept. */
export const MAX_LIST_ENTRIES = 64;

/** No address and no endpoint is longer. */
const MAX_TEXT_CHARS = 64;

const KEY_PREFIX = new TextEncoder().encode("np");
const DISCO_PREFIX = "discokey:";
const HOST_BITS = "/128";

export interface TailnetNode {
  /** A positive int64, constant for the tunnel's life. */
  readonly id: bigint;
  /** Wall-clock milliseconds of the announcement. */
  readonly asOfMs: number;
  /** WireGuard public key, 32 bytes; also the node's name at relays. */
  readonly key: Uint8Array;
  /** Disco public key, 32 bytes. */
  readonly disco: Uint8Array;
  /** Home region; 0: none yet, the node cannot be reached. */
  readonly preferredDerp: number;
  /** `"999-v4"` to seconds. */
  readonly derpLatency: ReadonlyMap<string, number>;
  /** Region to the reason why its relay is used over websockets. */
  readonly derpForcedWebsocket: ReadonlyMap<number, string>;
  /** 16 bytes each, all /128. */
  readonly addresses: readonly Uint8Array[];
  /** 16 bytes each, all /128. */
  readonly allowedIps: readonly Uint8Array[];
  /** Where UDP may reach the node. */
  readonly endpoints: readonly Endpoint[];
}

/** The message that announces `node`. */
export function nodeToProto(node: TailnetNode): Node {
  assertLength(node.key, KEY_BYTES, "key");
  assertLength(node.disco, KEY_BYTES, "disco");
  return createNode({
    id: node.id,
    asOf: timestampOfMs(node.asOfMs),
    key: concatBytes(KEY_PREFIX, node.key),
    disco: DISCO_PREFIX + toHex(node.disco),
    preferredDerp: node.preferredDerp,
    derpLatency: new Map(node.derpLatency),
    derpForcedWebsocket: new Map(node.derpForcedWebsocket),
    addresses: node.addresses.map((address) => formatIpv6(address) + HOST_BITS),
    allowedIps: node.allowedIps.map((address) => formatIpv6(address) + HOST_BITS),
    endpoints: node.endpoints.map(formatEndpoint),
  });
}

/** The node that `message` announces; `undefined` when its keys are none. Keeps no reference to the message. */
export function nodeFromProto(message: Node): TailnetNode | undefined {
  const key = parseBinaryKey(message.key);
  const disco = parseDiscoKey(message.disco);
  if (key === undefined || disco === undefined) return undefined;
  return {
    id: message.id,
    asOfMs: message.asOf === undefined ? 0 : msOfTimestamp(message.asOf),
    key,
    disco,
    // No region has such a number: as good as none.
    preferredDerp: Math.max(0, message.preferredDerp),
    derpLatency: firstOf(message.derpLatency),
    derpForcedWebsocket: firstOf(message.derpForcedWebsocket),
    addresses: parseList(message.addresses, parseHostPrefix),
    allowedIps: parseList(message.allowedIps, parseHostPrefix),
    endpoints: parseList(message.endpoints, parseEndpoint),
  };
}

/** As many entries as are kept. */
function firstOf<Key, Value>(map: ReadonlyMap<Key, Value>): Map<Key, Value> {
  const kept = new Map<Key, Value>();
  for (const [key, value] of map) {
    if (kept.size === MAX_LIST_ENTRIES) break;
    kept.set(key, value);
  }
  return kept;
}

interface Timestamp {
  readonly seconds: bigint;
  readonly nanos: number;
}

const MS_PER_SECOND = 1_000;
const NANOS_PER_MS = 1_000_000;

/** google.protobuf.Timestamp of wall-clock milliseconds; a fraction goes into the nanoseconds. */
export function timestampOfMs(wallMs: number): Timestamp {
  const seconds = Math.floor(wallMs / MS_PER_SECOND);
  const nanos = Math.round((wallMs - seconds * MS_PER_SECOND) * NANOS_PER_MS);
  return { seconds: BigInt(seconds), nanos: Math.min(nanos, 999_999_999) };
}

/** Milliseconds of a google.protobuf.Timestamp or Duration. */
export function msOfTimestamp({ seconds, nanos }: Timestamp): number {
  return Number(seconds) * MS_PER_SECOND + nanos / NANOS_PER_MS;
}

function parseBinaryKey(bytes: Uint8Array): Uint8Array | undefined {
  const hasPrefix = bytes[0] === KEY_PREFIX[0] && bytes[1] === KEY_PREFIX[1];
  if (!hasPrefix || bytes.length !== KEY_PREFIX.length + KEY_BYTES) return undefined;
  return bytes.slice(KEY_PREFIX.length);
}

function parseDiscoKey(text: string): Uint8Array | undefined {
  const hex = text.slice(DISCO_PREFIX.length);
  if (!text.startsWith(DISCO_PREFIX) || !/^[0-9a-f]{64}$/i.test(hex)) return undefined;
  return fromHex(hex);
}

function parseHostPrefix(text: string): Uint8Array | undefined {
  return text.endsWith(HOST_BITS) ? parseIpv6Text(text.slice(0, -HOST_BITS.length)) : undefined;
}

function parseList<T>(texts: readonly string[], parse: (text: string) => T | undefined): T[] {
  const parsed: T[] = [];
  for (const text of texts) {
    if (parsed.length === MAX_LIST_ENTRIES) break;
    if (text.length > MAX_TEXT_CHARS) continue;
    const value = parse(text);
    if (value !== undefined) parsed.push(value);
  }
  return parsed;
}

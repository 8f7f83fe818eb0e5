/**
 * A node as JSON, the form before protobuf (coder/coder `tailnet/coordinator.go` `Node` at v2.5; keys in coder/tailscale
 * `types/key/node.go`, `disco.go`).
 *   {id, as_of, key, disco, preferred_derp, derp_latency, derp_forced_websockets, addresses, allowed_ips, endpoints}
 * `id` is an int64 and kept exactly, which needs the digits as they stand in the text. Every list and map may be `null`.
 * What we cannot use is left out, not refused, as in `node_message.ts`; a node without usable keys is no node.
 */
import * as v from "valibot";
import { assertLength, fromHex, KEY_BYTES, toHex } from "../base/bytes.ts";
import { formatIpv6, parseIpv6Text } from "./address.ts";
import { formatEndpoint, parseEndpoint } from "./endpoint_text.ts";
import { MAX_LIST_ENTRIES, type TailnetNode } from "./node_message.ts";

const NODE_PREFIX = "nodekey:";
const DISCO_PREFIX = "discokey:";
const HOST_BITS = "/128";
const MAX_INT64 = (1n << 63n) - 1n;
/** Latencies and reasons of one node beyond this are not kept: two for each region that a map may have. */
const MAX_MAP_ENTRIES = 1024;

const texts = v.nullish(v.array(v.unknown()), []);
const map = v.nullish(v.record(v.string(), v.unknown()), {});

const NODE = v.object({
  id: v.bigint(),
  as_of: v.nullish(v.string(), ""),
  key: v.string(),
  disco: v.string(),
  preferred_derp: v.nullish(v.pipe(v.number(), v.safeInteger(), v.minValue(0)), 0),
  derp_latency: map,
  derp_forced_websockets: map,
  addresses: texts,
  allowed_ips: texts,
  endpoints: texts,
});

type Reviver = (key: string, value: unknown, context: { readonly source?: string }) => unknown;
/** ECMA-262 `JSON.parse` with source text access, which the library types do not know yet. */
const parseWithSource = JSON.parse as (text: string, reviver: Reviver) => unknown;

/**
 * JSON in which every whole number called `id` is a bigint. Throws `SyntaxError`. The text must be bounded in depth, for
 * the reviver descends by calling itself.
 */
export function parseNodeJson(text: string): unknown {
  return parseWithSource(text, (key, value, { source }) => {
    if (key !== "id" || typeof value !== "number") return value;
    return /^-?\d{1,19}$/.test(source ?? "") ? BigInt(source ?? "") : value;
  });
}

/** The node in what `parseNodeJson` gave; `undefined` when it is none. */
export function nodeFromJson(json: unknown): TailnetNode | undefined {
  const parsed = v.safeParse(NODE, json);
  if (!parsed.success) return undefined;
  const wire = parsed.output;
  const key = parseKey(wire.key, NODE_PREFIX);
  const disco = parseKey(wire.disco, DISCO_PREFIX);
  if (key === undefined || disco === undefined || wire.id < -MAX_INT64 || wire.id > MAX_INT64) {
    return undefined;
  }
  const asOfMs = Date.parse(wire.as_of);
  return {
    id: wire.id,
    asOfMs: Number.isNaN(asOfMs) ? 0 : asOfMs,
    key,
    disco,
    preferredDerp: wire.preferred_derp,
    derpLatency: new Map(
      entriesOf(wire.derp_latency).flatMap(([name, value]) =>
        typeof value === "number" ? [[name, value]] : []
      ),
    ),
    derpForcedWebsocket: new Map(
      entriesOf(wire.derp_forced_websockets).flatMap(([region, why]) =>
        /^\d{1,9}$/.test(region) && typeof why === "string" ? [[Number(region), why]] : []
      ),
    ),
    addresses: parseTexts(wire.addresses, parseHostPrefix),
    allowedIps: parseTexts(wire.allowed_ips, parseHostPrefix),
    endpoints: parseTexts(wire.endpoints, parseEndpoint),
  };
}

/** The text that announces `node`. */
export function nodeToJson(node: TailnetNode): string {
  assertLength(node.key, KEY_BYTES, "key");
  assertLength(node.disco, KEY_BYTES, "disco");
  const rest = JSON.stringify({
    as_of: timeOf(node.asOfMs),
    key: NODE_PREFIX + toHex(node.key),
    disco: DISCO_PREFIX + toHex(node.disco),
    preferred_derp: node.preferredDerp,
    derp_latency: Object.fromEntries(node.derpLatency),
    derp_forced_websockets: Object.fromEntries(node.derpForcedWebsocket),
    addresses: node.addresses.map((address) => formatIpv6(address) + HOST_BITS),
    allowed_ips: node.allowedIps.map((address) => formatIpv6(address) + HOST_BITS),
    endpoints: node.endpoints.map(formatEndpoint),
  });
  return `{"id":${node.id},${rest.slice(1)}`;
}

/** RFC 3339; a peer's time that no calendar has is the first of all. */
function timeOf(wallMs: number): string {
  const date = new Date(wallMs);
  const year = date.getUTCFullYear();
  return year >= 0 && year <= 9999 ? date.toISOString() : new Date(0).toISOString();
}

function entriesOf(record: Readonly<Record<string, unknown>>): [string, unknown][] {
  return Object.entries(record).slice(0, MAX_MAP_ENTRIES);
}

function parseKey(text: string, prefix: string): Uint8Array | undefined {
  const hex = text.slice(prefix.length);
  if (!text.startsWith(prefix) || !/^[0-9a-f]{64}$/i.test(hex)) return undefined;
  return fromHex(hex);
}

function parseHostPrefix(text: string): Uint8Array | undefined {
  return text.endsWith(HOST_BITS) ? parseIpv6Text(text.slice(0, -HOST_BITS.length)) : undefined;
}

function parseTexts<T>(list: readonly unknown[], parse: (text: string) => T | undefined): T[] {
  const parsed: T[] = [];
  for (const text of list) {
    if (parsed.length === MAX_LIST_ENTRIES) break;
    const value = typeof text === "string" ? parse(text) : undefined;
    if (value !== undefined) parsed.push(value);
  }
  return parsed;
}

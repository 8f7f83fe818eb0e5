/**
 * Disco messages, the text inside a sealed packet (coder/tailscale `disco/disco.go`, `Parse`, `AppendMarshal`).
 *   any:             type u8 | version u8 | fields
 *   1 ping:          transaction id 12 | sender's node key 32, may be absent | zeros
 *   2 pong:          transaction id 12 | source that the ping came from 18 | zeros
 *   3 call-me-maybe: endpoint 18, repeated; version 0, never padded
 * Pings and pongs are version 0 when bare and 1 when padded; readers look at neither version nor padding.
 */
import { assertLength, ByteReader, ByteWriter, KEY_BYTES } from "../base/bytes.ts";
import type { Endpoint } from "../wire/endpoint.ts";
import { ENDPOINT_BYTES, readEndpoint, writeEndpoint } from "./endpoint.ts";

export const DiscoType = { ping: 1, pong: 2, callMeMaybe: 3 } as const;
export type DiscoType = typeof DiscoType[keyof typeof DiscoType];

export const TRANSACTION_ID_BYTES = 12;
/** More endpoints than any node has; what a peer lists beyond is not read. */
export const MAX_CALL_ME_MAYBE_ENDPOINTS = 64;
const HEADER_BYTES = 2;
const PING_BYTES = HEADER_BYTES + TRANSACTION_ID_BYTES + KEY_BYTES;
const PONG_BYTES = HEADER_BYTES + TRANSACTION_ID_BYTES + ENDPOINT_BYTES;
const BARE_VERSION = 0;
const PADDED_VERSION = 1;

export interface DiscoPing {
  readonly kind: "ping";
  /** 12 bytes. */
  readonly transactionId: Uint8Array;
  /** The WireGuard key that the sender says is its own, 32 bytes; old clients leave it out. */
  readonly nodeKey: Uint8Array | undefined;
}

export interface DiscoPong {
  readonly kind: "pong";
  /** 12 bytes, the ping's. */
  readonly transactionId: Uint8Array;
  /** Where the ping came from, as its receiver saw it. */
  readonly source: Endpoint;
}

export interface DiscoCallMeMaybe {
  readonly kind: "callMeMaybe";
  readonly endpoints: readonly Endpoint[];
}

export type DiscoMessage = DiscoPing | DiscoPong | DiscoCallMeMaybe;
export type DiscoMessageFault = { readonly kind: "invalid"; readonly reason: "short" | "type" };

export interface PaddingOptions {
  /** Length of the whole message, at least; zeros fill it. @default 0, which is none */
  readonly paddedBytes?: number;
}

/** A ping; `nodeKey` 32 bytes, ours. */
export function encodePing(
  ping: { readonly transactionId: Uint8Array; readonly nodeKey: Uint8Array },
  options: PaddingOptions = {},
): Uint8Array {
  assertLength(ping.nodeKey, KEY_BYTES, "nodeKey");
  const [message, writer] = begin(DiscoType.ping, PING_BYTES, options);
  assertLength(ping.transactionId, TRANSACTION_ID_BYTES, "transactionId");
  writer.bytes(ping.transactionId).bytes(ping.nodeKey);
  return message;
}

/** A pong; `source` is where the ping came from. */
export function encodePong(
  pong: { readonly transactionId: Uint8Array; readonly source: Endpoint },
  options: PaddingOptions = {},
): Uint8Array {
  const [message, writer] = begin(DiscoType.pong, PONG_BYTES, options);
  assertLength(pong.transactionId, TRANSACTION_ID_BYTES, "transactionId");
  writer.bytes(pong.transactionId);
  writeEndpoint(writer, pong.source);
  return message;
}

/** Asks the peer to ping these addresses of ours; throws `RangeError` for more than the bound. */
export function encodeCallMeMaybe(endpoints: readonly Endpoint[]): Uint8Array {
  if (endpoints.length > MAX_CALL_ME_MAYBE_ENDPOINTS) {
    throw new RangeError(
      `endpoints must be at most ${MAX_CALL_ME_MAYBE_ENDPOINTS}: are ${endpoints.length}`,
    );
  }
  const bytes = HEADER_BYTES + ENDPOINT_BYTES * endpoints.length;
  const [message, writer] = begin(DiscoType.callMeMaybe, bytes, {});
  for (const endpoint of endpoints) writeEndpoint(writer, endpoint);
  return message;
}

/** The message in borrowed bytes that were authentic, or why it is none. Never throws; keeps nothing of the bytes. */
export function decodeDiscoMessage(bytes: Uint8Array): DiscoMessage | DiscoMessageFault {
  if (bytes.length < HEADER_BYTES) return { kind: "invalid", reason: "short" };
  const reader = new ByteReader(bytes);
  const type = reader.u8();
  const version = reader.u8();
  switch (type) {
    case DiscoType.ping:
      return decodePing(reader);
    case DiscoType.pong:
      return decodePong(reader);
    case DiscoType.callMeMaybe:
      return decodeCallMeMaybe(reader, version);
    default:
      return { kind: "invalid", reason: "type" };
  }
}

function decodePing(reader: ByteReader): DiscoPing | DiscoMessageFault {
  if (reader.remaining < TRANSACTION_ID_BYTES) return { kind: "invalid", reason: "short" };
  const transactionId = reader.copy(TRANSACTION_ID_BYTES);
  const nodeKey = reader.remaining < KEY_BYTES ? undefined : reader.copy(KEY_BYTES);
  return { kind: "ping", transactionId, nodeKey };
}

function decodePong(reader: ByteReader): DiscoPong | DiscoMessageFault {
  const isShort = reader.remaining < TRANSACTION_ID_BYTES + ENDPOINT_BYTES;
  if (isShort) return { kind: "invalid", reason: "short" };
  const transactionId = reader.copy(TRANSACTION_ID_BYTES);
  return { kind: "pong", transactionId, source: readEndpoint(reader) };
}

/** `parseCallMeMaybe`: another version or a broken length mean an empty list, not a fault. */
function decodeCallMeMaybe(reader: ByteReader, version: number): DiscoCallMeMaybe {
  const endpoints: Endpoint[] = [];
  if (version === BARE_VERSION && reader.remaining % ENDPOINT_BYTES === 0) {
    while (reader.remaining > 0 && endpoints.length < MAX_CALL_ME_MAYBE_ENDPOINTS) {
      endpoints.push(readEndpoint(reader));
    }
  }
  return { kind: "callMeMaybe", endpoints };
}

/** A zeroed message of the right size with its header, and a writer behind that. */
function begin(
  type: DiscoType,
  bareBytes: number,
  { paddedBytes = 0 }: PaddingOptions,
): [Uint8Array, ByteWriter] {
  const message = new Uint8Array(Math.max(bareBytes, paddedBytes));
  const writer = new ByteWriter(message);
  writer.u8(type).u8(paddedBytes > 0 ? PADDED_VERSION : BARE_VERSION);
  return [message, writer];
}

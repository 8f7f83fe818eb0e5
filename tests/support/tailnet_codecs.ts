/**
 * The generated codec beside the reference implementation, `@bufbuild/protobuf`, which reads the same descriptors from
 * `tests/proto/tailnet.binpb`. Messages of both become one plain form, so that they can be compared.
 */
import { createFileRegistry, type DescMessage, fromBinary, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { toHex } from "../../lib/base/bytes.ts";
import {
  decodeCoordinateRequest,
  decodeCoordinateResponse,
  decodeDERPMap,
  decodeNode,
  decodeRefreshResumeTokenRequest,
  decodeRefreshResumeTokenResponse,
  decodeStreamDERPMapsRequest,
  encodeCoordinateRequest,
  encodeCoordinateResponse,
  encodeDERPMap,
  encodeNode,
  encodeRefreshResumeTokenRequest,
  encodeRefreshResumeTokenResponse,
  encodeStreamDERPMapsRequest,
} from "../../lib/proto/tailnet_pb.ts";

/** One message type, as one implementation has it. */
export interface Codec {
  readonly name: string;
  /** The plain form of the message in `bytes`. */
  decode(bytes: Uint8Array): unknown;
  /** `bytes`, decoded and encoded again. */
  again(bytes: Uint8Array): Uint8Array;
}

export const CODECS = {
  CoordinateRequest: ours("CoordinateRequest", decodeCoordinateRequest, encodeCoordinateRequest),
  CoordinateResponse: ours(
    "CoordinateResponse",
    decodeCoordinateResponse,
    encodeCoordinateResponse,
  ),
  DERPMap: ours("DERPMap", decodeDERPMap, encodeDERPMap),
  Node: ours("Node", decodeNode, encodeNode),
  StreamDERPMapsRequest: ours(
    "StreamDERPMapsRequest",
    decodeStreamDERPMapsRequest,
    encodeStreamDERPMapsRequest,
  ),
  RefreshResumeTokenRequest: ours(
    "RefreshResumeTokenRequest",
    decodeRefreshResumeTokenRequest,
    encodeRefreshResumeTokenRequest,
  ),
  RefreshResumeTokenResponse: ours(
    "RefreshResumeTokenResponse",
    decodeRefreshResumeTokenResponse,
    encodeRefreshResumeTokenResponse,
  ),
} as const satisfies Readonly<Record<string, Codec>>;

function ours<Message>(
  name: string,
  decode: (bytes: Uint8Array) => Message,
  encode: (message: Message) => Uint8Array,
): Codec {
  return {
    name,
    decode: (bytes) => plainOf(decode(bytes)),
    again: (bytes) => encode(decode(bytes)),
  };
}

const REGISTRY = createFileRegistry(
  fromBinary(
    FileDescriptorSetSchema,
    Deno.readFileSync(new URL("../proto/tailnet.binpb", import.meta.url)),
  ),
);

/** The same type in the reference implementation, which can also say whether it met unknown fields. */
export function referenceOf({ name }: Codec): Codec & { knowsAll(bytes: Uint8Array): boolean } {
  const schema: DescMessage | undefined = REGISTRY.getMessage(`coder.tailnet.v2.${name}`);
  if (schema === undefined) throw new TypeError(`No message has the name ${name}`);
  return {
    name,
    decode: (bytes) => plainOf(fromBinary(schema, bytes)),
    again: (bytes) => toBinary(schema, fromBinary(schema, bytes)),
    knowsAll: (bytes) => fromBinary(schema, bytes).$unknown === undefined,
  };
}

/** Objects by name, bytes in hexadecimal, integers of 64 bits as text, maps as objects; nothing that is not there. */
export function plainOf(value: unknown): unknown {
  if (value instanceof Uint8Array) return toHex(value);
  if (typeof value === "bigint") return `${value}`;
  if (Array.isArray(value)) return value.map(plainOf);
  if (typeof value !== "object" || value === null) return value;
  const entries: [string, unknown][] = value instanceof Map
    ? [...value].map(([key, item]) => [`${key}`, item])
    : Object.entries(value).filter(([key]) => key !== "$typeName" && key !== "$unknown");
  return Object.fromEntries(
    entries.filter(([, item]) => item !== undefined)
      .map(([key, item]) => [key, plainOf(item)] as const)
      .sort(([a], [b]) => a < b ? -1 : 1),
  );
}

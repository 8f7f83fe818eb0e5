/**
 * What is said on the coordinator's RPCs, between protobuf and our types (coder/coder `tailnet/proto/tailnet.proto`).
 * Peers are named by the text of their UUID.
 */
import { DrpcError } from "../../drpc/mod.ts";
import { ProtobufError } from "../../proto/reader.ts";
import {
  CoordinateResponse_PeerUpdate_Kind as Kind,
  createCoordinateRequest,
  createRefreshResumeTokenRequest,
  createStreamDERPMapsRequest,
  decodeCoordinateResponse,
  decodeDERPMap,
  decodeRefreshResumeTokenResponse,
  encodeCoordinateRequest,
  encodeRefreshResumeTokenRequest,
  encodeStreamDERPMapsRequest,
} from "../../proto/tailnet_pb.ts";
import type { CoordinateRequest, CoordinateResponse_PeerUpdate } from "../../proto/tailnet_pb.ts";
import { formatUuid, parseUuid, UUID_BYTES } from "../address.ts";
import { derpMapFromProto } from "../derp_map_proto.ts";
import type { DerpMap } from "../derp_map.ts";
import { msOfTimestamp, nodeFromProto, nodeToProto } from "../node_message.ts";
import type { TailnetNode } from "../node_message.ts";

/** As much of somebody's words as is worth keeping. */
const MAX_WORDS_CHARS = 1024;
const MAX_TOKEN_CHARS = 4096;

export const RpcName = {
  coordinate: "/coder.tailnet.v2.Tailnet/Coordinate",
  streamDerpMaps: "/coder.tailnet.v2.Tailnet/StreamDERPMaps",
  refreshResumeToken: "/coder.tailnet.v2.Tailnet/RefreshResumeToken",
} as const;

/** What the coordinator tells about a peer; `reason` is for people. */
export type PeerUpdate =
  | {
    readonly kind: "node";
    readonly peerId: string;
    readonly reason: string;
    readonly node: TailnetNode;
  }
  | {
    readonly kind: "disconnected" | "lost" | "readyForHandshake";
    readonly peerId: string;
    readonly reason: string;
  };

export interface CoordinateAnswer {
  /** Updates that name no peer, no usable node or no known kind are left out. */
  readonly updates: readonly PeerUpdate[];
  /** The server's last words, or empty. */
  readonly error: string;
}

export interface ResumeToken {
  /** Opaque. */
  readonly token: string;
  /** Wall-clock milliseconds; the token is not to be used from then on. */
  readonly expiresAtMs: number;
}

export interface RefreshAnswer {
  readonly resumeToken: ResumeToken;
  /** When to ask again; `undefined` or not positive: the server leaves it to us. */
  readonly refreshInMs: number | undefined;
}

export function encodeUpdateSelf(node: TailnetNode): Uint8Array {
  return encodeRequest({ updateSelf: { node: nodeToProto(node) } });
}

export function encodeDisconnect(): Uint8Array {
  return encodeRequest({ disconnect: {} });
}

export function encodeAddTunnel(peerId: string): Uint8Array {
  return encodeRequest({ addTunnel: { id: uuidBytes(peerId) } });
}

export function encodeRemoveTunnel(peerId: string): Uint8Array {
  return encodeRequest({ removeTunnel: { id: uuidBytes(peerId) } });
}

export function encodeReadyForHandshake(peerId: string): Uint8Array {
  return encodeRequest({ readyForHandshake: [{ id: uuidBytes(peerId) }] });
}

export function encodeStreamDerpMaps(): Uint8Array {
  return encodeStreamDERPMapsRequest(createStreamDERPMapsRequest());
}

export function encodeRefreshResumeToken(): Uint8Array {
  return encodeRefreshResumeTokenRequest(createRefreshResumeTokenRequest());
}

/** Throws `DrpcError`. */
export function decodeCoordinateAnswer(bytes: Uint8Array): CoordinateAnswer {
  const { peerUpdates, error } = decodeMessage(
    "CoordinateResponse",
    bytes,
    decodeCoordinateResponse,
  );
  const updates = peerUpdates.map(toPeerUpdate).filter((update) => update !== undefined);
  return { updates, error: cut(error) };
}

/** Throws `DrpcError`. */
export function decodeDerpMap(bytes: Uint8Array): DerpMap {
  return derpMapFromProto(decodeMessage("DERPMap", bytes, decodeDERPMap));
}

/** Throws `DrpcError`. */
export function decodeRefreshAnswer(bytes: Uint8Array): RefreshAnswer {
  const message = decodeMessage(
    "RefreshResumeTokenResponse",
    bytes,
    decodeRefreshResumeTokenResponse,
  );
  const expiresAtMs = message.expiresAt === undefined ? 0 : msOfTimestamp(message.expiresAt);
  return {
    // It becomes part of a URL; one that long is none.
    resumeToken: {
      token: message.token.length > MAX_TOKEN_CHARS ? "" : message.token,
      expiresAtMs,
    },
    refreshInMs: message.refreshIn === undefined ? undefined : msOfTimestamp(message.refreshIn),
  };
}

/** Throws `DrpcError` for bytes that are no such message. */
export function decodeMessage<Message>(
  name: string,
  bytes: Uint8Array,
  decode: (bytes: Uint8Array) => Message,
): Message {
  try {
    return decode(bytes);
  } catch (cause) {
    if (!(cause instanceof ProtobufError)) throw cause;
    throw new DrpcError(`The peer broke dRPC: bytes are no coder.tailnet.v2.${name}`, {
      code: "bad-message",
      spec: "tailnet/proto/tailnet.proto",
      cause,
    });
  }
}

function cut(text: string): string {
  return text.length > MAX_WORDS_CHARS ? text.slice(0, MAX_WORDS_CHARS) : text;
}

function toPeerUpdate(update: CoordinateResponse_PeerUpdate): PeerUpdate | undefined {
  if (update.id.length !== UUID_BYTES) return undefined;
  const common = { peerId: formatUuid(update.id), reason: cut(update.reason) };
  switch (update.kind) {
    case Kind.NODE: {
      const node = update.node === undefined ? undefined : nodeFromProto(update.node);
      return node === undefined ? undefined : { kind: "node", ...common, node };
    }
    case Kind.DISCONNECTED:
      return { kind: "disconnected", ...common };
    case Kind.LOST:
      return { kind: "lost", ...common };
    case Kind.READY_FOR_HANDSHAKE:
      return { kind: "readyForHandshake", ...common };
    default:
      return undefined;
  }
}

function encodeRequest(init: Partial<CoordinateRequest>): Uint8Array {
  return encodeCoordinateRequest(createCoordinateRequest(init));
}

function uuidBytes(peerId: string): Uint8Array {
  const uuid = parseUuid(peerId);
  if (uuid === undefined) throw new TypeError(`peerId must be a UUID: is "${peerId}"`);
  return uuid;
}

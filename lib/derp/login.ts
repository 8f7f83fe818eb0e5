/**
 * The three frames that open a DERP connection (coder/tailscale `derp/derp_client.go`, `derp_server.go`):
 *   ServerKey:  magic 8 | server key 32 | to be ignored
 *   ClientInfo: client key 32 | nonce 24 | box to the server key of {"version":2,"CanAckPings":true}
 *   ServerInfo: nonce 24 | box to the client key of {"version":2, optional token bucket}
 * The mixed case of the field names is the wire's.
 */
import { equalBytes, fromHex, KEY_BYTES } from "../base/bytes.ts";
import { type Random, randomBytes } from "../base/core.ts";
import { BOX_NONCE_BYTES, BOX_TAG_BYTES, type BoxKey, openBox, sealBox } from "../crypto/box.ts";
import { DerpError } from "./errors.ts";
import { encodeFrame, FrameType } from "./frame.ts";

export const PROTOCOL_VERSION = 2;
/** Longest ServerKey payload taken (`derp_client.go`, `recvServerKey`). */
export const MAX_SERVER_KEY_BYTES = 1024;
/** Longest ClientInfo payload taken (`derp_server.go`, `recvClientKey`). */
export const MAX_CLIENT_INFO_BYTES = 256 * 1024;

const MAGIC = fromHex("44455250f09f9491"); // "DERP🔑"

/** What the relay says of itself. */
export interface ServerInfo {
  readonly version: number;
  /** Rate and burst that the client must keep to, when the relay sets any. */
  readonly tokenBucketBytesPerSecond?: number;
  readonly tokenBucketBytesBurst?: number;
}

/** What a client says of itself. */
export interface ClientInfo {
  readonly version: number;
  readonly canAckPings: boolean;
}

export function encodeServerKey(serverPublicKey: Uint8Array): Uint8Array {
  return encodeFrame(FrameType.serverKey, MAGIC, serverPublicKey);
}

/** A copy of the server's key in a ServerKey payload. Throws `DerpError`. */
export function decodeServerKey(payload: Uint8Array): Uint8Array {
  if (
    payload.length < MAGIC.length + KEY_BYTES ||
    !equalBytes(payload.subarray(0, MAGIC.length), MAGIC)
  ) {
    throw loginError("bad-server-key", "greeting is not a DERP relay's");
  }
  return payload.slice(MAGIC.length, MAGIC.length + KEY_BYTES);
}

/** The ClientInfo frame; `key` is shared with the server, `clientPublicKey` 32 bytes. */
export function encodeClientInfo(
  key: BoxKey,
  clientPublicKey: Uint8Array,
  random: Random,
): Uint8Array {
  const json = { version: PROTOCOL_VERSION, CanAckPings: true };
  return encodeFrame(FrameType.clientInfo, clientPublicKey, ...sealJson(key, random, json));
}

/** A copy of the client's key in a ClientInfo payload; which opens the box that follows. Throws `DerpError`. */
export function decodeClientKey(payload: Uint8Array): Uint8Array {
  if (payload.length < KEY_BYTES + BOX_NONCE_BYTES) {
    throw loginError("bad-client-info", `client info of ${payload.length} bytes`);
  }
  return payload.slice(0, KEY_BYTES);
}

/** Opens a ClientInfo payload, which proves that the client has its key. Throws `DerpError`. */
export function decodeClientInfo(key: BoxKey, payload: Uint8Array): ClientInfo {
  const json = openJson(key, payload.subarray(KEY_BYTES), "client info");
  return { version: numberOf(json["version"]) ?? 0, canAckPings: json["CanAckPings"] === true };
}

export function encodeServerInfo(key: BoxKey, info: ServerInfo, random: Random): Uint8Array {
  const json = {
    version: info.version,
    TokenBucketBytesPerSecond: info.tokenBucketBytesPerSecond,
    TokenBucketBytesBurst: info.tokenBucketBytesBurst,
  };
  return encodeFrame(FrameType.serverInfo, ...sealJson(key, random, json));
}

/** Opens a ServerInfo payload. Throws `DerpError`. */
export function decodeServerInfo(key: BoxKey, payload: Uint8Array): ServerInfo {
  const json = openJson(key, payload, "server info");
  const rate = numberOf(json["TokenBucketBytesPerSecond"]);
  const burst = numberOf(json["TokenBucketBytesBurst"]);
  return {
    version: numberOf(json["version"]) ?? 0,
    ...(rate === undefined ? {} : { tokenBucketBytesPerSecond: rate }),
    ...(burst === undefined ? {} : { tokenBucketBytesBurst: burst }),
  };
}

function sealJson(key: BoxKey, random: Random, json: unknown): [Uint8Array, Uint8Array] {
  const nonce = randomBytes(random, BOX_NONCE_BYTES);
  return [nonce, sealBox(key, nonce, new TextEncoder().encode(JSON.stringify(json)))];
}

function openJson(key: BoxKey, sealed: Uint8Array, what: string): Record<string, unknown> {
  const text = sealed.length < BOX_NONCE_BYTES + BOX_TAG_BYTES ? undefined : openBox(
    key,
    sealed.subarray(0, BOX_NONCE_BYTES),
    sealed.subarray(BOX_NONCE_BYTES),
  );
  if (text === undefined) throw loginError("bad-box", `${what} does not open`);
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(text));
  } catch (cause) {
    throw loginError("bad-json", `${what} is not JSON`, cause);
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw loginError("bad-json", `${what} is not a JSON object`);
  }
  return Object.fromEntries(Object.entries(json));
}

/** A positive number, or `undefined` for anything else, zero included: Go leaves out what is zero. */
function numberOf(value: unknown): number | undefined {
  return typeof value === "number" && value > 0 ? value : undefined;
}

function loginError(code: string, what: string, cause?: unknown): DerpError {
  return new DerpError(`Cannot log in to relay: ${what}`, {
    code,
    spec: "coder/tailscale derp/derp.go",
    cause,
  });
}

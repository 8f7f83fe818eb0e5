/** A websocket over the one dialer as far as its upgrade: the connection, or the answer that refuses it. */
import type { HttpHeaders, HttpResponse } from "../base/http.ts";
import { HttpUpgradeClient, type UpgradeResult, WebsocketError } from "../websocket/mod.ts";
import { closeQuietly, type Conn } from "./conn.ts";
import { dial, type DialOptions, targetOf } from "./dial.ts";
import { hostPort, toTransportError } from "./dial_errors.ts";
import { SYSTEM_RANDOM } from "./random.ts";

export const READ_CHUNK_BYTES = 65_536;
/** Before the socket goes in any case: a goodbye that nobody takes is not waited for, nor one that nobody answers. */
export const CLOSE_GRACE_MS = 1_000;
/** For the answer to the upgrade, the body of a refusal included. */
const UPGRADE_LIMIT_MS = 15_000;

export interface WebsocketRequest {
  /** Absolute, `ws:` or `wss:`. */
  readonly url: string;
  readonly headers: HttpHeaders;
  readonly signal?: AbortSignal;
}

export interface WebsocketDialOptions extends DialOptions {
  /** Limit for the answer to the upgrade. @default 15_000 */
  readonly upgradeLimitMs?: number;
}

/** A connection that was upgraded. */
export interface OpenSocket {
  readonly conn: Conn;
  /** What came behind the answer. */
  readonly rest: Uint8Array;
  /** Closes it, and listens to the signal no more. Idempotent. */
  readonly release: () => void;
  /** What was dialled, for messages. */
  readonly where: string;
}

export type WebsocketDialResult =
  | { readonly kind: "open"; readonly socket: OpenSocket }
  | { readonly kind: "refused"; readonly response: HttpResponse };

/** Dials a websocket; the signal closes it afterwards too. Rejects with `TransportError`, or the signal's reason. */
export async function dialWebsocket(
  request: WebsocketRequest,
  options: WebsocketDialOptions,
): Promise<WebsocketDialResult> {
  const url = new URL(request.url);
  const target = targetOf(url);
  const where = `dial tcp ${hostPort(target)}`;
  const { signal } = request;
  let conn: Conn;
  try {
    conn = await dial(target, {
      ...options,
      ...(signal === undefined ? {} : { signal }),
    });
  } catch (error) {
    signal?.throwIfAborted();
    throw toTransportError(where, error);
  }
  const onAbort = () => closeQuietly(conn);
  signal?.addEventListener("abort", onAbort, { once: true });
  const release = () => {
    signal?.removeEventListener("abort", onAbort);
    closeQuietly(conn);
  };
  try {
    signal?.throwIfAborted();
    const upgrade = new HttpUpgradeClient({
      path: `${url.pathname}${url.search}`,
      host: url.host,
      headers: request.headers,
      upgrade: "websocket",
      random: SYSTEM_RANDOM,
    });
    const result = await readUpgrade(conn, upgrade, options.upgradeLimitMs ?? UPGRADE_LIMIT_MS);
    if (result.kind === "accepted") {
      return { kind: "open", socket: { conn, rest: result.rest, release, where } };
    }
    release();
    signal?.throwIfAborted();
    return { kind: "refused", response: refusalOf(result) };
  } catch (error) {
    release();
    signal?.throwIfAborted();
    throw toTransportError(where, error);
  }
}

/** Asks and reads the answer; of a refusal as much as comes within `limitMs`. */
async function readUpgrade(
  conn: Conn,
  upgrade: HttpUpgradeClient,
  limitMs: number,
): Promise<UpgradeResult> {
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    closeQuietly(conn);
  }, limitMs);
  const chunk = new Uint8Array(READ_CHUNK_BYTES);
  try {
    await writeAll(conn, upgrade.request());
    while (true) {
      const count = await conn.read(chunk);
      if (count === null) return upgrade.handleEnd();
      const result = upgrade.handleBytes(chunk.subarray(0, count));
      if (result !== undefined) return result;
    }
  } catch (error) {
    if (!isLate) throw error;
    return endOfLate(upgrade);
  } finally {
    clearTimeout(timer);
  }
}

function endOfLate(upgrade: HttpUpgradeClient): UpgradeResult {
  try {
    return upgrade.handleEnd();
  } catch (error) {
    if (!(error instanceof WebsocketError)) throw error;
    throw new DOMException("No answer to the upgrade", "TimeoutError");
  }
}

function refusalOf(result: Extract<UpgradeResult, { kind: "refused" }>): HttpResponse {
  return {
    status: result.status,
    headers: result.headers.entries.map(([name, value]) => [name.toLowerCase(), value] as const),
    body: once(result.body),
    cancel() {},
  };
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}

/** Writes all of it. Rejects as the connection does. */
export async function writeAll(conn: Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
}

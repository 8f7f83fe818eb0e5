/** A websocket of text messages over the one dialer: the upgrade, the answer that refuses it, and the messages. */
import {
  type HttpResponse,
  type TextStream,
  type TextStreamRequest,
  type TextStreamResult,
  TransportError,
} from "../base/http.ts";
import {
  HttpUpgradeClient,
  type UpgradeResult,
  WebsocketConnection,
  WebsocketError,
} from "../websocket/mod.ts";
import { closeQuietly, type Conn } from "./conn.ts";
import { dial, type DialOptions, targetOf } from "./dial.ts";
import { hostPort, toTransportError } from "./dial_errors.ts";
import { SYSTEM_RANDOM } from "./random.ts";

const READ_CHUNK_BYTES = 65_536;
/** For the answer to the upgrade, the body of a refusal included. */
const UPGRADE_LIMIT_MS = 15_000;
/** The peer may never answer a close frame: the socket goes soon in any case. */
const CLOSE_GRACE_MS = 1_000;

export interface OpenTextStreamOptions extends DialOptions {
  /** Limit for the answer to the upgrade. @default 15_000 */
  readonly upgradeLimitMs?: number;
}

/** Dials a websocket. Rejects with `TransportError`, or the signal's reason. */
export async function openTextStream(
  request: TextStreamRequest,
  options: OpenTextStreamOptions,
): Promise<TextStreamResult> {
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
      return {
        kind: "open",
        stream: textStreamOf({ conn, request, rest: result.rest, release, where }),
      };
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

interface OpenSocket {
  readonly conn: Conn;
  readonly request: TextStreamRequest;
  readonly rest: Uint8Array;
  readonly release: () => void;
  readonly where: string;
}

function textStreamOf(socket: OpenSocket): TextStream {
  const { conn, request, release } = socket;
  const websocket = new WebsocketConnection({
    role: "client",
    random: SYSTEM_RANDOM,
    maxMessageBytes: request.maxMessageBytes,
  });
  let isClosing = false;
  let grace: ReturnType<typeof setTimeout> | undefined;
  let writing = Promise.resolve();
  const flush = () => {
    for (let frame = websocket.pollTransmit(); frame; frame = websocket.pollTransmit()) {
      const bytes = frame;
      // A failed write shows as the end of reading, which reports it.
      writing = writing.then(() => writeAll(conn, bytes)).catch(() => {});
    }
  };
  async function* messages(): AsyncIterable<string> {
    const chunk = new Uint8Array(READ_CHUNK_BYTES);
    const decoder = new TextDecoder();
    chunk.set(socket.rest);
    let count: number | null = socket.rest.length;
    try {
      while (count !== null) {
        websocket.handleBytes(chunk.subarray(0, count));
        for (let message = websocket.pollMessage(); message; message = websocket.pollMessage()) {
          if (message.kind === "close") return;
          if (message.kind === "pong") continue;
          yield decoder.decode(message.bytes);
        }
        flush();
        count = await conn.read(chunk);
      }
      if (!isClosing) {
        throw new WebsocketError("connection ended without a close frame", { code: "cut" });
      }
    } catch (error) {
      request.signal?.throwIfAborted();
      if (isClosing) return;
      const isTooLarge = error instanceof WebsocketError && error.code === "message-too-large";
      throw isTooLarge ? tooLarge(socket.where, error) : toTransportError(socket.where, error);
    } finally {
      flush();
      // Words of goodbye that nobody reads are not waited for.
      grace ??= setTimeout(release, CLOSE_GRACE_MS);
      await writing;
      clearTimeout(grace);
      release();
    }
  }
  return {
    messages: messages(),
    close() {
      if (isClosing) return;
      isClosing = true;
      websocket.close(1000, "");
      flush();
      grace ??= setTimeout(release, CLOSE_GRACE_MS);
      Deno.unrefTimer(grace);
    },
  };
}

function tooLarge(where: string, error: WebsocketError): Error {
  return new TransportError("too-large", `${where}: ${error.message}`, error);
}

async function writeAll(conn: Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
}

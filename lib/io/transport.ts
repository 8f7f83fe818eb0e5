/**
 * `HttpTransport` on this machine: REST by the platform's `fetch`, websockets by our own framing over the one dialer.
 * Both use the same proxies and certificates. Redirects are the caller's, cookies nobody's.
 */
import {
  type HttpFetch,
  type HttpRequest,
  type HttpResponse,
  type HttpTransport,
  type TextStream,
  type TextStreamRequest,
  type TextStreamResult,
  TransportError,
} from "../base/http.ts";
import type { NetworkOptions } from "../base/host.ts";
import {
  HttpUpgradeClient,
  type UpgradeResult,
  WebsocketConnection,
  WebsocketError,
} from "../websocket/mod.ts";
import { closeQuietly, type Conn, type TlsMaterial } from "./conn.ts";
import { dial, type DialOptions } from "./dial.ts";
import { toTransportError } from "./host_errors.ts";
import { type GetEnv, proxyFor, type ProxyServer } from "./proxy.ts";
import { SYSTEM_RANDOM } from "./random.ts";

const READ_CHUNK_BYTES = 65_536;
const CLOSE_GRACE_MS = 1_000;

/** Both doors for one set of certificates. */
export function createTransport(options: NetworkOptions, env: GetEnv): HttpTransport {
  const tls = tlsMaterialOf(options);
  return {
    fetch: createFetch(tls, env),
    openTextStream: (request) =>
      openTextStream(request, { env, ...(tls === undefined ? {} : { tls }) }),
  };
}

/** The dialer's form of the certificates of `options`; `undefined` for the system's alone. */
export function tlsMaterialOf(options: NetworkOptions): TlsMaterial | undefined {
  const { caCertificates, clientCertificate } = options;
  if (caCertificates === undefined && clientCertificate === undefined) return undefined;
  return {
    ...(caCertificates === undefined ? {} : { caCerts: [caCertificates] }),
    ...(clientCertificate === undefined
      ? {}
      : { client: { cert: clientCertificate.certificate, key: clientCertificate.key } }),
  };
}

function createFetch(tls: TlsMaterial | undefined, env: GetEnv): HttpFetch {
  const clients = new Map<string, Deno.HttpClient>();
  const clientFor = (proxy: ProxyServer | undefined): Deno.HttpClient | undefined => {
    if (tls === undefined && proxy === undefined) return undefined;
    const key = proxy === undefined ? "" : `${proxy.scheme}://${proxy.host}:${proxy.port}`;
    let client = clients.get(key);
    if (client === undefined) {
      client = Deno.createHttpClient({
        ...(tls?.caCerts === undefined ? {} : { caCerts: [...tls.caCerts] }),
        ...(tls?.client === undefined ? {} : { cert: tls.client.cert, key: tls.client.key }),
        ...(proxy === undefined ? {} : { proxy: denoProxy(proxy) }),
      });
      clients.set(key, client);
    }
    return client;
  };
  return async (request) => {
    const url = new URL(request.url);
    const isTls = url.protocol === "https:";
    const port = url.port === "" ? (isTls ? 443 : 80) : Number(url.port);
    const client = clientFor(proxyFor({ isTls, host: url.hostname, port }, env));
    try {
      return fromFetch(request, await fetch(request.url, toInit(request, client)));
    } catch (error) {
      request.signal?.throwIfAborted();
      throw toTransportError(`dial tcp ${url.hostname}:${port}`, error);
    }
  };
}

function denoProxy(proxy: ProxyServer): Deno.Proxy {
  const host = proxy.host.includes(":") ? `[${proxy.host}]` : proxy.host;
  return {
    url: `${proxy.scheme}://${host}:${proxy.port}`,
    ...(proxy.credentials === undefined
      ? {}
      : { basicAuth: { username: proxy.credentials.user, password: proxy.credentials.password } }),
  };
}

function toInit(
  request: HttpRequest,
  client: Deno.HttpClient | undefined,
): RequestInit & { client?: Deno.HttpClient } {
  return {
    method: request.method,
    headers: request.headers.map(([name, value]): [string, string] => [name, value]),
    redirect: "manual",
    ...(request.body === undefined ? {} : { body: request.body }),
    ...(request.signal === undefined ? {} : { signal: request.signal }),
    ...(client === undefined ? {} : { client }),
  };
}

function fromFetch(request: HttpRequest, response: Response): HttpResponse {
  return {
    status: response.status,
    headers: [...response.headers],
    body: bodyOf(request, response),
    cancel() {
      if (response.body !== null && !response.body.locked) {
        // The answer is not wanted; how giving it up ends is not either.
        response.body.cancel().catch(() => {});
      }
    },
  };
}

async function* bodyOf(request: HttpRequest, response: Response): AsyncIterable<Uint8Array> {
  if (response.body === null) return;
  try {
    yield* response.body;
  } catch (error) {
    request.signal?.throwIfAborted();
    throw toTransportError(`read ${new URL(request.url).host}`, error);
  }
}

async function openTextStream(
  request: TextStreamRequest,
  options: DialOptions,
): Promise<TextStreamResult> {
  const url = new URL(request.url);
  const isTls = url.protocol === "wss:";
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const port = url.port === "" ? (isTls ? 443 : 80) : Number(url.port);
  const where = `dial tcp ${url.hostname}:${port}`;
  const { signal } = request;
  let conn: Conn;
  try {
    conn = await dial({ host, port, isTls }, {
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
    const upgrade = new HttpUpgradeClient({
      path: `${url.pathname}${url.search}`,
      host: url.host,
      headers: request.headers,
      upgrade: "websocket",
      random: SYSTEM_RANDOM,
    });
    await writeAll(conn, upgrade.request());
    const result = await readUpgrade(conn, upgrade);
    if (result.kind === "accepted") {
      return {
        kind: "open",
        stream: textStreamOf({ conn, request, rest: result.rest, release, where }),
      };
    }
    release();
    return { kind: "refused", response: refusalOf(result) };
  } catch (error) {
    release();
    signal?.throwIfAborted();
    throw toTransportError(where, error);
  }
}

async function readUpgrade(conn: Conn, upgrade: HttpUpgradeClient): Promise<UpgradeResult> {
  const chunk = new Uint8Array(READ_CHUNK_BYTES);
  while (true) {
    const count = await conn.read(chunk);
    if (count === null) return upgrade.handleEnd();
    const result = upgrade.handleBytes(chunk.subarray(0, count));
    if (result !== undefined) return result;
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
      await writing;
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
      // The peer may never answer the close frame: the socket goes soon in any case.
      const timer = setTimeout(release, CLOSE_GRACE_MS);
      Deno.unrefTimer(timer);
    },
  };
}

function tooLarge(where: string, error: WebsocketError): Error {
  return new TransportError("too-large", `${where}: ${error.message}`, error);
}

async function writeAll(conn: Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
}

/**
 * HTTP/1.1 requests over the one dialer, with connections that are kept for the next request to the same origin (RFC 9112 §9.3).
 * A request that may be sent twice is sent again when a kept connection turns out to be dead before it answered (§9.3.1);
 * every other failure is the caller's. No redirects, no cookies, no content codings, no pipelining.
 */
import type { HttpRequest, HttpResponse } from "../base/http.ts";
import type { HeaderFields, HttpResponseHead } from "../http1/mod.ts";
import { TransportError } from "../base/http.ts";
import { targetOf } from "./dial.ts";
import { hostPort, loginRefusedError, toTransportError } from "./dial_errors.ts";
import type { DialledForHttp } from "./dial.ts";
import { HttpConnection, type HttpConnectionAnswer } from "./http_connection.ts";
import { proxyHeaders } from "./proxy_tunnel.ts";
import type { ProxyServer } from "./proxy_url.ts";

/** Connections that wait for a request; the oldest goes when there are more. */
const MAX_IDLE = 6;
/** Servers and everything on the way forget connections that are silent for long; some forget to say so. */
const MAX_IDLE_MS = 30_000;
/** RFC 9110 §9.2.2 */
const IDEMPOTENT_METHODS: ReadonlySet<string> = new Set([
  "GET",
  "HEAD",
  "OPTIONS",
  "PUT",
  "DELETE",
]);

export interface HttpClientOptions {
  /** Dials the origin of a URL. */
  readonly dial: (url: URL, signal: AbortSignal | undefined) => Promise<DialledForHttp>;
  /** Wall-clock milliseconds, which go on while the machine sleeps. */
  readonly wallMs: () => number;
}

/** A connection and where it leads. */
interface Line {
  readonly origin: string;
  readonly connection: HttpConnection;
  readonly forwarder: ProxyServer | undefined;
}

export class HttpClient implements Disposable {
  readonly #options: HttpClientOptions;
  /** Longest idle first. */
  readonly #idle = new Map<Line, number>();
  #isDisposed = false;

  constructor(options: HttpClientOptions) {
    this.#options = options;
  }

  /** One exchange; see `HttpFetch`. */
  async fetch(request: HttpRequest): Promise<HttpResponse> {
    const url = new URL(request.url);
    const { signal } = request;
    for (;;) {
      signal?.throwIfAborted();
      const line = this.#takeIdle(url.origin) ?? await this.#dial(url, signal);
      const onAbort = () => line.connection.close();
      signal?.addEventListener("abort", onAbort, { once: true });
      const release = () => signal?.removeEventListener("abort", onAbort);
      try {
        signal?.throwIfAborted();
        const answer = await line.connection.ask(exchangeOf(request, url, line.forwarder));
        assertUsable(answer.head, line.forwarder);
        return this.#responseOf({ line, answer, release, request, url });
      } catch (error) {
        release();
        line.connection.close();
        signal?.throwIfAborted();
        // A field that fits on no line, for one.
        if (error instanceof TypeError) throw error;
        const { isReused, hasAnswered } = line.connection;
        if (isReused && !hasAnswered && IDEMPOTENT_METHODS.has(request.method)) continue;
        throw readError(url, error);
      }
    }
  }

  /** Closes what waits; what is under way ends when it is read or its connection when it is given up. Idempotent. */
  [Symbol.dispose](): void {
    this.#isDisposed = true;
    for (const line of this.#idle.keys()) line.connection.close();
    this.#idle.clear();
  }

  async #dial(url: URL, signal: AbortSignal | undefined): Promise<Line> {
    try {
      const { conn, forwarder } = await this.#options.dial(url, signal);
      return { origin: url.origin, connection: new HttpConnection(conn), forwarder };
    } catch (error) {
      signal?.throwIfAborted();
      throw toTransportError(`dial tcp ${hostPort(targetOf(url))}`, error);
    }
  }

  /** The connection that was used last: it is the likeliest to live. */
  #takeIdle(origin: string): Line | undefined {
    let found: Line | undefined;
    for (const [line, since] of this.#idle) {
      if (this.#options.wallMs() - since > MAX_IDLE_MS) this.#drop(line);
      else if (line.origin === origin) found = line;
    }
    if (found === undefined) return undefined;
    this.#idle.delete(found);
    found.connection.unpark();
    return found;
  }

  #keep(line: Line): void {
    if (this.#isDisposed || !line.connection.canReuse) return line.connection.close();
    this.#idle.set(line, this.#options.wallMs());
    line.connection.park(() => this.#drop(line));
    for (const oldest of this.#idle.keys()) {
      if (this.#idle.size <= MAX_IDLE) break;
      this.#drop(oldest);
    }
  }

  #drop(line: Line): void {
    this.#idle.delete(line);
    line.connection.close();
  }

  #responseOf(given: {
    readonly line: Line;
    readonly answer: HttpConnectionAnswer;
    readonly release: () => void;
    readonly request: HttpRequest;
    readonly url: URL;
  }): HttpResponse {
    const { line, answer, release, request, url } = given;
    let state: "new" | "reading" | "over" = "new";
    const finish = () => {
      state = "over";
      release();
      this.#keep(line);
    };
    async function* body(): AsyncIterable<Uint8Array> {
      if (state !== "new") return;
      state = "reading";
      try {
        yield* answer.body;
      } catch (error) {
        request.signal?.throwIfAborted();
        throw readError(url, error);
      } finally {
        finish();
      }
    }
    return {
      status: answer.head.status,
      headers: lowerCase(answer.head.headers),
      body: body(),
      cancel() {
        if (state === "reading") line.connection.close();
        if (state !== "new") return;
        // What came with the head, as the body of a redirect does, costs nothing to skip.
        line.connection.skipArrived();
        finish();
      },
    };
  }
}

function exchangeOf(request: HttpRequest, url: URL, forwarder: ProxyServer | undefined) {
  const path = `${url.pathname}${url.search}`;
  return {
    method: request.method,
    target: forwarder === undefined ? path : `${url.protocol}//${url.host}${path}`,
    host: url.host,
    headers: [
      ...request.headers,
      // We take bodies as they are; without this line anything might be taken for acceptable (RFC 9110 §12.5.3).
      ["Accept-Encoding", "identity"],
      ...(forwarder === undefined ? [] : proxyHeaders(forwarder)),
    ] as const,
    ...(request.body === undefined ? {} : { body: request.body }),
  };
}

function assertUsable(head: HttpResponseHead, forwarder: ProxyServer | undefined): void {
  if (forwarder !== undefined && head.status === 407) {
    throw loginRefusedError(forwarder, head.headers.values("proxy-authenticate"));
  }
  const codings = head.headers.list("content-encoding").filter((coding) => coding !== "identity");
  if (codings.length > 0) {
    throw new TransportError("other", "the answer is compressed, which was not asked for");
  }
}

function readError(url: URL, error: unknown): unknown {
  return toTransportError(`read ${url.host}`, error);
}

function lowerCase(headers: HeaderFields): [string, string][] {
  return headers.entries.map(([name, value]) => [name.toLowerCase(), value]);
}

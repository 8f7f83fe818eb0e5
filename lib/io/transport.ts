/**
 * `HttpTransport` on this machine: REST by the platform's `fetch`, websockets by our own framing over the one dialer.
 * Both use the same proxies and certificates. Redirects are the caller's, cookies nobody's.
 */
import type { HttpFetch, HttpRequest, HttpResponse, HttpTransport } from "../base/http.ts";
import type { NetworkOptions } from "../base/host.ts";
import type { TlsMaterial } from "./conn.ts";
import { targetOf } from "./dial.ts";
import { toTransportError } from "./host_errors.ts";
import {
  type GetEnv,
  hasProxyVariables,
  type ProxyDestination,
  proxyFor,
  type ProxyServer,
} from "./proxy.ts";
import { openTextStream } from "./text_stream.ts";

/** Disposing it ends the connections that `fetch` keeps for later. */
export interface SystemTransport extends HttpTransport, Disposable {}

/** Both doors for one set of certificates. */
export function createTransport(options: NetworkOptions, env: GetEnv): SystemTransport {
  const tls = tlsMaterialOf(options);
  const clients = new HttpClients(tls, env);
  return {
    fetch: createFetch(clients),
    openTextStream: (request) =>
      openTextStream(request, { env, ...(tls === undefined ? {} : { tls }) }),
    [Symbol.dispose]: () => clients.close(),
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

/** The platform's clients, one for each way to a server; the platform's own where it goes the way we want. */
class HttpClients {
  readonly #tls: TlsMaterial | undefined;
  readonly #env: GetEnv;
  readonly #clients = new Map<string, Deno.HttpClient>();

  constructor(tls: TlsMaterial | undefined, env: GetEnv) {
    this.#tls = tls;
    this.#env = env;
  }

  /** `undefined` for the platform's own. */
  clientFor(to: ProxyDestination): Deno.HttpClient | undefined {
    const proxy = proxyFor(to, this.#env);
    if (proxy !== undefined) {
      return this.#client(`${proxy.scheme}://${proxy.host}:${proxy.port}`, denoProxy(proxy));
    }
    if (!to.isTls && hasProxyVariables(this.#env)) {
      // The platform has rules of its own for these variables, and would send even 127.0.0.1 to a proxy. By TLS there is no
      // way around them; there they differ from ours for loopback only.
      const hostname = to.host.replace(/^\[|\]$/g, "");
      const direct = { transport: "tcp", hostname, port: to.port } as const;
      return this.#client(`tcp://${to.host}:${to.port}`, direct);
    }
    return this.#tls === undefined ? undefined : this.#client("", undefined);
  }

  close(): void {
    for (const client of this.#clients.values()) client.close();
    this.#clients.clear();
  }

  #client(key: string, proxy: Deno.Proxy | undefined): Deno.HttpClient {
    const known = this.#clients.get(key);
    if (known !== undefined) return known;
    const tls = this.#tls;
    const client = Deno.createHttpClient({
      ...(tls?.caCerts === undefined ? {} : { caCerts: [...tls.caCerts] }),
      ...(tls?.client === undefined ? {} : { cert: tls.client.cert, key: tls.client.key }),
      ...(proxy === undefined ? {} : { proxy }),
    });
    this.#clients.set(key, client);
    return client;
  }
}

function createFetch(clients: HttpClients): HttpFetch {
  return async (request) => {
    const url = new URL(request.url);
    const target = targetOf(url);
    const { port } = target;
    const client = clients.clientFor(target);
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

/**
 * `HttpTransport` on this machine: REST by the platform's `fetch`, websockets by our own framing over the one dialer.
 * Both use the same proxies and certificates. Redirects are the caller's, cookies nobody's.
 */
import type { HttpFetch, HttpRequest, HttpResponse, HttpTransport } from "../base/http.ts";
import type { NetworkOptions } from "../base/host.ts";
import type { TlsMaterial } from "./conn.ts";
import { targetOf } from "./dial.ts";
import {
  hostPort,
  isTrustFailure,
  ProxyError,
  toTransportError,
  UnknownAuthorityError,
} from "./dial_errors.ts";
import { type GetEnv, hasProxyVariables, type ProxyDestination, proxyFor } from "./proxy.ts";
import type { ProxyServer } from "./proxy_url.ts";
import { type Roots, type SystemRoots, systemRoots } from "./system_roots.ts";
import { openTextStream } from "./text_stream.ts";

const NO_ROOTS: Roots = { certificates: [], stores: [] };

/** Disposing it ends the connections that `fetch` keeps for later. */
export interface SystemTransport extends HttpTransport, Disposable {}

/** Both doors for one set of certificates. */
export function createTransport(options: NetworkOptions, env: GetEnv): SystemTransport {
  const tls = tlsMaterialOf(options);
  const roots = systemRoots(env);
  const clients = new HttpClients(tls, env);
  return {
    fetch: createFetch(clients, roots, env),
    openTextStream: (request) =>
      openTextStream(request, { env, roots, ...(tls === undefined ? {} : { tls }) }),
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
  clientFor(to: ProxyDestination, roots: Roots): Deno.HttpClient | undefined {
    const proxy = proxyFor(to, this.#env);
    const key = roots.stores.join();
    const caCerts = [...roots.certificates, ...this.#tls?.caCerts ?? []];
    if (proxy !== undefined) {
      return this.#client(`${proxy.scheme}://${proxy.host}:${proxy.port} ${key}`, {
        caCerts,
        proxy: denoProxy(proxy),
      });
    }
    if (!to.isTls && hasProxyVariables(this.#env)) {
      // The platform has rules of its own for these variables, and would send even 127.0.0.1 to a proxy. By TLS there is no
      // way around them; there they differ from ours for loopback only.
      const hostname = to.host.replace(/^\[|\]$/g, "");
      const direct = { transport: "tcp", hostname, port: to.port } as const;
      return this.#client(`tcp://${to.host}:${to.port}`, { caCerts, proxy: direct });
    }
    return caCerts.length === 0 && this.#tls === undefined
      ? undefined
      : this.#client(key, { caCerts });
  }

  close(): void {
    for (const client of this.#clients.values()) client.close();
    this.#clients.clear();
  }

  #client(
    key: string,
    { caCerts, proxy }: { readonly caCerts: string[]; readonly proxy?: Deno.Proxy },
  ): Deno.HttpClient {
    const known = this.#clients.get(key);
    if (known !== undefined) return known;
    const tls = this.#tls;
    const client = Deno.createHttpClient({
      caCerts,
      ...(tls?.client === undefined ? {} : { cert: tls.client.cert, key: tls.client.key }),
      ...(proxy === undefined ? {} : { proxy }),
    });
    this.#clients.set(key, client);
    return client;
  }
}

function createFetch(clients: HttpClients, roots: SystemRoots, env: GetEnv): HttpFetch {
  return async (request) => {
    const url = new URL(request.url);
    const target = targetOf(url);
    for (;;) {
      const trusted = target.isTls ? await roots.first() : NO_ROOTS;
      const client = clients.clientFor(target, trusted);
      try {
        return fromFetch(request, await fetch(request.url, toInit(request, client)));
      } catch (error) {
        request.signal?.throwIfAborted();
        const cause = causeOf(error);
        if (target.isTls && isTrustFailure(cause) && await roots.all() !== trusted) continue;
        const failure = isTrustFailure(cause)
          ? new UnknownAuthorityError(trusted.stores, error)
          : error;
        const proxy = proxyFor(target, env);
        throw toTransportError(
          `dial tcp ${hostPort(target)}`,
          proxy === undefined ? failure : viaProxy(proxy, failure),
        );
      }
    }
  };
}

/** `fetch` hides what happened in its causes. */
function causeOf(error: unknown): unknown {
  const messages: string[] = [];
  for (let at: unknown = error; at instanceof Error; at = at.cause) messages.push(at.message);
  return new Error(messages.join(": "));
}

/** `fetch` does not tell the proxy's failures from those behind it, but for the proxy's own connection. */
function viaProxy(proxy: ProxyServer, error: unknown): unknown {
  const failure = toTransportError("", error);
  if (!("code" in failure) || failure.code !== "refused") return error;
  return new ProxyError(proxy, "refused the connection", { code: "refused", cause: error });
}

function denoProxy(proxy: ProxyServer): Deno.Proxy {
  const decoder = new TextDecoder();
  return {
    url: `${proxy.scheme}://${hostPort(proxy)}`,
    ...(proxy.credentials === undefined ? {} : {
      basicAuth: {
        username: decoder.decode(proxy.credentials.user),
        password: decoder.decode(proxy.credentials.password),
      },
    }),
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

/**
 * The one dialer: every outgoing TCP or TLS connection of the coordinator and the relays goes through here, so that
 * proxies, NO_PROXY, an own CA and a client certificate work the same for all of them.
 */
import { UserError } from "../base/errors.ts";
import { closeQuietly, type Conn, type TlsMaterial } from "./conn.ts";
import { connectThroughHttp, connectThroughSocks } from "./proxy_tunnel.ts";
import { type GetEnv, proxyFor } from "./proxy.ts";

export interface DialTarget {
  /** Host name or literal address to connect to. */
  readonly host: string;
  readonly port: number;
  readonly isTls: boolean;
  /** Name for SNI and verification. @default host */
  readonly serverName?: string;
}

export interface DialOptions {
  readonly env: GetEnv;
  readonly tls?: TlsMaterial;
  /** Limit for name resolution, TCP, proxy and TLS together. @default 10_000 */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

const DIAL_TIMEOUT_MS = 10_000;

/**
 * Connects to `target`, through a proxy when the environment names one.
 * Rejects with `signal.reason`, `DOMException` "TimeoutError", the platform's error, or `UserError` from a proxy.
 */
export async function dial(target: DialTarget, options: DialOptions): Promise<Conn> {
  const limit = AbortSignal.timeout(options.timeoutMs ?? DIAL_TIMEOUT_MS);
  const signal = options.signal === undefined ? limit : AbortSignal.any([options.signal, limit]);
  const proxy = proxyFor(target, options.env);
  if (proxy === undefined) {
    return await guarded(signal, () => connectDirect(target, options, signal));
  }
  return await guarded(signal, async () => {
    const tcp = await Deno.connect({ hostname: proxy.host, port: proxy.port, signal });
    try {
      tcp.setNoDelay();
      const secured = proxy.scheme === "https"
        ? await Deno.startTls(tcp, { hostname: proxy.host, ...denoCa(options.tls) })
        : undefined;
      const toProxy = secured ?? tcp;
      if (proxy.scheme === "socks5") await connectThroughSocks(toProxy, proxy, target);
      else await connectThroughHttp(toProxy, proxy, target);
      if (!target.isTls) return toProxy;
      return secured === undefined
        ? await startTls(tcp, target, options.tls)
        : await startTlsInNode(secured, target, options.tls);
    } catch (error) {
      closeQuietly(tcp);
      throw error;
    }
  });
}

async function connectDirect(
  target: DialTarget,
  options: DialOptions,
  signal: AbortSignal,
): Promise<Conn> {
  const tcp = await Deno.connect({ hostname: target.host, port: target.port, signal });
  tcp.setNoDelay();
  if (!target.isTls) return tcp;
  try {
    return await startTls(tcp, target, options.tls);
  } catch (error) {
    closeQuietly(tcp);
    throw error;
  }
}

/** TLS over a TCP connection. `Deno.startTls` takes no client certificate. */
async function startTls(
  tcp: Deno.TcpConn,
  target: DialTarget,
  tls: TlsMaterial | undefined,
): Promise<Conn> {
  if (tls?.client !== undefined) return await startTlsInNode(tcp, target, tls);
  const secured = await Deno.startTls(tcp, {
    hostname: target.serverName ?? target.host,
    alpnProtocols: ["http/1.1"],
    ...denoCa(tls),
  });
  await secured.handshake();
  return secured;
}

/** TLS by `node:tls`, loaded on demand because it costs about 30 ms. */
async function startTlsInNode(
  conn: Conn,
  target: DialTarget,
  tls: TlsMaterial | undefined,
): Promise<Conn> {
  const { startNodeTls } = await import("./node_tls.ts");
  const hostname = target.serverName ?? target.host;
  return await startNodeTls(conn, { hostname, ...(tls === undefined ? {} : { tls }) });
}

function denoCa(tls: TlsMaterial | undefined): { caCerts?: string[] } {
  return tls?.caCerts === undefined ? {} : { caCerts: [...tls.caCerts] };
}

/** Runs `connect`, but rejects as soon as `signal` fires; a connection that arrives later is closed. */
async function guarded(signal: AbortSignal, connect: () => Promise<Conn>): Promise<Conn> {
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  const connecting = connect();
  try {
    return await Promise.race([connecting, aborted]);
  } catch (error) {
    // Whatever wins later must not leak; its failure is already told by the rejection we pass on.
    connecting.then(closeQuietly, () => {});
    throw error;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** One line of what a failed dial means to a user; `undefined` when it is not a network failure. */
export function describeDialError(error: unknown, target: DialTarget): string | undefined {
  const where = `${target.host}:${target.port}`;
  if (error instanceof UserError) return error.message;
  if (error instanceof DOMException && error.name === "TimeoutError") {
    return `${where} does not answer`;
  }
  if (error instanceof Deno.errors.ConnectionRefused) return `${where} refused the connection`;
  if (error instanceof Deno.errors.InvalidData) return `${where}: ${error.message}`;
  if (error instanceof Error && /lookup|resolve|getaddrinfo|Name or service/i.test(error.message)) {
    return `cannot find host ${target.host}`;
  }
  return error instanceof Error ? `${where}: ${error.message}` : undefined;
}

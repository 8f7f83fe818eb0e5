/**
 * The one dialer: every outgoing TCP or TLS connection of the coordinator and the relays goes through here, so that
 * proxies, NO_PROXY, an own CA and a client certificate work the same for all of them.
 */
import { UserError } from "../base/errors.ts";
import { closeQuietly, type Conn, type TlsMaterial } from "./conn.ts";
import { describeTlsError } from "./host_errors.ts";
import { connectThroughHttp, connectThroughSocks } from "./proxy_tunnel.ts";
import { type GetEnv, proxyFor, type ProxyServer } from "./proxy.ts";

export interface DialTarget {
  /** Host name or literal address to connect to. */
  readonly host: string;
  readonly port: number;
  readonly isTls: boolean;
  /** Name for SNI and verification. @default host */
  readonly serverName?: string;
}

/** Where a URL leads: `https` and `wss` mean TLS, a missing port the scheme's. */
export function targetOf(url: URL): DialTarget {
  const isTls = url.protocol === "https:" || url.protocol === "wss:";
  const port = url.port === "" ? (isTls ? 443 : 80) : Number(url.port);
  return { host: url.hostname.replace(/^\[|\]$/g, ""), port, isTls };
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
  // A proxy is chosen by name and told the name, also where we would have dialled a literal of the relay map.
  const named = { ...target, host: target.serverName ?? target.host };
  const proxy = proxyFor(named, options.env);
  return await guarded(
    signal,
    (own) =>
      proxy === undefined
        ? connectDirect(target, { tls: options.tls, signal, own })
        : connectThrough(proxy, named, { tls: options.tls, signal, own }),
  );
}

interface Attempt {
  readonly tls: TlsMaterial | undefined;
  readonly signal: AbortSignal;
  /** Should be called with each connection as it is made, the outermost last: it is closed when the attempt ends. */
  readonly own: (conn: Conn) => void;
}

async function connectDirect(target: DialTarget, attempt: Attempt): Promise<Conn> {
  const tcp = await connectTcp(target.host, target.port, attempt);
  return target.isTls ? await startTls(tcp, target, attempt) : tcp;
}

async function connectThrough(
  proxy: ProxyServer,
  target: DialTarget,
  attempt: Attempt,
): Promise<Conn> {
  const tcp = await connectTcp(proxy.host, proxy.port, attempt);
  const secured = proxy.scheme === "https"
    ? await Deno.startTls(tcp, { hostname: proxy.host, ...denoCa(attempt.tls) })
    : undefined;
  const toProxy = secured ?? tcp;
  attempt.own(toProxy);
  if (proxy.scheme === "socks5") await connectThroughSocks(toProxy, proxy, target);
  else await connectThroughHttp(toProxy, proxy, target);
  if (!target.isTls) return toProxy;
  return secured === undefined
    ? await startTls(tcp, target, attempt)
    : await startTlsInNode(secured, target, attempt.tls);
}

async function connectTcp(hostname: string, port: number, attempt: Attempt): Promise<Deno.TcpConn> {
  const tcp = await Deno.connect({ hostname, port, signal: attempt.signal });
  attempt.own(tcp);
  tcp.setNoDelay();
  return tcp;
}

/** TLS over a TCP connection. `Deno.startTls` takes no client certificate. */
async function startTls(
  tcp: Deno.TcpConn,
  target: DialTarget,
  { tls, own }: Attempt,
): Promise<Conn> {
  if (tls?.client !== undefined) return await startTlsInNode(tcp, target, tls);
  const secured = await Deno.startTls(tcp, {
    hostname: target.serverName ?? target.host,
    alpnProtocols: ["http/1.1"],
    ...denoCa(tls),
  });
  own(secured);
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

/** Runs `connect`, but rejects as soon as `signal` fires. Unless it succeeds, nothing that it made stays open. */
async function guarded(
  signal: AbortSignal,
  connect: (own: (conn: Conn) => void) => Promise<Conn>,
): Promise<Conn> {
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  let owned: Conn | undefined;
  let isOver = false;
  const connecting = connect((conn) => {
    owned = conn;
    if (isOver) closeQuietly(conn);
  });
  try {
    return await Promise.race([connecting, aborted]);
  } catch (error) {
    isOver = true;
    // A handshake with a server that says nothing ends only by this. Deno's own TLS keeps the socket of one that had begun
    // until the server closes it; nothing there is ours to close.
    if (owned !== undefined) closeQuietly(owned);
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
  if (error instanceof Error && /lookup|resolve|getaddrinfo|Name or service/i.test(error.message)) {
    return `cannot find host ${target.host}`;
  }
  if (!(error instanceof Error)) return undefined;
  return `${where}: ${describeTlsError(error.message) ?? error.message}`;
}

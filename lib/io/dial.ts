/**
 * The one dialer: every outgoing TCP or TLS connection of the API, the coordinator and the relays goes through here, so that
 * proxies, NO_PROXY, the system's and the user's own authorities and a client certificate work the same for all of them.
 * Address families are raced by the platform (RFC 8305), 250 ms apart.
 */
import { AddressMemory } from "./address_memory.ts";
import { closeQuietly, type Conn, type TlsMaterial } from "./conn.ts";
import {
  isAuthorityItself,
  isTrustFailure,
  LocalAddressError,
  proxyErrorOf,
  UnknownAuthorityError,
} from "./dial_errors.ts";
import { connectThroughHttp, connectThroughSocks } from "./proxy_tunnel.ts";
import { cutBefore } from "../base/trim.ts";
import { isHostPermitted } from "./permissions.ts";
import { localityOf } from "../tailnet/relay_host.ts";
import { type GetEnv, proxyFor } from "./proxy.ts";
import type { ProxyServer } from "./proxy_url.ts";
import { type Roots, type SystemRoots, systemRoots } from "./system_roots.ts";

export interface DialTarget {
  /** Host name or literal address to connect to. */
  readonly host: string;
  readonly port: number;
  readonly isTls: boolean;
  /** Name for SNI and verification. @default host */
  readonly serverName?: string;
  /** The name that the certificate is for, where it is not `serverName`. @default serverName */
  readonly certName?: string;
  /** Drop the connection when the name led to this machine or its link. @default false */
  readonly refusesLocal?: boolean;
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
  /** The system's authorities, trusted besides Mozilla's list. @default that list alone */
  readonly roots?: SystemRoots;
  /** Where names led a moment ago. @default each dial asks anew */
  readonly addresses?: AddressMemory;
  /** Limit for name resolution, TCP, proxy and TLS together. @default 10_000 */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** Nothing learnt yet, to be shared by whoever dials the same deployment. */
export function newDialOptions(env: GetEnv, tls: TlsMaterial | undefined): DialOptions {
  return {
    env,
    roots: systemRoots(env),
    addresses: new AddressMemory(() => performance.now()),
    ...(tls === undefined ? {} : { tls }),
  };
}

const DIAL_TIMEOUT_MS = 10_000;
/** For an address that answered a moment ago; then its name is asked for again. */
const KNOWN_ADDRESS_MS = 1_000;
const NO_ROOTS: Roots = { certificates: [], stores: [] };

/**
 * Connects to `target`, through a proxy when the environment names one. Rejects with `signal.reason`, `DOMException`
 * "TimeoutError", the platform's error, `UnknownAuthorityError`, `ProxyError`, or `UserError` for a variable that cannot be used.
 */
export async function dial(target: DialTarget, options: DialOptions): Promise<Conn> {
  return await dialBy(target, { ...options, proxy: proxyOf(target, options) });
}

export interface DialledForHttp {
  readonly conn: Conn;
  /** Set when this is a connection to a proxy that wants to be told the whole URL of each request (RFC 9112 §3.2.2). */
  readonly forwarder: ProxyServer | undefined;
}

/** The same for requests: in the clear an HTTP proxy is asked, not tunnelled through, as many allow tunnels for TLS alone. */
export async function dialForHttp(
  target: DialTarget,
  options: DialOptions,
): Promise<DialledForHttp> {
  const proxy = proxyOf(target, options);
  if (target.isTls || proxy === undefined || proxy.scheme === "socks5") {
    return { conn: await dialBy(target, { ...options, proxy }), forwarder: undefined };
  }
  return { conn: await dialBy("nobody", { ...options, proxy }), forwarder: proxy };
}

/** A proxy is chosen by name, also where we would have dialled a literal of the relay map. */
function proxyOf(target: DialTarget, options: DialOptions): ProxyServer | undefined {
  return proxyFor({ ...target, host: target.serverName ?? target.host }, options.env);
}

/** `nobody`: the proxy itself is all that is dialled. */
async function dialBy(
  target: DialTarget | "nobody",
  options: DialOptions & { readonly proxy: ProxyServer | undefined },
): Promise<Conn> {
  const { proxy } = options;
  const limit = AbortSignal.timeout(options.timeoutMs ?? DIAL_TIMEOUT_MS);
  const signal = options.signal === undefined ? limit : AbortSignal.any([options.signal, limit]);
  const isVerified = proxy?.scheme === "https" || (target !== "nobody" && target.isTls);
  const roots = isVerified ? options.roots : undefined;
  let engine: Attempt["engine"] = "deno";
  for (;;) {
    const trusted = await roots?.first() ?? NO_ROOTS;
    const way: Way = { proxy };
    try {
      return await guarded(signal, (own) => {
        const { addresses } = options;
        const tls = materialWith(trusted, options.tls);
        const attempt = { tls, engine, addresses, signal, own };
        if (proxy !== undefined) return connectThrough(proxy, { target, way, attempt });
        if (target === "nobody") throw new TypeError("Cannot dial nobody without a proxy");
        return connectDirect(target, attempt);
      });
    } catch (error) {
      options.signal?.throwIfAborted();
      if (isAuthorityItself(error) && engine === "deno") {
        engine = "node";
        continue;
      }
      // An authority that the bundle does not name, or a bundle that the platform cannot read: the other stores are asked once.
      if (isTrustFailure(error) && roots !== undefined && await roots.all() !== trusted) continue;
      const failure = isTrustFailure(error)
        ? new UnknownAuthorityError([...trusted.stores, ...storesOf(options.tls)], error)
        : error;
      throw way.proxy === undefined ? failure : proxyErrorOf(way.proxy, failure);
    }
  }
}

/** How far an attempt has come. */
interface Way {
  /** Set while it is the proxy that is dialled and spoken to. */
  proxy: ProxyServer | undefined;
}

interface Attempt {
  readonly tls: TlsMaterial;
  /** Whose TLS: Deno's refuses a server whose certificate is the very one that is trusted, as self-signed ones are. */
  readonly engine: "deno" | "node";
  readonly addresses: AddressMemory | undefined;
  readonly signal: AbortSignal;
  /** Should be called with each connection as it is made, the outermost last: it is closed when the attempt ends. */
  readonly own: (conn: Conn) => void;
}

function materialWith(roots: Roots, tls: TlsMaterial | undefined): TlsMaterial {
  return { ...tls, caCerts: [...roots.certificates, ...tls?.caCerts ?? []] };
}

function storesOf(tls: TlsMaterial | undefined): string[] {
  return tls?.caCerts === undefined || tls.caCerts.length === 0 ? [] : ["--client-tls-ca-file"];
}

async function connectDirect(target: DialTarget, attempt: Attempt): Promise<Conn> {
  const tcp = await connectTcp(target.host, target.port, attempt);
  if (target.refusesLocal === true && isLocal(tcp)) {
    throw new LocalAddressError(tcp.remoteAddr.hostname);
  }
  return target.isTls ? await startTls(tcp, target, attempt) : tcp;
}

async function connectThrough(
  proxy: ProxyServer,
  to: {
    readonly target: DialTarget | "nobody";
    readonly way: Way;
    readonly attempt: Attempt;
  },
): Promise<Conn> {
  const { target, way, attempt } = to;
  const tcp = await connectTcp(proxy.host, proxy.port, attempt);
  const secured = proxy.scheme === "https" ? await startTlsToProxy(tcp, proxy, attempt) : undefined;
  const toProxy = secured ?? tcp;
  if (target === "nobody") return toProxy;
  // It is told the name: it may know another address for it than the relay map.
  const named = { ...target, host: target.serverName ?? target.host };
  if (proxy.scheme === "socks5") await connectThroughSocks(toProxy, proxy, named);
  else await connectThroughHttp(toProxy, proxy, named);
  way.proxy = undefined;
  if (!target.isTls) return toProxy;
  return secured === undefined
    ? await startTls(tcp, target, attempt)
    : await startTlsInNode(secured, target, attempt);
}

async function connectTcp(host: string, port: number, attempt: Attempt): Promise<Deno.TcpConn> {
  const { addresses, signal } = attempt;
  const known = addresses?.addressOf(host);
  let tcp = known === undefined ? undefined : await connectToKnown(known, port, signal);
  if (tcp === undefined) {
    addresses?.forget(host);
    tcp = await Deno.connect({ hostname: host, port, signal });
    addresses?.note(host, tcp.remoteAddr.hostname);
  }
  attempt.own(tcp);
  tcp.setNoDelay();
  return tcp;
}

function isLocal(tcp: Deno.TcpConn): boolean {
  return localityOf(cutBefore(tcp.remoteAddr.hostname, "%")) !== undefined;
}

/** `undefined` when nobody answers there soon. Rejects with the signal's reason. */
async function connectToKnown(
  hostname: string,
  port: number,
  signal: AbortSignal,
): Promise<Deno.TcpConn | undefined> {
  // Who allowed the name alone is not to be asked for its address.
  if (!isHostPermitted(hostname, port)) return undefined;
  const soon = AbortSignal.any([signal, AbortSignal.timeout(KNOWN_ADDRESS_MS)]);
  try {
    return await Deno.connect({ hostname, port, signal: soon });
  } catch (error) {
    signal.throwIfAborted();
    // Of any kind: the platform has a `TypeError` for names that are none, which come from a relay map.
    if (!(error instanceof Error)) throw error;
    return undefined;
  }
}

async function startTlsToProxy(
  tcp: Deno.TcpConn,
  proxy: ProxyServer,
  attempt: Attempt,
): Promise<Conn> {
  const { tls, own, engine } = attempt;
  if (engine === "node") return await startTlsInNode(tcp, { host: proxy.host }, attempt);
  const secured = await Deno.startTls(tcp, { hostname: proxy.host, ...denoCa(tls) });
  own(secured);
  await secured.handshake();
  return secured;
}

/** TLS over a TCP connection. `Deno.startTls` takes no client certificate, and one name for SNI and certificate. */
async function startTls(
  tcp: Deno.TcpConn,
  target: DialTarget,
  attempt: Attempt,
): Promise<Conn> {
  const { tls, own, engine } = attempt;
  const hostname = target.serverName ?? target.host;
  const { certName = hostname } = target;
  if (tls.client !== undefined || certName !== hostname || engine === "node") {
    return await startTlsInNode(tcp, target, attempt);
  }
  const secured = await Deno.startTls(tcp, {
    hostname,
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
  target: Pick<DialTarget, "host" | "serverName" | "certName">,
  { tls, own }: Attempt,
): Promise<Conn> {
  const { startNodeTls } = await import("./node_tls.ts");
  const hostname = target.serverName ?? target.host;
  const { certName = hostname } = target;
  const secured = await startNodeTls(conn, { hostname, certName, tls });
  own(secured);
  return secured;
}

function denoCa(tls: TlsMaterial): { caCerts?: string[] } {
  return tls.caCerts === undefined || tls.caCerts.length === 0 ? {} : { caCerts: [...tls.caCerts] };
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

/**
 * Which proxy a destination is reached through, by the customary environment variables, with the rules of Go's
 * `golang.org/x/net/http/httpproxy` so that a machine set up for the official CLI works here unchanged.
 * Not here: automatic configuration scripts (PAC) and the operating system's proxy settings.
 */

/** A proxy to dial instead of the destination. */
export interface ProxyServer {
  /** `http` and `https` speak CONNECT (RFC 9110 §9.3.6); `socks5` speaks RFC 1928. */
  readonly scheme: "http" | "https" | "socks5";
  readonly host: string;
  readonly port: number;
  /** Value of `Proxy-Authorization` or user and password of SOCKS; a secret, never logged. */
  readonly credentials: { readonly user: string; readonly password: string } | undefined;
}

export interface ProxyDestination {
  readonly isTls: boolean;
  readonly host: string;
  readonly port: number;
}

export type GetEnv = (name: string) => string | undefined;

const DEFAULT_PORTS = { http: 80, https: 443, socks5: 1080 } as const;

/** The first of two spellings that is set and not empty. */
function eitherCase(env: GetEnv, name: string): string | undefined {
  return env(name) || env(name.toLowerCase()) || undefined;
}

/** Whether the environment names any proxy at all. */
export function hasProxyVariables(env: GetEnv): boolean {
  return ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"].some((name) =>
    eitherCase(env, name) !== undefined
  );
}

/** Parses e.g. `http://user:pw@proxy:3128`, `proxy:3128`; `undefined` when it is no proxy URL that we speak. */
export function parseProxy(text: string): ProxyServer | undefined {
  const withScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`;
  if (!URL.canParse(withScheme)) return undefined;
  const url = new URL(withScheme);
  const scheme = url.protocol === "http:"
    ? "http"
    : url.protocol === "https:"
    ? "https"
    : url.protocol === "socks5:" || url.protocol === "socks5h:"
    ? "socks5"
    : undefined;
  if (scheme === undefined || url.hostname === "") return undefined;
  const credentials = url.username === "" && url.password === ""
    ? undefined
    : { user: decodeURIComponent(url.username), password: decodeURIComponent(url.password) };
  return {
    scheme,
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: url.port === "" ? DEFAULT_PORTS[scheme] : Number(url.port),
    credentials,
  };
}

/** The proxy for `destination`, `undefined` for a direct connection. */
export function proxyFor(destination: ProxyDestination, env: GetEnv): ProxyServer | undefined {
  const text =
    (destination.isTls ? eitherCase(env, "HTTPS_PROXY") : eitherCase(env, "HTTP_PROXY")) ??
      eitherCase(env, "ALL_PROXY");
  if (text === undefined) return undefined;
  const host = destination.host.toLowerCase().replace(/^\[|\]$/g, "").replace(/\.$/, "");
  if (host === "localhost" || isLoopback(host)) return undefined;
  if (isExempt({ ...destination, host }, eitherCase(env, "NO_PROXY") ?? "")) return undefined;
  return parseProxy(text);
}

function isLoopback(host: string): boolean {
  return /^127\.\d+\.\d+\.\d+$/.test(host) || host === "::1";
}

/** Whether NO_PROXY names `destination`: `*`, host, `.domain`, address, address range, each with an optional port. */
function isExempt(destination: ProxyDestination, noProxy: string): boolean {
  for (const raw of noProxy.split(",")) {
    const entry = raw.trim().toLowerCase();
    if (entry === "") continue;
    if (entry === "*") return true;
    const range = entry.includes("/") ? parseRange(entry) : undefined;
    if (range !== undefined) {
      const address = parseAddress(destination.host);
      if (address !== undefined && inRange(address, range)) return true;
      continue;
    }
    const { host, port } = splitPort(entry);
    if (port !== undefined && port !== destination.port) continue;
    if (parseAddress(host) !== undefined) {
      if (host === destination.host) return true;
      continue;
    }
    // A leading dot or `*.` matches subdomains only; a bare name matches itself and its subdomains.
    const domain = host.replace(/^\*?\./, "");
    if (destination.host.endsWith(`.${domain}`)) return true;
    if (domain === host && destination.host === domain) return true;
  }
  return false;
}

function splitPort(entry: string): { host: string; port: number | undefined } {
  const bracketed = /^\[(.+)\](?::(\d+))?$/.exec(entry);
  if (bracketed !== null) return { host: bracketed[1] ?? "", port: toPort(bracketed[2]) };
  const named = /^([^:]+):(\d+)$/.exec(entry);
  if (named !== null) return { host: named[1] ?? "", port: toPort(named[2]) };
  return { host: entry, port: undefined };
}

function toPort(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text);
}

interface AddressRange {
  readonly address: readonly number[];
  readonly prefixBits: number;
}

function parseRange(text: string): AddressRange | undefined {
  const [addressText = "", bitsText = ""] = text.split("/");
  const address = parseAddress(addressText);
  const prefixBits = Number(bitsText);
  if (address === undefined || !/^\d+$/.test(bitsText) || prefixBits > address.length * 8) {
    return undefined;
  }
  return { address, prefixBits };
}

/** The 4 or 16 bytes of a literal address; `undefined` for a name. */
function parseAddress(text: string): number[] | undefined {
  if (/^\d+\.\d+\.\d+\.\d+$/.test(text)) {
    const bytes = text.split(".").map(Number);
    return bytes.every((byte) => byte <= 255) ? bytes : undefined;
  }
  if (!text.includes(":") || !URL.canParse(`http://[${text}]/`)) return undefined;
  const normal = new URL(`http://[${text}]/`).hostname.slice(1, -1);
  const [head = "", tail] = normal.split("::");
  const groupsOf = (part: string) =>
    part === "" ? [] : part.split(":").map((g) => Number.parseInt(g, 16));
  const before = groupsOf(head);
  const after = tail === undefined ? [] : groupsOf(tail);
  const zeros = new Array<number>(8 - before.length - after.length).fill(0);
  return [...before, ...zeros, ...after].flatMap((group) => [group >> 8, group & 255]);
}

function inRange(address: readonly number[], range: AddressRange): boolean {
  if (address.length !== range.address.length) return false;
  for (let bit = 0; bit < range.prefixBits; bit++) {
    const mask = 0x80 >> (bit & 7);
    if (((address[bit >> 3] ?? 0) & mask) !== ((range.address[bit >> 3] ?? 0) & mask)) return false;
  }
  return true;
}

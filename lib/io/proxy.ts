/**
 * Which proxy a destination is reached through, by the customary environment variables, with the rules of Go's
 * `golang.org/x/net/http/httpproxy` so that a machine set up for the official CLI works here unchanged.
 * Not here: automatic configuration scripts (PAC) and the operating system's proxy settings.
 */

import { parseProxy, type ProxyServer } from "./proxy_url.ts";

export interface ProxyDestination {
  readonly isTls: boolean;
  readonly host: string;
  readonly port: number;
}

export type GetEnv = (name: string) => string | undefined;

/** The first of two spellings that is set and not empty. */
function eitherCase(env: GetEnv, name: string): Variable | undefined {
  for (const spelling of [name, name.toLowerCase()]) {
    const value = env(spelling);
    if (value) return { name: spelling, value };
  }
  return undefined;
}

interface Variable {
  readonly name: string;
  readonly value: string;
}

/** The proxy for `destination`, `undefined` for a direct connection. Throws `UserError` when the variable cannot be used. */
export function proxyFor(destination: ProxyDestination, env: GetEnv): ProxyServer | undefined {
  const variable =
    (destination.isTls ? eitherCase(env, "HTTPS_PROXY") : eitherCase(env, "HTTP_PROXY")) ??
      eitherCase(env, "ALL_PROXY");
  if (variable === undefined) return undefined;
  const host = destination.host.toLowerCase().replace(/^\[|\]$/g, "").replace(/\.$/, "");
  if (host === "localhost" || isLoopback(host)) return undefined;
  if (isExempt({ ...destination, host }, eitherCase(env, "NO_PROXY")?.value ?? "")) {
    return undefined;
  }
  return parseProxy(variable.name, variable.value);
}

function isLoopback(host: string): boolean {
  const address = parseAddress(host);
  return address !== undefined && LOOPBACK.some((range) => inRange(address, range));
}

/** Whether NO_PROXY names `destination`: `*`, host, `.domain`, address, address range, each with an optional port. */
function isExempt(destination: ProxyDestination, noProxy: string): boolean {
  const address = parseAddress(destination.host);
  for (const raw of noProxy.split(",")) {
    const entry = raw.trim().toLowerCase();
    if (entry === "") continue;
    if (entry === "*") return true;
    const range = entry.includes("/") ? parseRange(entry) : undefined;
    if (range !== undefined) {
      if (address !== undefined && inRange(address, range)) return true;
      continue;
    }
    const { host, port } = splitPort(entry);
    if (port !== undefined && port !== destination.port) continue;
    const named = parseAddress(host);
    if (named !== undefined) {
      const itself = { address: named, prefixBits: named.length * 8 };
      if (address !== undefined && inRange(address, itself)) return true;
      continue;
    }
    // A leading dot or `*.` matches subdomains only; a bare name matches itself and its subdomains.
    const bare = host.replace(/^\*?\./, "");
    const domain = asciiName(bare);
    if (destination.host.endsWith(`.${domain}`)) return true;
    if (bare === host && destination.host === domain) return true;
  }
  return false;
}

/** As URLs have it (RFC 5891 §4); what is no name stays as it is, and matches none. */
function asciiName(name: string): string {
  const url = `http://${name}/`;
  return URL.canParse(url) ? new URL(url).hostname : name;
}

function splitPort(entry: string): { host: string; port: number | undefined } {
  const bracketed = /^\[([^\]]+)\](?::(\d*))?$/.exec(entry);
  if (bracketed !== null) return { host: bracketed[1] ?? "", port: toPort(bracketed[2]) };
  const named = /^([^:]+):(\d*)$/.exec(entry);
  if (named !== null) return { host: named[1] ?? "", port: toPort(named[2]) };
  return { host: entry, port: undefined };
}

function toPort(text: string | undefined): number | undefined {
  return text ? Number(text) : undefined;
}

interface AddressRange {
  readonly address: readonly number[];
  readonly prefixBits: number;
}

const LOOPBACK: readonly AddressRange[] = [
  { address: [127, 0, 0, 0], prefixBits: 8 },
  { address: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], prefixBits: 128 },
];
/** Addresses of IPv4 in IPv6. */
const MAPPED: AddressRange = {
  address: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 0, 0, 0, 0],
  prefixBits: 96,
};

function parseRange(text: string): AddressRange | undefined {
  const [addressText = "", bitsText = ""] = text.split("/");
  const address = parseAddress(addressText);
  const prefixBits = Number(bitsText);
  if (address === undefined || !/^\d+$/.test(bitsText) || prefixBits > address.length * 8) {
    return undefined;
  }
  return { address, prefixBits };
}

/** The 4 or 16 bytes of a literal address, 4 also for one of IPv4 in IPv6 (RFC 4291 §2.5.5.2); `undefined` for a name. */
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
  const bytes = [...before, ...zeros, ...after].flatMap((group) => [group >> 8, group & 255]);
  return inRange(bytes, MAPPED) ? bytes.slice(12) : bytes;
}

function inRange(address: readonly number[], range: AddressRange): boolean {
  if (address.length !== range.address.length) return false;
  for (let bit = 0; bit < range.prefixBits; bit++) {
    const mask = 0x80 >> (bit & 7);
    if (((address[bit >> 3] ?? 0) & mask) !== ((range.address[bit >> 3] ?? 0) & mask)) return false;
  }
  return true;
}

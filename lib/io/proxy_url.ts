/**
 * A proxy as an environment variable spells it, read as curl reads it (curl `lib/urlapi.c` `parse_hostname_login`,
 * `lib/url.c` `parse_proxy`): credentials reach to the last `@`, a `%` that begins no escape is itself, `\` is an ordinary
 * character of a user (`DOMAIN\user`). Not by `URL`, which takes `\` for `/` and would dial another host.
 *   [scheme "://"] [user [":" password] "@"] host [":" port] [anything that begins with "/", "?" or "#"]
 * What cannot be read is an error, never a direct connection: whoever sets a proxy may not be allowed to go without.
 */
import { UserError } from "../base/errors.ts";

/** A proxy to dial instead of the destination. */
export interface ProxyServer {
  /** `http` and `https` speak CONNECT (RFC 9110 §9.3.6); `socks5` speaks RFC 1928. */
  readonly scheme: "http" | "https" | "socks5";
  /** A name or a literal address, without brackets. */
  readonly host: string;
  readonly port: number;
  /** For `Proxy-Authorization` or SOCKS; secret, never logged. Bytes, because an escape may stand for any byte. */
  readonly credentials: ProxyCredentials | undefined;
  /** Where it is set, e.g. `HTTPS_PROXY`. */
  readonly variable: string;
}

export interface ProxyCredentials {
  readonly user: Uint8Array<ArrayBuffer>;
  readonly password: Uint8Array<ArrayBuffer>;
}

const DEFAULT_PORTS = { http: 80, https: 443, socks5: 1080 } as const;
const SCHEMES: Readonly<Record<string, ProxyServer["scheme"]>> = {
  http: "http",
  https: "https",
  socks5: "socks5",
  // Names are the proxy's to resolve either way, as in Go.
  socks5h: "socks5",
};
const MAX_HOST_CHARACTERS = 253;

/** Reads e.g. `http://user:pw@proxy:3128` or `proxy:3128`. Throws `UserError`, which never repeats what may be a password. */
export function parseProxy(variable: string, value: string): ProxyServer {
  const refuse = (problem: string) => unusable(variable, problem);
  const text = value.trim();
  const [, schemeText = "http", afterScheme = text] =
    /^([a-z][a-z0-9+.-]{0,20}):\/\/(.*)$/is.exec(text) ?? [];
  const scheme = SCHEMES[schemeText.toLowerCase()];
  if (scheme === undefined) throw refuse(`the scheme "${schemeText}" is not known`);
  const authorityEnd = afterScheme.search(/[/?#]/);
  const authority = authorityEnd < 0 ? afterScheme : afterScheme.slice(0, authorityEnd);
  if (authorityEnd >= 0 && afterScheme.includes("@", authorityEnd)) {
    throw refuse(`a "/", "?" or "#" in the user or password must be written as %2F, %3F or %23`);
  }
  const at = authority.lastIndexOf("@");
  const { host, port } = parseHostPort(authority.slice(at + 1), refuse);
  if (/^direct$/i.test(text)) {
    throw refuse(`"${text}" is a word of proxy scripts; unset it, or set NO_PROXY, to go direct`);
  }
  return {
    scheme,
    host,
    port: port ?? DEFAULT_PORTS[scheme],
    credentials: at < 0 ? undefined : parseCredentials(authority.slice(0, at), refuse),
    variable,
  };
}

type Refuse = (problem: string) => UserError;

function unusable(variable: string, problem: string): UserError {
  return new UserError(
    `Cannot use the proxy of ${variable}: ${problem} ` +
      "(accepted: [http|https|socks5]://[user:password@]host[:port])",
    { hint: `Correct or unset ${variable}, or name the deployment in NO_PROXY` },
  );
}

function parseHostPort(
  text: string,
  refuse: Refuse,
): { readonly host: string; readonly port: number | undefined } {
  const [, bracketed, named = "", portText] =
    /^(?:\[([^\]]*)\]|([^:[\]]*))(?::(.*))?$/s.exec(text) ??
      [];
  if (bracketed === undefined && named === "") {
    throw refuse(
      text === "" || text.startsWith(":") ? "it names no host" : "its host is malformed",
    );
  }
  return {
    host: bracketed === undefined ? checkName(named, refuse) : checkIpv6(bracketed, refuse),
    port: portText === undefined ? undefined : checkPort(portText, refuse),
  };
}

function checkName(name: string, refuse: Refuse): string {
  if (name.length > MAX_HOST_CHARACTERS || !/^[\p{L}\p{M}\p{N}._-]+$/u.test(name)) {
    throw refuse("its host holds characters that no host name has");
  }
  // ASCII stays as it is; `URL` would make addresses of numbers.
  // deno-lint-ignore no-control-regex
  if (/^[\x00-\x7f]*$/.test(name)) return name;
  const ascii = URL.parse(`http://${name}/`)?.hostname;
  if (ascii === undefined) throw refuse("its host holds characters that no host name has");
  return ascii;
}

function checkIpv6(address: string, refuse: Refuse): string {
  if (!address.includes(":") || !URL.canParse(`http://[${address}]/`)) {
    throw refuse("what stands in brackets is no IPv6 address");
  }
  return address;
}

function checkPort(text: string, refuse: Refuse): number {
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65_535) throw refuse("its port is no number from 1 to 65535");
  return port;
}

function parseCredentials(text: string, refuse: Refuse): ProxyCredentials | undefined {
  if (text === "") return undefined;
  const colon = text.indexOf(":");
  const user = percentDecode(colon < 0 ? text : text.slice(0, colon));
  const password = percentDecode(colon < 0 ? "" : text.slice(colon + 1));
  if ([...user, ...password].some((byte) => byte < 0x20 || byte === 0x7f)) {
    throw refuse("its user or password holds a control character");
  }
  return { user, password };
}

/** The bytes that `text` stands for; a `%` without two hexadecimal digits behind it stands for itself. */
function percentDecode(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new TextEncoder().encode(text);
  const PERCENT = 0x25;
  let length = 0;
  for (let at = 0; at < bytes.length; at++) {
    const digits = String.fromCharCode(bytes[at + 1] ?? 0, bytes[at + 2] ?? 0);
    if (bytes[at] === PERCENT && /^[0-9a-f]{2}$/i.test(digits)) {
      bytes[length++] = Number.parseInt(digits, 16);
      at += 2;
    } else {
      bytes[length++] = bytes[at] ?? 0;
    }
  }
  return bytes.slice(0, length);
}

/** Tunnels through a proxy: HTTP CONNECT (RFC 9110 §9.3.6) and SOCKS5 (RFC 1928, RFC 1929). Bounded reads. */
import { concatBytes } from "../base/bytes.ts";
import { formatRequestHead } from "../http1/mod.ts";
import { hostPort, loginRefusedError, ProxyError } from "./dial_errors.ts";
import type { ProxyDestination } from "./proxy.ts";
import type { ProxyCredentials, ProxyServer } from "./proxy_url.ts";

const MAX_RESPONSE_HEAD_BYTES = 16_384;
const COLON = 0x3a;

interface Pipe {
  read(into: Uint8Array): Promise<number | null>;
  write(bytes: Uint8Array): Promise<number>;
}

async function writeAll(pipe: Pipe, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await pipe.write(bytes.subarray(at));
}

async function readExactly(pipe: Pipe, count: number, proxy: ProxyServer): Promise<Uint8Array> {
  const bytes = new Uint8Array(count);
  for (let at = 0; at < count;) {
    const read = await pipe.read(bytes.subarray(at));
    if (read === null) throw closedError(proxy);
    at += read;
  }
  return bytes;
}

function closedError(proxy: ProxyServer): ProxyError {
  return new ProxyError(proxy, "closed the connection", { code: "reset" });
}

/** Asks an HTTP proxy for a tunnel. Rejects with `ProxyError` when it refuses. */
export async function connectThroughHttp(
  pipe: Pipe,
  proxy: ProxyServer,
  to: ProxyDestination,
): Promise<void> {
  const authority = hostPort(to);
  // Throws for a host that would not stay on its line: names come from relay maps as well.
  const request = formatRequestHead({
    method: "CONNECT",
    path: authority,
    host: authority,
    headers: proxyHeaders(proxy),
  });
  await writeAll(pipe, request);
  // One byte at a time: what follows the head belongs to the tunnel and there is no way to hand it back.
  const head: number[] = [];
  const byte = new Uint8Array(1);
  while (!endsHead(head)) {
    if (head.length >= MAX_RESPONSE_HEAD_BYTES) {
      throw new ProxyError(proxy, "sent an endless answer");
    }
    const read = await pipe.read(byte);
    if (read === null) throw closedError(proxy);
    if (read === 1) head.push(byte[0] ?? 0);
  }
  const statusLine = String.fromCharCode(...head.slice(0, 200)).split("\r\n")[0] ?? "";
  const status = /^HTTP\/1\.[01] (\d{3})/.exec(statusLine)?.[1];
  if (status?.startsWith("2") === true) return;
  if (status === "407") throw loginRefusedError(proxy, challengesIn(head));
  const shown = status === undefined ? "did not answer as an HTTP proxy" : `answered ${status}`;
  // 5xx: it could not reach the destination now, which may pass.
  throw new ProxyError(proxy, `${shown} to CONNECT ${authority}`, {
    code: status?.startsWith("5") === true ? "unreachable" : "other",
  });
}

function challengesIn(head: readonly number[]): string[] {
  const lines = String.fromCharCode(...head).split("\r\n");
  return lines.flatMap((line) => /^proxy-authenticate:(.*)/i.exec(line)?.[1] ?? []);
}

/** What tells an HTTP proxy who we are: nothing when it has no credentials. */
export function proxyHeaders(proxy: ProxyServer): readonly (readonly [string, string])[] {
  return proxy.credentials === undefined
    ? []
    : [["Proxy-Authorization", basicOf(proxy.credentials)]];
}

/** RFC 7617 §2, without its charset: the bytes are what the user wrote. */
function basicOf({ user, password }: ProxyCredentials): string {
  const plain = concatBytes(user, new Uint8Array([COLON]), password);
  return `Basic ${btoa(String.fromCharCode(...plain))}`;
}

function endsHead(head: readonly number[]): boolean {
  const n = head.length;
  return n >= 4 && head[n - 1] === 10 && head[n - 2] === 13 && head[n - 3] === 10 &&
    head[n - 4] === 13;
}

const SOCKS_REPLIES: Readonly<Record<number, string>> = {
  1: "general failure",
  2: "not allowed by its rules",
  3: "network unreachable",
  4: "host unreachable",
  5: "connection refused",
  6: "TTL expired",
  7: "command not supported",
  8: "address type not supported",
};

/** Asks a SOCKS5 proxy for a connection; the proxy resolves names. Rejects with `ProxyError` when it refuses. */
export async function connectThroughSocks(
  pipe: Pipe,
  proxy: ProxyServer,
  to: ProxyDestination,
): Promise<void> {
  const encoder = new TextEncoder();
  const methods = proxy.credentials === undefined ? [0] : [0, 2];
  await writeAll(pipe, new Uint8Array([5, methods.length, ...methods]));
  const [version, method] = await readExactly(pipe, 2, proxy);
  if (version !== 5) throw new ProxyError(proxy, "did not answer as a SOCKS5 proxy");
  if (method === 2 && proxy.credentials !== undefined) {
    const { user, password } = proxy.credentials;
    if (user.length > 255 || password.length > 255) {
      throw new ProxyError(proxy, "cannot take a user name or password longer than 255 bytes");
    }
    await writeAll(pipe, new Uint8Array([1, user.length, ...user, password.length, ...password]));
    const [, status] = await readExactly(pipe, 2, proxy);
    if (status !== 0) throw new ProxyError(proxy, "refused the user name or password");
  } else if (method !== 0) {
    throw new ProxyError(proxy, "wants a user name and password");
  }
  const host = encoder.encode(to.host);
  if (host.length > 255) {
    throw new ProxyError(proxy, "cannot take a host name longer than 255 bytes");
  }
  // Address type 3, a name, also for literals: every SOCKS5 server resolves those too.
  await writeAll(
    pipe,
    new Uint8Array([5, 1, 0, 3, host.length, ...host, to.port >> 8, to.port & 255]),
  );
  const [, reply = 1, , addressType] = await readExactly(pipe, 4, proxy);
  if (reply !== 0) {
    throw new ProxyError(proxy, `answered: ${SOCKS_REPLIES[reply] ?? `code ${reply}`}`);
  }
  const boundBytes = addressType === 1
    ? 4
    : addressType === 4
    ? 16
    : (await readExactly(pipe, 1, proxy))[0] ?? 0;
  await readExactly(pipe, boundBytes + 2, proxy);
}

/** Tunnels through a proxy: HTTP CONNECT (RFC 9110 §9.3.6) and SOCKS5 (RFC 1928, RFC 1929). Bounded reads. */
import { UserError } from "../base/errors.ts";
import type { ProxyDestination, ProxyServer } from "./proxy.ts";

const MAX_RESPONSE_HEAD_BYTES = 16_384;

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
    if (read === null) throw proxyError(proxy, "closed the connection");
    at += read;
  }
  return bytes;
}

function proxyError(proxy: ProxyServer, what: string): UserError {
  return new UserError(`proxy ${proxy.host}:${proxy.port} ${what}`, {
    hint: "Check HTTP_PROXY, HTTPS_PROXY and NO_PROXY.",
  });
}

/** Asks an HTTP proxy for a tunnel. Rejects with `UserError` when it refuses. */
export async function connectThroughHttp(
  pipe: Pipe,
  proxy: ProxyServer,
  to: ProxyDestination,
): Promise<void> {
  const authority = `${to.host.includes(":") ? `[${to.host}]` : to.host}:${to.port}`;
  const lines = [`CONNECT ${authority} HTTP/1.1`, `Host: ${authority}`];
  if (proxy.credentials !== undefined) {
    const { user, password } = proxy.credentials;
    const plain = new TextEncoder().encode(`${user}:${password}`);
    lines.push(`Proxy-Authorization: Basic ${btoa(String.fromCharCode(...plain))}`);
  }
  await writeAll(pipe, new TextEncoder().encode(`${lines.join("\r\n")}\r\n\r\n`));
  // One byte at a time: what follows the head belongs to the tunnel and there is no way to hand it back.
  const head: number[] = [];
  const byte = new Uint8Array(1);
  while (!endsHead(head)) {
    if (head.length >= MAX_RESPONSE_HEAD_BYTES) throw proxyError(proxy, "sent an endless answer");
    const read = await pipe.read(byte);
    if (read === null) throw proxyError(proxy, "closed the connection");
    if (read === 1) head.push(byte[0] ?? 0);
  }
  const statusLine = String.fromCharCode(...head.slice(0, 200)).split("\r\n")[0] ?? "";
  const status = /^HTTP\/1\.[01] (\d{3})/.exec(statusLine)?.[1];
  if (status === "407") throw proxyError(proxy, "wants a user name and password (407)");
  if (status === undefined || !status.startsWith("2")) {
    const shown = status === undefined ? "did not answer as an HTTP proxy" : `answered ${status}`;
    throw proxyError(proxy, `${shown} to CONNECT ${authority}`);
  }
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

/** Asks a SOCKS5 proxy for a connection; the proxy resolves names. Rejects with `UserError` when it refuses. */
export async function connectThroughSocks(
  pipe: Pipe,
  proxy: ProxyServer,
  to: ProxyDestination,
): Promise<void> {
  const encoder = new TextEncoder();
  const methods = proxy.credentials === undefined ? [0] : [0, 2];
  await writeAll(pipe, new Uint8Array([5, methods.length, ...methods]));
  const [version, method] = await readExactly(pipe, 2, proxy);
  if (version !== 5) throw proxyError(proxy, "did not answer as a SOCKS5 proxy");
  if (method === 2 && proxy.credentials !== undefined) {
    const user = encoder.encode(proxy.credentials.user);
    const password = encoder.encode(proxy.credentials.password);
    if (user.length > 255 || password.length > 255) {
      throw proxyError(proxy, "cannot take a user name or password longer than 255 bytes");
    }
    await writeAll(pipe, new Uint8Array([1, user.length, ...user, password.length, ...password]));
    const [, status] = await readExactly(pipe, 2, proxy);
    if (status !== 0) throw proxyError(proxy, "refused the user name or password");
  } else if (method !== 0) {
    throw proxyError(proxy, "wants a user name and password");
  }
  const host = encoder.encode(to.host);
  if (host.length > 255) throw proxyError(proxy, "cannot take a host name longer than 255 bytes");
  // Address type 3, a name, also for literals: every SOCKS5 server resolves those too.
  await writeAll(
    pipe,
    new Uint8Array([5, 1, 0, 3, host.length, ...host, to.port >> 8, to.port & 255]),
  );
  const [, reply = 1, , addressType] = await readExactly(pipe, 4, proxy);
  if (reply !== 0) throw proxyError(proxy, `answered: ${SOCKS_REPLIES[reply] ?? `code ${reply}`}`);
  const boundBytes = addressType === 1
    ? 4
    : addressType === 4
    ? 16
    : (await readExactly(pipe, 1, proxy))[0] ?? 0;
  await readExactly(pipe, boundBytes + 2, proxy);
}

/** Proxies on loopback. They alone know where `coder.test` is; whoever dials it without them finds nothing. */
import {
  bytesOf,
  LOOPBACK,
  LoopbackServer,
  readHead,
  tlsFixture,
  tlsServer,
  writeAll,
} from "./support.ts";

export interface TestProxy extends AsyncDisposable {
  readonly port: number;
  /** What was asked for, e.g. `coder.test:443`, with `user:password@` if those were given. */
  readonly asked: string[];
}

/** An HTTP proxy that tunnels and forwards everything to `targetPort`; itself behind TLS if `isTls`. */
export function startHttpProxy(
  targetPort: number,
  options: {
    readonly isTls?: boolean;
    /** A certificate of its own, instead of the one of all. */
    readonly tls?: { readonly cert: string; readonly key: string };
    readonly password?: string;
  } = {},
): TestProxy {
  const asked: string[] = [];
  const tls = options.isTls === true
    ? { cert: tlsFixture("server.crt"), key: tlsFixture("server.key") }
    : options.tls;
  const server = new LoopbackServer(async (conn) => {
    const head = await readHead(conn);
    const tunnelTo = /^CONNECT (\S+) /.exec(head)?.[1];
    const to = tunnelTo ?? head.split(" HTTP/")[0];
    const basic = /proxy-authorization: basic (\S+)/i.exec(head)?.[1];
    const user = basic === undefined ? "" : `${atob(basic)}@`;
    asked.push(user + to);
    if (options.password !== undefined && !user.includes(`:${options.password}@`)) {
      await writeAll(conn, bytesOf("HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n"));
      return;
    }
    if (tunnelTo === undefined) return await tunnel(conn, targetPort, head);
    await writeAll(conn, bytesOf("HTTP/1.1 200 Connection established\r\n\r\n"));
    await tunnel(conn, targetPort);
  }, tls);
  return { port: server.port, asked, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

/** A SOCKS5 proxy without passwords (RFC 1928) that takes names only. */
export function startSocksProxy(targetPort: number): TestProxy {
  const asked: string[] = [];
  const server = new LoopbackServer(async (conn) => {
    const [, methods = 0] = await exactly(conn, 2);
    await exactly(conn, methods);
    await writeAll(conn, new Uint8Array([5, 0]));
    const [, , , type = 0, length = 0] = await exactly(conn, 5);
    const name = new TextDecoder().decode(await exactly(conn, length));
    const [high = 0, low = 0] = await exactly(conn, 2);
    asked.push(`${type === 3 ? name : "?"}:${high * 256 + low}`);
    await writeAll(conn, new Uint8Array([5, 0, 0, 1, 127, 0, 0, 1, 0, 80]));
    await tunnel(conn, targetPort);
  });
  return { port: server.port, asked, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

/** A front that speaks TLS for a server that does not, with the fixture's certificate. */
export function startTlsFront(targetPort: number): LoopbackServer {
  return tlsServer((conn) => tunnel(conn, targetPort));
}

async function tunnel(client: Deno.Conn, port: number, first = ""): Promise<void> {
  const server = await Deno.connect({ hostname: LOOPBACK, port });
  await writeAll(server, bytesOf(first));
  const closeBoth = () => {
    for (const conn of [client, server]) {
      try {
        conn.close();
      } catch (error) {
        if (!(error instanceof Deno.errors.BadResource)) throw error;
      }
    }
  };
  await Promise.allSettled([
    copy(client, server).finally(closeBoth),
    copy(server, client).finally(closeBoth),
  ]);
}

async function copy(from: Deno.Conn, to: Deno.Conn): Promise<void> {
  const chunk = new Uint8Array(16_384);
  for (let count = await from.read(chunk); count !== null; count = await from.read(chunk)) {
    await writeAll(to, chunk.subarray(0, count));
  }
}

async function exactly(conn: Deno.Conn, count: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(count);
  for (let at = 0; at < count;) {
    const read = await conn.read(bytes.subarray(at));
    if (read === null) throw new Error("client went away");
    at += read;
  }
  return bytes;
}

/** Connections in memory, servers on loopback and proxies that alone know the made-up host `coder.test`. */
import type { Conn, TlsMaterial } from "../../lib/io/conn.ts";
import type { DerpNode } from "../../lib/tailnet/derp_map.ts";

export const LOOPBACK = "127.0.0.1";
const FIXTURES = new URL("../fixtures/tls/", import.meta.url);

/** A file of `tests/fixtures/tls`. */
export function tlsFixture(name: string): string {
  return Deno.readTextFileSync(new URL(name, FIXTURES));
}

export function ownCa(): TlsMaterial {
  return { caCerts: [tlsFixture("ca.crt")] };
}

export function ownCaAndClient(): TlsMaterial {
  const client = { cert: tlsFixture("client.crt"), key: tlsFixture("client.key") };
  return { ...ownCa(), client };
}

export const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
export const bytesOf = (words: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(words);

/** A relay on this machine, without TLS and STUN. */
export function relayNode(part: Partial<DerpNode>): DerpNode {
  return {
    name: "a",
    regionId: 1,
    hostName: LOOPBACK,
    certName: "",
    ipv4: "",
    ipv6: "",
    stunPort: -1,
    stunOnly: false,
    derpPort: 0,
    insecureForTests: false,
    forceHttp: true,
    stunTestIp: "",
    canPort80: false,
    ...part,
  };
}

/** An environment of these variables alone. */
export function envOf(
  variables: Readonly<Record<string, string>> = {},
): (n: string) => string | undefined {
  return (name) => variables[name];
}

/** One end of a connection whose other end is the test. */
export class FakeConn implements Conn {
  /** What was written, write by write. */
  readonly written: Uint8Array[] = [];
  isClosed = false;
  closeCount = 0;
  /** Bytes that a write takes at most. */
  maxWriteBytes = Infinity;
  /** While set, writes wait. */
  isStalled = false;
  #incoming: (Uint8Array | null | Error)[] = [];
  #wakeReader: (() => void) | undefined;
  #wakeWriter: (() => void) | undefined;

  /** What the peer sends: bytes, its end, or a failure. */
  arrive(what: Uint8Array | null | Error): void {
    this.#incoming.push(what);
    this.#wakeReader?.();
  }

  resume(): void {
    this.isStalled = false;
    this.#wakeWriter?.();
  }

  async read(into: Uint8Array): Promise<number | null> {
    while (this.#incoming.length === 0) {
      if (this.isClosed) throw new Deno.errors.Interrupted("operation canceled");
      await new Promise<void>((resolve) => this.#wakeReader = resolve);
    }
    const next = this.#incoming.shift();
    if (next instanceof Error) throw next;
    if (next === undefined || next === null) return null;
    into.set(next);
    return next.length;
  }

  async write(bytes: Uint8Array): Promise<number> {
    while (this.isStalled) {
      if (this.isClosed) throw new Deno.errors.Interrupted("operation canceled");
      await new Promise<void>((resolve) => this.#wakeWriter = resolve);
    }
    if (this.isClosed) throw new Deno.errors.BadResource("Bad resource ID");
    const taken = bytes.slice(0, this.maxWriteBytes);
    this.written.push(taken);
    return taken.length;
  }

  close(): void {
    this.closeCount++;
    if (this.isClosed) throw new Deno.errors.BadResource("Bad resource ID");
    this.isClosed = true;
    this.#wakeReader?.();
    this.#wakeWriter?.();
  }
}

/** Lets everything run that waits for nothing but promises. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

/** A server on loopback; disposing it closes it, all its connections, and waits for their handlers. */
export class LoopbackServer implements AsyncDisposable {
  readonly port: number;
  /** Connections accepted so far. */
  count = 0;
  readonly #listener: Deno.Listener;
  readonly #conns = new Set<Deno.Conn>();
  readonly #running: Promise<void>;
  readonly #handlers = new Set<Promise<void>>();

  /** Serves each connection by `handle`, TLS if `tls` is given. What `handle` throws ends its connection. */
  constructor(
    handle: (conn: Deno.Conn) => Promise<void>,
    tls?: { readonly cert: string; readonly key: string },
  ) {
    const at = { hostname: LOOPBACK, port: 0 };
    const listener = tls === undefined ? Deno.listen(at) : Deno.listenTls({ ...at, ...tls });
    this.#listener = listener;
    this.port = (listener.addr as Deno.NetAddr).port;
    this.#running = this.#accept(listener, handle);
  }

  /** Resolves when no connection is open any more. */
  async allClosed(): Promise<void> {
    while (this.#handlers.size > 0) await Promise.all(this.#handlers);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#running;
    for (const conn of this.#conns) closeAnyway(conn);
    await Promise.all(this.#handlers);
  }

  async #accept(
    listener: Deno.Listener,
    handle: (conn: Deno.Conn) => Promise<void>,
  ): Promise<void> {
    for await (const conn of listener) {
      this.count++;
      this.#conns.add(conn);
      const handler = handle(conn).catch((error) => {
        // The client went away, or was never meant to stay.
        if (!(error instanceof Error)) throw error;
      }).finally(() => {
        closeAnyway(conn);
        this.#conns.delete(conn);
        this.#handlers.delete(handler);
      });
      this.#handlers.add(handler);
    }
  }
}

/** A server whose connections are handled as `handle` says, with the fixture's certificate. */
export function tlsServer(handle: (conn: Deno.Conn) => Promise<void>): LoopbackServer {
  return new LoopbackServer(handle, {
    cert: tlsFixture("server.crt"),
    key: tlsFixture("server.key"),
  });
}

/** Reads everything and never says a word; ends when the client does. */
export async function stayDumb(conn: Deno.Conn): Promise<void> {
  const chunk = new Uint8Array(4_096);
  while (await conn.read(chunk) !== null);
}

/** Sends back what it reads. */
export async function echo(conn: Deno.Conn): Promise<void> {
  const chunk = new Uint8Array(4_096);
  for (let count = await conn.read(chunk); count !== null; count = await conn.read(chunk)) {
    await writeAll(conn, chunk.subarray(0, count));
  }
}

export async function writeAll(conn: Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
}

/** Reads up to and with the blank line of a head. */
export async function readHead(conn: Conn): Promise<string> {
  const byte = new Uint8Array(1);
  let head = "";
  while (!head.endsWith("\r\n\r\n") && await conn.read(byte) === 1) head += text(byte);
  return head;
}

/** Reads until `count` bytes are there or the stream ends. */
export async function readText(conn: Conn, count: number): Promise<string> {
  const bytes = new Uint8Array(count);
  let at = 0;
  while (at < count) {
    const read = await conn.read(bytes.subarray(at));
    if (read === null) break;
    at += read;
  }
  return text(bytes.subarray(0, at));
}

function closeAnyway(conn: { close(): void }): void {
  try {
    conn.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}

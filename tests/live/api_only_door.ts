/**
 * A door on loopback to a deployment, wherever that is, that lets its API through and not its relay, as networks of companies do. One
 * request for each connection, or the websocket that it asks for.
 */
import { concatBytes } from "../../lib/base/bytes.ts";

const LOOPBACK = "127.0.0.1";
const MAX_HEAD_BYTES = 65_536;
const REFUSAL = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

export class ApiOnlyDoor implements AsyncDisposable {
  readonly url: string;
  readonly #deployment: URL;
  readonly #listener = Deno.listen({ hostname: LOOPBACK, port: 0 });
  readonly #conns = new Set<Deno.Conn>();
  readonly #carrying = new Set<Promise<void>>();
  readonly #accepting: Promise<void>;

  constructor(deployment: string) {
    this.#deployment = new URL(deployment);
    this.url = `http://${LOOPBACK}:${this.#listener.addr.port}`;
    this.#accepting = this.#accept();
  }

  /** Variables with which nobody but this door is reached: other relays are beyond a proxy that is not there. */
  get env(): string {
    const nobody = `http://${LOOPBACK}:1`;
    return `CODER_URL=${this.url} HTTP_PROXY=${nobody} HTTPS_PROXY=${nobody}`;
  }

  /** Ends every connection; others are let in. */
  cut(): void {
    for (const conn of this.#conns) closeQuietly(conn);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#accepting;
    this.cut();
    await Promise.all(this.#carrying);
  }

  async #accept(): Promise<void> {
    for await (const client of this.#listener) {
      const carrying = this.#carry(client).catch(ignoreBroken).finally(() => {
        this.#drop(client);
        this.#carrying.delete(carrying);
      });
      this.#conns.add(client);
      this.#carrying.add(carrying);
    }
  }

  async #carry(client: Deno.Conn): Promise<void> {
    const { head, rest } = await readHead(client);
    const [line = "", ...fields] = head.split("\r\n");
    const [, path = ""] = line.split(" ");
    if (!path.startsWith("/api/v2/")) return await writeAll(client, encode(REFUSAL));
    const { hostname, port, host, protocol } = this.#deployment;
    const isTls = protocol === "https:";
    const at = { hostname, port: Number(port) || (isTls ? 443 : 80) };
    const server = isTls ? await Deno.connectTls(at) : await Deno.connect(at);
    this.#conns.add(server);
    try {
      const isUpgrade = fields.some((field) => /^upgrade:/i.test(field));
      const kept = fields.filter((field) =>
        !/^host:/i.test(field) && (isUpgrade || !/^connection:/i.test(field))
      );
      const sent = [line, `Host: ${host}`, ...isUpgrade ? [] : ["Connection: close"], ...kept];
      await writeAll(server, concatBytes(encode(sent.join("\r\n") + "\r\n\r\n"), rest));
      await Promise.all([
        pump(client, server).finally(() => isUpgrade && closeQuietly(server)),
        pump(server, client).finally(() => closeQuietly(client)),
      ]);
    } finally {
      this.#drop(server);
    }
  }

  #drop(conn: Deno.Conn): void {
    this.#conns.delete(conn);
    closeQuietly(conn);
  }
}

const encode = (text: string) => new TextEncoder().encode(text);

async function readHead(conn: Deno.Conn): Promise<{ head: string; rest: Uint8Array }> {
  let all: Uint8Array = new Uint8Array(0);
  const chunk = new Uint8Array(16_384);
  for (let n = await conn.read(chunk); n !== null; n = await conn.read(chunk)) {
    all = concatBytes(all, chunk.subarray(0, n));
    const text = String.fromCharCode(...all);
    const end = text.indexOf("\r\n\r\n");
    if (end >= 0) return { head: text.slice(0, end), rest: all.slice(end + 4) };
    if (all.length > MAX_HEAD_BYTES) break;
  }
  throw new Deno.errors.UnexpectedEof("no request");
}

async function pump(from: Deno.Conn, to: Deno.Conn): Promise<void> {
  const chunk = new Uint8Array(16_384);
  try {
    for (let n = await from.read(chunk); n !== null; n = await from.read(chunk)) {
      await writeAll(to, chunk.subarray(0, n));
    }
  } catch (error) {
    ignoreBroken(error);
  }
}

async function writeAll(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
}

/** Either side went away, which the other one sees. */
function ignoreBroken(error: unknown): void {
  const kinds = [
    Deno.errors.BadResource,
    Deno.errors.BrokenPipe,
    Deno.errors.ConnectionReset,
    Deno.errors.Interrupted,
    Deno.errors.UnexpectedEof,
  ];
  if (!kinds.some((kind) => error instanceof kind)) throw error;
}

function closeQuietly(conn: Deno.Conn): void {
  try {
    conn.close();
  } catch (error) {
    ignoreBroken(error);
  }
}

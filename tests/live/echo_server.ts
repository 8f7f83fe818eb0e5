/** A listener here that answers what it hears, and counts who came: what a forward leads to. */

export class EchoServer implements AsyncDisposable {
  readonly #listener: Deno.Listener;
  readonly #connections = new Set<Deno.Conn>();
  readonly #done: Promise<void>;
  accepted = 0;

  /** On a free port of 127.0.0.1, or on a unix socket. */
  constructor(path?: string) {
    this.#listener = path === undefined
      ? Deno.listen({ hostname: "127.0.0.1", port: 0 })
      : Deno.listen({ transport: "unix", path });
    this.#done = this.#accept();
  }

  get port(): number {
    const { addr } = this.#listener;
    if (addr.transport !== "tcp") throw new TypeError("It listens on a unix socket");
    return addr.port;
  }

  async #accept(): Promise<void> {
    const serving: Promise<void>[] = [];
    for await (const connection of this.#listener) {
      this.accepted++;
      this.#connections.add(connection);
      serving.push(this.#echo(connection));
    }
    await Promise.all(serving);
  }

  async #echo(connection: Deno.Conn): Promise<void> {
    const chunk = new Uint8Array(65_536);
    try {
      for (let n = await connection.read(chunk); n !== null; n = await connection.read(chunk)) {
        for (let at = 0; at < n;) at += await connection.write(chunk.subarray(at, n));
      }
    } catch (error) {
      // The other side went away, or we are being disposed of.
      if (!(error instanceof Error)) throw error;
    } finally {
      this.#connections.delete(connection);
      connection.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    // Wakes the reader, which closes.
    for (const connection of this.#connections) await connection.closeWrite().catch(() => {});
    await this.#done;
  }
}

/**
 * Sends `data`, reads as many bytes as were sent, and closes. No half-close: the agent's forwards close both ways when
 * one of them has ended. Fewer bytes come back when the other side ends early.
 */
export async function exchange(connection: Deno.Conn, data: Uint8Array): Promise<Uint8Array> {
  try {
    const [answer] = await Promise.all([
      readUpTo(connection, data.length),
      sendAll(connection, data),
    ]);
    return answer;
  } finally {
    connection.close();
  }
}

async function sendAll(connection: Deno.Conn, data: Uint8Array): Promise<void> {
  for (let at = 0; at < data.length;) at += await connection.write(data.subarray(at));
}

async function readUpTo(connection: Deno.Conn, limit: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(limit);
  let at = 0;
  while (at < limit) {
    const count = await connection.read(bytes.subarray(at));
    if (count === null) break;
    at += count;
  }
  return bytes.subarray(0, at);
}

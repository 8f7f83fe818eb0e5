/**
 * A TCP proxy on loopback whose cable can be pulled, and which can be killed like the server behind it. What is connected then stays so and hears nothing any more, as a
 * connection whose kernel tries again too late; who connects meanwhile is not answered. Afterwards new connections pass.
 */
export class CutProxy implements AsyncDisposable {
  #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #target: { readonly hostname: string; readonly port: number };
  readonly #conns = new Set<Deno.TcpConn>();
  readonly #carrying = new Set<Promise<void>>();
  readonly #port = this.#listener.addr.port;
  #done: Promise<void>;
  /** One for each time between two cuts. */
  #era = { isDead: false };
  #isCut = false;

  constructor(target: URL) {
    this.#target = { hostname: target.hostname, port: Number(target.port) };
    this.#done = this.#accept();
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  cut(): void {
    this.#isCut = true;
    this.#era.isDead = true;
  }

  mend(): void {
    this.#isCut = false;
    this.#era = { isDead: false };
  }

  /** Ends every connection, and refuses others. */
  async kill(): Promise<void> {
    this.#listener.close();
    await this.#done;
    for (const conn of this.#conns) closeQuietly(conn);
    this.#conns.clear();
  }

  /** Is there again, at the same address. */
  revive(): void {
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: this.#port });
    this.#done = this.#accept();
  }

  async #accept(): Promise<void> {
    for await (const client of this.#listener) {
      this.#conns.add(client);
      if (!this.#isCut) this.#carrying.add(this.#carry(client, this.#era));
    }
  }

  async #carry(client: Deno.TcpConn, era: { readonly isDead: boolean }): Promise<void> {
    const server = await Deno.connect(this.#target);
    this.#conns.add(server);
    await Promise.all([pump(client, server, era), pump(server, client, era)]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await Promise.all(this.#carrying);
  }
}

async function pump(
  from: Deno.TcpConn,
  to: Deno.TcpConn,
  era: { readonly isDead: boolean },
): Promise<void> {
  const chunk = new Uint8Array(65_536);
  try {
    for (let n = await from.read(chunk); n !== null; n = await from.read(chunk)) {
      for (let at = 0; at < n && !era.isDead;) at += await to.write(chunk.subarray(at, n));
    }
    if (!era.isDead) await to.closeWrite();
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

function closeQuietly(conn: Deno.TcpConn): void {
  try {
    conn.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}

function isGone(error: unknown): boolean {
  return error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe ||
    error instanceof Deno.errors.NotConnected || error instanceof Deno.errors.BadResource ||
    error instanceof Deno.errors.Interrupted;
}

/**
 * The one TCP port of the sandbox: accepts on loopback and runs a connection each. What it began it ends: `stop` closes
 * every connection, upgraded ones too, and resolves when nothing runs any more.
 */
import type { Random } from "../../base/core.ts";
import { type HttpHandler, HttpServerConnection, isSocketError } from "./connection.ts";
import type { SandboxFaults } from "./faults.ts";
import { ShapedConn } from "./shaped_conn.ts";

export interface HttpServerOptions {
  readonly handler: HttpHandler;
  readonly faults: SandboxFaults;
  readonly random: Random;
}

const LOOPBACK = "127.0.0.1";
const MAX_CONNECTIONS = 512;

export class HttpServer {
  readonly #listener: Deno.TcpListener;
  readonly #options: HttpServerOptions;
  readonly #connections = new Map<HttpServerConnection, Promise<void>>();
  readonly #accepting: Promise<void>;
  #isStopped = false;

  /** Listens at once, on a port that the system chooses. */
  constructor(options: HttpServerOptions) {
    this.#options = options;
    this.#listener = Deno.listen({ hostname: LOOPBACK, port: 0 });
    this.#accepting = this.#accept();
  }

  get url(): URL {
    return new URL(`http://${LOOPBACK}:${this.#listener.addr.port}`);
  }

  /** Ends everything. Idempotent. */
  async stop(): Promise<void> {
    if (!this.#isStopped) {
      this.#isStopped = true;
      this.#listener.close();
      for (const connection of this.#connections.keys()) connection.close();
    }
    await this.#accepting;
    await Promise.all(this.#connections.values());
  }

  async #accept(): Promise<void> {
    for (;;) {
      let conn: Deno.TcpConn;
      try {
        conn = await this.#listener.accept();
      } catch (error) {
        if (this.#isStopped) return;
        if (isSocketError(error)) continue; // gone before it was accepted
        throw error;
      }
      if (this.#connections.size >= MAX_CONNECTIONS || this.#isStopped) {
        conn.close();
        continue;
      }
      conn.setNoDelay();
      this.#serve(new ShapedConn(conn, this.#options));
    }
  }

  #serve(conn: ShapedConn): void {
    const connection = new HttpServerConnection(conn, this.#options.handler);
    const running = connection.run().finally(() => this.#connections.delete(connection));
    this.#connections.set(connection, running);
  }
}

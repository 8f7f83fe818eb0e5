/**
 * One client's connection: requests one after the other (RFC 9112 §9.3), until it closes or becomes something else.
 * Bounded: head 64 KiB, body 1 MiB, and so long for a request to arrive. Not here: `Expect`, HTTP/1.0 keep-alive.
 */
import { concatBytes } from "../../base/bytes.ts";
import { ProtocolError } from "../../base/errors.ts";
import { bodyLengthOf, formatResponseHead, Http1Error, HttpBodyReader } from "../../http1/mod.ts";
import { HttpUpgradeServer, type UpgradeRequest } from "../../websocket/mod.ts";
import type { HttpAnswer, HttpRequest } from "./messages.ts";
import { reasonOf } from "./reasons.ts";
import type { ShapedConn } from "./shaped_conn.ts";

export type HttpHandler = (request: HttpRequest) => Promise<HttpAnswer>;

export const MAX_BODY_BYTES = 1_048_576;
const READ_BYTES = 16_384;
const IDLE_LIMIT_MS = 120_000;
const NOTHING = new Uint8Array(0);

export class HttpServerConnection {
  readonly #conn: ShapedConn;
  readonly #handler: HttpHandler;
  readonly #chunk = new Uint8Array(READ_BYTES);
  /** Aborted when the connection is to end. */
  readonly #closing = new AbortController();
  #rest: Uint8Array = NOTHING;
  #reading: Promise<Uint8Array | undefined> | undefined;

  constructor(conn: ShapedConn, handler: HttpHandler) {
    this.#conn = conn;
    this.#handler = handler;
  }

  /** Serves until the connection is over, then closes it. Never rejects for what the client does. */
  async run(): Promise<void> {
    try {
      while (!this.#closing.signal.aborted && await this.#serveOne());
    } catch (error) {
      // The client broke HTTP, or its socket broke: there is nobody to tell.
      if (!(error instanceof ProtocolError) && !isSocketError(error)) throw error;
    } finally {
      this.close();
    }
  }

  /** Ends the connection; `run` settles soon. Idempotent. */
  close(): void {
    this.#closing.abort();
    this.#conn.close();
  }

  /** One request and its answer; whether another may follow. */
  async #serveOne(): Promise<boolean> {
    const server = new HttpUpgradeServer();
    let head: UpgradeRequest | undefined;
    try {
      head = await this.#readHead(server);
    } catch (error) {
      // As Go's server answers whatever is no HTTP, a TLS handshake for one.
      if (error instanceof Http1Error) await this.#conn.write(server.refuse(400));
      throw error;
    }
    if (head === undefined) return false;
    this.#rest = head.rest.slice();
    const body = await this.#readBody(head);
    if (body === undefined) {
      await this.#conn.write(server.refuse(413));
      return false;
    }
    const answer = await this.#handler(requestOf(head, body));
    const keepsOpen = !head.headers.hasToken("connection", "close");
    switch (answer.kind) {
      case "hangUp":
        return false;
      case "mute":
        await this.#untilGone();
        return false;
      case "body":
        await this.#writeBody(answer, { keepsOpen, isHead: head.method === "HEAD" });
        return keepsOpen;
      case "stream":
        return await this.#writeStream(answer, keepsOpen);
      case "upgrade": {
        const { protocol, headers } = answer;
        await this.#conn.write(
          server.accept({ ...(protocol === undefined ? {} : { protocol }), headers }),
        );
        await answer.run({ conn: this.#conn, rest: this.#rest });
        return false;
      }
    }
  }

  async #readHead(server: HttpUpgradeServer): Promise<UpgradeRequest | undefined> {
    const limit = setTimeout(() => this.close(), IDLE_LIMIT_MS);
    try {
      let chunk: Uint8Array | undefined = this.#rest.length > 0 ? this.#rest : await this.#read();
      while (chunk !== undefined) {
        const head = server.handleBytes(chunk);
        if (head !== undefined) return head;
        chunk = await this.#read();
      }
      return undefined;
    } finally {
      clearTimeout(limit);
    }
  }

  /** The body; `undefined` when it is too long. */
  async #readBody(head: UpgradeRequest): Promise<Uint8Array | undefined> {
    if (head.upgrade === "websocket" || head.upgrade === "DERP") return NOTHING;
    const reader = new HttpBodyReader(bodyLengthOf(head.headers, { kind: "request" }));
    const parts: Uint8Array[] = [];
    let length = 0;
    reader.handleBytes(this.#rest);
    for (;;) {
      for (let data = reader.pollData(); data !== undefined; data = reader.pollData()) {
        length += data.length;
        if (length > MAX_BODY_BYTES) return undefined;
        parts.push(data.slice());
      }
      if (reader.isEnded) break;
      const chunk = await this.#read();
      if (chunk === undefined) break;
      reader.handleBytes(chunk);
    }
    this.#rest = reader.rest.slice();
    return concatBytes(...parts);
  }

  async #writeBody(
    answer: Extract<HttpAnswer, { kind: "body" }>,
    { keepsOpen, isHead }: { readonly keepsOpen: boolean; readonly isHead: boolean },
  ): Promise<void> {
    const { status, headers, body } = answer;
    const hasBody = status !== 204 && status !== 304;
    const head = formatResponseHead({
      status,
      reason: reasonOf(status),
      headers: [
        ...headers,
        ...(hasBody ? [["Content-Length", String(body.length)] as const] : []),
        ...(keepsOpen ? [] : [["Connection", "close"] as const]),
      ],
    });
    await this.#conn.write(hasBody && !isHead ? concatBytes(head, body) : head);
  }

  async #writeStream(
    answer: Extract<HttpAnswer, { kind: "stream" }>,
    keepsOpen: boolean,
  ): Promise<boolean> {
    const { status, headers, pump } = answer;
    const head = { status, reason: reasonOf(status) };
    await this.#conn.write(
      formatResponseHead({ ...head, headers: [...headers, ["Transfer-Encoding", "chunked"]] }),
    );
    const gone = new AbortController();
    const { signal } = gone;
    this.#watch(gone);
    await pump({ signal, write: (bytes) => this.#writeChunk(bytes, signal) });
    if (signal.aborted) return false;
    await this.#conn.write(new TextEncoder().encode("0\r\n\r\n"));
    return keepsOpen;
  }

  async #writeChunk(bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    if (signal.aborted || bytes.length === 0) return;
    const size = new TextEncoder().encode(`${bytes.length.toString(16)}\r\n`);
    try {
      await this.#conn.write(concatBytes(size, bytes, Uint8Array.of(13, 10)));
    } catch (error) {
      if (!isSocketError(error)) throw error;
      this.close();
    }
  }

  /** Aborts `gone` when the client goes away while an answer is still being written. */
  async #watch(gone: AbortController): Promise<void> {
    // Not taken: the next request may have come early, and is read when its turn comes.
    if (await (this.#reading ??= this.#readSocket()) === undefined) gone.abort();
  }

  async #untilGone(): Promise<void> {
    while (await this.#read() !== undefined);
  }

  /** What arrives next, borrowed; `undefined` at the end. A read that was begun earlier is taken up again. */
  async #read(): Promise<Uint8Array | undefined> {
    this.#reading ??= this.#readSocket();
    const chunk = await this.#reading;
    this.#reading = undefined;
    return chunk;
  }

  async #readSocket(): Promise<Uint8Array | undefined> {
    if (this.#closing.signal.aborted) return undefined;
    try {
      const count = await this.#conn.read(this.#chunk);
      return count === null ? undefined : this.#chunk.subarray(0, count);
    } catch (error) {
      if (!isSocketError(error)) throw error;
      return undefined;
    }
  }
}

function requestOf(head: UpgradeRequest, body: Uint8Array): HttpRequest {
  const { method, headers, upgrade, status, protocols } = head;
  // A server takes the form that proxies are asked in as well (RFC 9112 §3.2.2).
  const target = head.path.replace(/^http:\/\/[^/?]{1,300}/i, "");
  const at = target.indexOf("?");
  const path = at < 0 ? target : target.slice(0, at);
  const query = new URLSearchParams(at < 0 ? "" : target.slice(at + 1));
  return { method, path: decodePath(path), query, headers, body, upgrade, status, protocols };
}

function decodePath(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    return path;
  }
}

/** Whether the platform says that the connection is broken or closed. */
export function isSocketError(error: unknown): boolean {
  return error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted ||
    error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe ||
    error instanceof Deno.errors.ConnectionAborted || error instanceof Deno.errors.NotConnected;
}

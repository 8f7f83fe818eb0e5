/**
 * One connection that carries HTTP/1.1 exchanges, one after the other. Between two of them it keeps reading, so that a server
 * that hung up, or speaks unasked, is noticed before the connection is used again.
 */
import { HttpExchange, type HttpExchangeOptions, type HttpResponseHead } from "../http1/mod.ts";
import { closeQuietly, type Conn } from "./conn.ts";

const READ_CHUNK_BYTES = 32_768;

/** An answer whose head is there. Its body must be read to the end, or the connection closed. */
export interface HttpConnectionAnswer {
  readonly head: HttpResponseHead;
  /** Pieces are the reader's to keep. Ending early closes the connection. Rejects with `Http1Error` or the platform's error. */
  readonly body: AsyncIterable<Uint8Array>;
}

export class HttpConnection {
  readonly #conn: Conn;
  readonly #chunk = new Uint8Array(READ_CHUNK_BYTES);
  /** A read that was begun while nothing was expected. */
  #early: Promise<number | null> | undefined;
  #isParked = false;
  #exchange: HttpExchange | undefined;
  #exchangeCount = 0;
  #isClosed = false;

  constructor(conn: Conn) {
    this.#conn = conn;
  }

  /** Whether it carried an exchange before the present one. */
  get isReused(): boolean {
    return this.#exchangeCount > 1;
  }

  /** Whether any byte came of the answer to the last request. */
  get hasAnswered(): boolean {
    return this.#exchange?.hasBytes ?? false;
  }

  /** Whether the last exchange is over and another may follow. */
  get canReuse(): boolean {
    return !this.#isClosed && this.#exchange !== undefined && this.#exchange.canReuse;
  }

  /** Sends a request and reads the head of its answer. Rejects with `Http1Error`, the platform's error, or `TypeError`. */
  async ask(options: HttpExchangeOptions): Promise<HttpConnectionAnswer> {
    const exchange = new HttpExchange(options);
    this.#exchange = exchange;
    this.#exchangeCount++;
    setReferenced(this.#conn, "ref");
    const request = exchange.request();
    for (let at = 0; at < request.length;) at += await this.#conn.write(request.subarray(at));
    while (exchange.head === undefined) await this.#readInto(exchange);
    return { head: exchange.head, body: this.#bodyOf(exchange) };
  }

  /** Uses up what of the last answer came already. */
  skipArrived(): void {
    while (this.#exchange?.pollData() !== undefined);
  }

  /** Waits for nothing but the end: `onGone` is called if it comes before `unpark`. */
  park(onGone: () => void): void {
    // A connection that nobody uses keeps no program running.
    setReferenced(this.#conn, "unref");
    this.#isParked = true;
    this.#early = this.#conn.read(this.#chunk);
    const gone = () => {
      if (this.#isParked) onGone();
    };
    this.#early.then(gone, gone);
  }

  /** What happens from now on is the next exchange's. */
  unpark(): void {
    this.#isParked = false;
  }

  /** Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    closeQuietly(this.#conn);
  }

  async #readInto(exchange: HttpExchange): Promise<void> {
    const reading = this.#early ?? this.#conn.read(this.#chunk);
    this.#early = undefined;
    const count = await reading;
    if (count === null) exchange.handleEnd();
    else exchange.handleBytes(this.#chunk.subarray(0, count));
  }

  async *#bodyOf(exchange: HttpExchange): AsyncIterable<Uint8Array> {
    try {
      for (;;) {
        for (let piece = exchange.pollData(); piece !== undefined; piece = exchange.pollData()) {
          yield piece.slice();
        }
        if (exchange.isEnded) return;
        await this.#readInto(exchange);
      }
    } finally {
      if (!exchange.isEnded) this.close();
    }
  }
}

/** Whether a connection that waits keeps the program running, where it can be said. */
function setReferenced(conn: Conn & { ref?(): void; unref?(): void }, how: "ref" | "unref"): void {
  conn[how]?.();
}

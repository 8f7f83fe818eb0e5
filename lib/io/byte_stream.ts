/** A websocket as a `ByteStream`, over the one dialer: `ByteSocket` and the connection that it speaks on. */
import { isDefect } from "../base/errors.ts";
import type { ByteStreamRequest, ByteStreamResult } from "../base/http.ts";
import { formatElapsed } from "../base/duration.ts";
import type { HostClock } from "../base/host.ts";
import { type ByteStream, type StreamEnd, StreamError } from "../base/stream.ts";
import { ByteSocket, type ByteSocketEnd, CloseCode } from "../websocket/mod.ts";
import { SystemClock } from "./clock.ts";
import { toTransportError } from "./dial_errors.ts";
import { SYSTEM_RANDOM } from "./random.ts";
import {
  CLOSE_GRACE_MS,
  dialWebsocket,
  type OpenSocket,
  READ_CHUNK_BYTES,
  type WebsocketDialOptions,
  writeAll,
} from "./websocket_dial.ts";

export interface ByteStreamOptions extends WebsocketDialOptions {
  /** @default the real one */
  readonly clock?: HostClock;
}

/** Dials a websocket. Rejects with `TransportError`, or the signal's reason. */
export async function openByteStream(
  request: ByteStreamRequest,
  options: ByteStreamOptions,
): Promise<ByteStreamResult> {
  const result = await dialWebsocket(request, options);
  if (result.kind === "refused") return result;
  const { clock = new SystemClock() } = options;
  return { kind: "open", stream: new WebsocketByteStream(result.socket, clock) };
}

class WebsocketByteStream implements ByteStream {
  readonly closed: Promise<StreamEnd>;
  readonly #socket: OpenSocket;
  readonly #clock: HostClock;
  readonly #core: ByteSocket;
  readonly #resolveClosed: (end: StreamEnd) => void;
  #end: StreamEnd | undefined;
  #sending: Promise<void> = Promise.resolve();
  /** Something arrived, or the end; something was read. */
  #arrival = Promise.withResolvers<void>();
  #room = Promise.withResolvers<void>();
  /** Wakes whoever waits for the core's deadline: there is another one. */
  #over = new AbortController();

  constructor(socket: OpenSocket, clock: HostClock) {
    const { promise, resolve } = Promise.withResolvers<StreamEnd>();
    this.closed = promise;
    this.#resolveClosed = resolve;
    this.#socket = socket;
    this.#clock = clock;
    this.#core = new ByteSocket(SYSTEM_RANDOM, clock.now());
    this.#readAll();
    this.#keepTime();
  }

  async read(into: Uint8Array): Promise<number | null> {
    for (;;) {
      if (this.#end?.kind === "aborted") throw new StreamError(this.#end);
      const count = this.#core.read(into);
      if (count > 0) {
        this.#room.resolve();
        return count;
      }
      if (this.#end?.kind === "closed") return null;
      if (this.#end !== undefined) throw new StreamError(this.#end);
      await this.#arrival.promise;
    }
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (const frame of this.#core.write(bytes)) await this.#send(frame);
    if (this.#end !== undefined) throw new StreamError(this.#end);
  }

  /** A websocket has no half that could be closed: this is goodbye, and what the other side had to say is lost. */
  closeWrite(): Promise<void> {
    this.abort("Stream is closed");
    return Promise.resolve();
  }

  abort(message = "Stream was given up"): void {
    this.#finish({ kind: "aborted", message });
  }

  async #readAll(): Promise<void> {
    const chunk = new Uint8Array(READ_CHUNK_BYTES);
    try {
      this.#take(this.#socket.rest.slice());
      while (this.#end === undefined) {
        if (!this.#core.hasRoom) {
          this.#room = Promise.withResolvers();
          await this.#room.promise;
          continue;
        }
        const count = await this.#socket.conn.read(chunk);
        if (count === null) {
          return this.#finish({ kind: "lost", message: "connection was cut by the other side" });
        }
        this.#take(chunk.subarray(0, count));
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  #take(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    try {
      this.#core.handleBytes(bytes, this.#clock.now());
    } finally {
      this.#drain();
    }
    this.#arrival.resolve();
    this.#arrival = Promise.withResolvers();
  }

  async #keepTime(): Promise<void> {
    const { signal } = this.#over;
    try {
      for (let at = this.#core.pollTimeout(); at !== undefined; at = this.#core.pollTimeout()) {
        await this.#clock.sleep(Math.max(0, at - this.#clock.now()), signal);
        this.#core.handleTimeout(this.#clock.now());
        this.#drain();
      }
    } catch (error) {
      if (!signal.aborted) this.#fail(error);
    }
  }

  /** What the core has to say, to the other side and to us. */
  #drain(): void {
    for (let frame = this.#core.pollTransmit(); frame; frame = this.#core.pollTransmit()) {
      this.#send(frame).catch(() => {}); // told by reading
    }
    const event = this.#core.pollEvent();
    if (event !== undefined) this.#finish(streamEndOf(event.end));
  }

  /** One write at a time, whoever makes it. Rejects with `StreamError`. */
  #send(frame: Uint8Array): Promise<void> {
    const sent = this.#sending.then(async () => {
      try {
        await writeAll(this.#socket.conn, frame);
      } catch (error) {
        throw this.#fail(error);
      }
    });
    this.#sending = sent.catch(() => {}); // told to whoever waits for `sent`
    return sent;
  }

  #fail(error: unknown): StreamError {
    const { message } = toTransportError(this.#socket.where, error);
    this.#finish({ kind: "lost", message });
    if (isDefect(error)) throw error;
    return new StreamError(this.#end ?? { kind: "lost", message });
  }

  #finish(end: StreamEnd): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    this.#over.abort();
    this.#core.close();
    this.#drain();
    // What is on its way out, our goodbye last, has a moment.
    const grace = setTimeout(this.#socket.release, CLOSE_GRACE_MS);
    this.#sending.then(() => {
      clearTimeout(grace);
      this.#socket.release();
    });
    this.#arrival.resolve();
    this.#room.resolve();
    this.#resolveClosed(end);
  }
}

/** In words for people: the server's own reason says most. */
function streamEndOf(end: ByteSocketEnd): StreamEnd {
  if (end.kind === "silent") {
    return { kind: "lost", message: `no answer for ${formatElapsed(end.lastedMs)}` };
  }
  const { code, reason } = end;
  if (code === CloseCode.normal || code === CloseCode.none) return { kind: "closed" };
  return { kind: "lost", message: reason === "" ? `closed with code ${code}` : reason };
}

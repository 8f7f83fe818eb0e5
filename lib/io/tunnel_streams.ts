/** The TCP sockets of a tunnel as byte streams: which stream is whose socket, who waits for a connection, and their ends. */
import { type ByteStream, type StreamEnd, StreamError } from "../base/stream.ts";
import type { SocketNews, TcpSocket, TcpState } from "../netstack/mod.ts";
import { TcpStream, type TcpStreamOwner } from "./tcp_stream.ts";

/** A connection that a peer opens to a port of ours. Whether it stands is the stack's listener's to say. */
export interface AcceptedSocket {
  readonly stream: ByteStream;
  readonly socket: TcpSocket;
  readonly port: number;
}

const OPEN_STATES: ReadonlySet<TcpState> = new Set(["syn-sent", "established", "close-wait"]);

export class TunnelStreams {
  readonly #owner: TcpStreamOwner;
  readonly #streams = new Map<TcpSocket, TcpStream>();
  readonly #connecting = new Map<TcpSocket, (end: StreamEnd | undefined) => void>();

  constructor(owner: TcpStreamOwner) {
    this.#owner = owner;
  }

  /** Waits until `socket` is connected. Rejects with `StreamError`, or the signal's reason. */
  async connected(socket: TcpSocket, signal?: AbortSignal): Promise<ByteStream> {
    const stream = this.#adopt(socket);
    const { promise, resolve } = Promise.withResolvers<StreamEnd | undefined>();
    this.#connecting.set(socket, resolve);
    const onAbort = () => stream.abort("Connecting was given up");
    signal?.addEventListener("abort", onAbort, { once: true });
    this.#owner.schedule();
    const end = await promise;
    signal?.removeEventListener("abort", onAbort);
    signal?.throwIfAborted();
    if (end !== undefined) throw new StreamError(end);
    return stream;
  }

  /** Takes an event of the stack; the stream of a connection that a peer opens, which is its owner's. */
  handleEvent(event: SocketNews): AcceptedSocket | undefined {
    const { socket } = event;
    if (event.kind === "accepted") {
      return { stream: this.#adopt(socket), socket, port: event.port };
    }
    const stream = this.#streams.get(socket);
    if (stream === undefined) return undefined;
    switch (event.kind) {
      case "connected":
        this.#settle(socket, undefined);
        break;
      case "readable":
        stream.handleReadable();
        break;
      case "writable":
        stream.handleWritable();
        break;
      case "closed":
        this.#finish(socket, stream, socket.end ?? { kind: "closed" });
        break;
    }
    return undefined;
  }

  /** Ends every stream with `end`: what they ran over is gone for good. */
  endAll(end: StreamEnd): void {
    for (const [socket, stream] of [...this.#streams]) {
      socket.abort(this.#owner.now());
      this.#finish(socket, stream, end);
    }
  }

  /** Resets the streams whose owners have not even half-closed them: the peer need not wait for what never comes. */
  abandon(end: StreamEnd): void {
    for (const [socket, stream] of [...this.#streams]) {
      if (!OPEN_STATES.has(socket.state)) continue;
      socket.abort(this.#owner.now());
      this.#finish(socket, stream, end);
    }
  }

  /** Ends every stream without a word to the stack, which is of no use any more. */
  drop(end: StreamEnd): void {
    for (const [socket, stream] of [...this.#streams]) this.#finish(socket, stream, end);
  }

  #settle(socket: TcpSocket, end: StreamEnd | undefined): void {
    const settle = this.#connecting.get(socket);
    this.#connecting.delete(socket);
    settle?.(end);
  }

  #finish(socket: TcpSocket, stream: TcpStream, end: StreamEnd): void {
    this.#streams.delete(socket);
    stream.finish(end);
    this.#settle(socket, end);
  }

  #adopt(socket: TcpSocket): TcpStream {
    const stream = new TcpStream(socket, this.#owner);
    this.#streams.set(socket, stream);
    return stream;
  }
}

/**
 * A terminal that the agent keeps, over a stream to its port or the deployment's way to that: `RemoteSession` in the frames of
 * `reconnecting_frames.ts`.
 */
import { type ByteStream, StreamError } from "../base/stream.ts";
import type { TerminalSize } from "./host.ts";
import { encodeInit, encodeSize, encodeTyped, type TerminalInit } from "./reconnecting_frames.ts";
import type { RemoteSession, SessionEnd } from "../base/session.ts";

/** Of typed bytes in one request. */
const MAX_PIECE_BYTES = 16 * 1024;

export class ReconnectingTerminal implements RemoteSession {
  readonly ended: Promise<SessionEnd>;
  readonly #stream: ByteStream;
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  readonly #end = Promise.withResolvers<SessionEnd>();
  #sending: Promise<void> = Promise.resolve();

  private constructor(stream: ByteStream) {
    this.#stream = stream;
    this.ended = this.#end.promise;
  }

  /** Asks for the terminal over `stream`, which belongs to it from then on. Rejects with `StreamError`; throws `RangeError` as `encodeInit`. */
  static async open(stream: ByteStream, init: TerminalInit): Promise<ReconnectingTerminal> {
    const bytes = encodeInit(init);
    await stream.write(bytes);
    return new ReconnectingTerminal(stream);
  }

  /** One that was asked for already, by whoever made `stream`, which belongs to it from then on. */
  static over(stream: ByteStream): ReconnectingTerminal {
    return new ReconnectingTerminal(stream);
  }

  async readStdout(into: Uint8Array): Promise<number | null> {
    try {
      const count = await this.#stream.read(into);
      // The agent says no more of an end than that it is there; what it means is for whoever knows what ran.
      if (count === null) this.#end.resolve({ kind: "exit", code: 0 });
      return count;
    } catch (error) {
      if (!(error instanceof StreamError)) throw error;
      this.#end.resolve(
        error.end.kind === "aborted"
          ? { kind: "aborted" }
          : { kind: "lost", message: error.message },
      );
      return null;
    }
  }

  readStderr(): Promise<null> {
    return Promise.resolve(null);
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; at += MAX_PIECE_BYTES) {
      const piece = bytes.subarray(at, at + MAX_PIECE_BYTES);
      // A character may be split between two reads of the terminal.
      const text = this.#decoder.decode(piece, { stream: true });
      if (text !== "") await this.#send(encodeTyped(text));
    }
  }

  /** A terminal's input has no end of its own: the agent keeps it for whoever comes next. */
  closeStdin(): Promise<void> {
    return Promise.resolve();
  }

  resize(size: TerminalSize): void {
    this.#send(encodeSize(size)).catch(() => {}); // a stream that is over is told by its reader
  }

  /** The agent has no word for signals: what is typed sends them. */
  signal(): void {}

  /** Nor for a break. */
  sendBreak(): void {}

  abort(): void {
    this.#stream.abort();
    this.#end.resolve({ kind: "aborted" });
  }

  /** One request at a time, whoever makes it. */
  #send(bytes: Uint8Array): Promise<void> {
    const sent = this.#sending.then(() => this.#stream.write(bytes));
    this.#sending = sent.catch(() => {}); // told to whoever waits for `sent`
    return sent;
  }
}

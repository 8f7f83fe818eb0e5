/**
 * Writes to a session's channel with its backpressure, around three defects of ssh2: when the client's window opens it resumes
 * only one of output and errors; it keeps what it has sent in that way and sends it again the next time, which ends the
 * channel; and it never settles a write to a channel that closed meanwhile. So: one write at a time, nothing left behind
 * by it, and none outlives the channel.
 */
import { Buffer } from "node:buffer";
import type { Writable } from "node:stream";
import type { ByteStreamDuplex } from "../../ssh/duplex.ts";
import type { ServerChannel } from "./ssh2_server.ts";

export class ChannelWriter {
  readonly #channel: ServerChannel;
  readonly #duplex: ByteStreamDuplex;
  readonly #closed: Promise<void>;
  #last: Promise<void> = Promise.resolve();

  /** `closed` resolves when the channel is over. */
  constructor(channel: ServerChannel, duplex: ByteStreamDuplex, closed: Promise<void>) {
    this.#channel = channel;
    this.#duplex = duplex;
    this.#closed = closed;
  }

  /** Resolves when the client has room for it; at once when the channel is over. */
  writeOutput(bytes: Uint8Array): Promise<void> {
    return this.#write(this.#channel, bytes);
  }

  writeErrors(bytes: Uint8Array): Promise<void> {
    return this.#write(this.#channel.stderr, bytes);
  }

  #write(to: Writable, bytes: Uint8Array): Promise<void> {
    const writing = this.#last.then(async () => {
      if (this.#channel.outgoing.state !== "open") return;
      const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      const taken = new Promise<void>((resolve) => to.write(view, () => resolve()));
      await Promise.race([taken, this.#closed]);
      this.#forgetSent();
      await Promise.race([this.#duplex.drained(), this.#closed]);
    });
    this.#last = writing;
    return writing;
  }

  #forgetSent(): void {
    const channel = this.#channel;
    channel._chunk = channel._chunkErr = undefined;
    channel._chunkcb = channel._chunkcbErr = undefined;
  }
}

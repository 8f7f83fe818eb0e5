/** One connection to the sandbox's relay: DERP as it is, or inside websocket messages. */
import type { Random } from "../../base/core.ts";
import type { DerpServerConnection } from "../../derp/mod.ts";
import { type Batch, ownedBatch } from "../../tailnet/line.ts";
import { frameInPlace, MAX_HEADER_BYTES, WebsocketConnection } from "../../websocket/mod.ts";

/** Holds the longest DERP frame, and then as much as is worth writing at once. */
const BATCH_BYTES = 131_072;

export class RelayLine {
  readonly connection: DerpServerConnection;
  readonly #random: Random;
  readonly #websocket: WebsocketConnection | undefined;
  /** One, since a batch is taken when the one before was written. */
  readonly #buffer = new Uint8Array(BATCH_BYTES);
  /** What no relay would write, on order. */
  readonly #forged: Uint8Array[] = [];

  constructor(
    connection: DerpServerConnection,
    options: { readonly isWebsocket: boolean; readonly random: Random },
  ) {
    this.connection = connection;
    this.#random = options.random;
    this.#websocket = options.isWebsocket
      ? new WebsocketConnection({ role: "server", random: options.random, stream: true })
      : undefined;
  }

  /** Hands the DERP bytes in `chunk` to `onBytes`; whether the client is still there. Throws `ProtocolError`. */
  handleBytes(chunk: Uint8Array, onBytes: (bytes: Uint8Array) => void): boolean {
    const websocket = this.#websocket;
    if (websocket === undefined) {
      onBytes(chunk);
      return true;
    }
    websocket.handleBytes(chunk);
    for (let m = websocket.pollMessage(); m !== undefined; m = websocket.pollMessage()) {
      if (m.kind === "close") return false;
      if (m.kind !== "pong") onBytes(m.bytes);
    }
    return true;
  }

  /** Writes these bytes where the next frame would begin. */
  forge(bytes: Uint8Array): void {
    this.#forged.push(bytes);
  }

  /** The next bytes to write; those before were written. */
  takeBatch(): Batch | undefined {
    // Every batch ends between two frames: the longest fits.
    const forged = this.#forged.shift();
    if (forged !== undefined) return ownedBatch(this.#framed(forged));
    const control = this.#websocket?.pollTransmit();
    if (control !== undefined) return ownedBatch(control);
    const start = this.#websocket === undefined ? 0 : MAX_HEADER_BYTES;
    const buffer = this.#buffer;
    const bytes = this.connection.pollTransmit(buffer.subarray(start));
    return bytes === 0 ? undefined : ownedBatch(this.#inPlace(buffer, start, start + bytes));
  }

  #framed(bytes: Uint8Array): Uint8Array {
    if (this.#websocket === undefined) return bytes;
    const buffer = new Uint8Array(MAX_HEADER_BYTES + bytes.length);
    buffer.set(bytes, MAX_HEADER_BYTES);
    return this.#inPlace(buffer, MAX_HEADER_BYTES, buffer.length);
  }

  /** The bytes from `start` to `end`, inside a message if it is a websocket. */
  #inPlace(buffer: Uint8Array, start: number, end: number): Uint8Array {
    if (this.#websocket === undefined) return buffer.subarray(start, end);
    const from = frameInPlace({ role: "server", random: this.#random }, buffer, start, end);
    return buffer.subarray(from, end);
  }
}

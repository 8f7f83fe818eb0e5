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

  /** The next bytes to write; those before were written. */
  takeBatch(): Batch | undefined {
    const control = this.#websocket?.pollTransmit();
    if (control !== undefined) return ownedBatch(control);
    const start = this.#websocket === undefined ? 0 : MAX_HEADER_BYTES;
    const buffer = this.#buffer;
    const bytes = this.connection.pollTransmit(buffer.subarray(start));
    if (bytes === 0) return undefined;
    const end = start + bytes;
    const from = this.#websocket === undefined
      ? start
      : frameInPlace({ role: "server", random: this.#random }, buffer, start, end);
    return ownedBatch(buffer.subarray(from, end));
  }
}

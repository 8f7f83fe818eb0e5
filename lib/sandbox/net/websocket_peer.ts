/**
 * The server's end of one websocket: frames out of and into a connection, a ping every 15 s, a bound on what a client
 * leaves unread. What is said on it belongs to whoever made it.
 */
import { concatBytes } from "../../base/bytes.ts";
import type { Random } from "../../base/core.ts";
import { ProtocolError } from "../../base/errors.ts";
import { Carrier } from "../../io/carrier.ts";
import { type Batch, ownedBatch } from "../../tailnet/line.ts";
import { encodeFrame, Opcode, WebsocketConnection } from "../../websocket/mod.ts";
import { failLoudly } from "../loud_tasks.ts";
import type { UpgradedConn } from "../http/messages.ts";

export interface WebsocketPeerOptions {
  readonly random: Random;
  /** Payload, borrowed for the call. */
  readonly onMessage: (payload: Uint8Array, kind: "binary" | "text") => void;
  /** Hands data out as it comes, for protocols to which messages mean nothing. @default false */
  readonly stream?: boolean;
  /** Once, however the end came. */
  readonly onClosed?: () => void;
}

/** As the real server (coderd `httpapi.Heartbeat`). */
const PING_INTERVAL_MS = 15_000;
const READ_BYTES = 65_536;
const MAX_OUTBOX_BYTES = 16_777_216;
/** Frames that wait are joined up to this for one write. */
const GATHER_BYTES = 65_536;

export class WebsocketPeer {
  /** Resolves when nothing of the websocket runs any more. */
  readonly ended: Promise<void>;
  readonly #options: WebsocketPeerOptions;
  readonly #websocket: WebsocketConnection;
  readonly #outbox: Uint8Array[] = [];
  readonly #carrier: Carrier;
  readonly #resolveEnded: (running: Promise<void>) => void;
  readonly #pinger: ReturnType<typeof setInterval>;
  #outboxBytes = 0;
  #isOver = false;

  constructor(upgraded: UpgradedConn, options: WebsocketPeerOptions) {
    this.#options = options;
    const { random, stream = false } = options;
    this.#websocket = new WebsocketConnection({ role: "server", random, stream });
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ended = promise;
    this.#resolveEnded = resolve;
    this.#pinger = setInterval(() => {
      this.#websocket.ping();
      this.#flushControl();
    }, PING_INTERVAL_MS);
    this.#carrier = new Carrier({
      conn: upgraded.conn,
      source: { takeBatch: () => this.#takeBatch() },
      readChunkBytes: READ_BYTES,
      onBytes: (chunk) => this.#handleBytes(chunk),
      onWritten: () => {},
      onClosed: () => this.#finish(),
      onFault: failLoudly,
    });
    if (upgraded.rest.length > 0) queueMicrotask(() => this.#handleRest(upgraded.rest));
  }

  get isOpen(): boolean {
    return !this.#isOver && this.#websocket.canSend;
  }

  /** Sends one message, copied. Without effect when closed. */
  send(payload: Uint8Array, kind: "binary" | "text" = "binary"): void {
    if (!this.isOpen) return;
    const opcode = kind === "text" ? Opcode.text : Opcode.binary;
    this.#push(encodeFrame({ role: "server", random: this.#options.random, opcode }, payload));
  }

  /** Sends a value as one text message of JSON. */
  sendJson(value: unknown): void {
    this.send(new TextEncoder().encode(JSON.stringify(value)), "text");
  }

  /** Closes in order: what was sent before still arrives. Idempotent. */
  async close(code = 1000, reason = ""): Promise<void> {
    if (!this.#isOver) {
      this.#websocket.close(code, reason);
      this.#flushControl();
      await this.#carrier.drained();
      this.cut();
    }
    await this.ended;
  }

  /** Closes the connection without a word. Idempotent. */
  cut(): void {
    this.#carrier.close();
    this.#finish();
  }

  #handleRest(rest: Uint8Array): void {
    if (this.#isOver) return;
    try {
      this.#handleBytes(rest);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.cut();
    }
  }

  #handleBytes(chunk: Uint8Array): void {
    this.#websocket.handleBytes(chunk);
    for (
      let m = this.#websocket.pollMessage();
      m !== undefined;
      m = this.#websocket.pollMessage()
    ) {
      if (m.kind === "binary" || m.kind === "text") this.#options.onMessage(m.bytes, m.kind);
      else if (m.kind === "close") {
        this.#flushControl();
        this.#carrier.drained().then(() => this.cut());
        return;
      }
      if (this.#isOver) return;
    }
    this.#flushControl();
  }

  #flushControl(): void {
    const ws = this.#websocket;
    for (let frame = ws.pollTransmit(); frame; frame = ws.pollTransmit()) this.#push(frame);
  }

  #push(frame: Uint8Array): void {
    if (this.#isOver) return;
    if (this.#outboxBytes + frame.length > MAX_OUTBOX_BYTES) {
      this.cut(); // reads nothing
      return;
    }
    this.#outbox.push(frame);
    this.#outboxBytes += frame.length;
    this.#carrier.kick();
  }

  #takeBatch(): Batch | undefined {
    const first = this.#outbox.shift();
    if (first === undefined) return undefined;
    const parts = [first];
    let bytes = first.length;
    for (let next = this.#outbox[0]; next !== undefined; next = this.#outbox[0]) {
      if (bytes + next.length > GATHER_BYTES) break;
      parts.push(next);
      bytes += next.length;
      this.#outbox.shift();
    }
    this.#outboxBytes -= bytes;
    return ownedBatch(parts.length === 1 ? first : concatBytes(...parts));
  }

  #finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearInterval(this.#pinger);
    this.#options.onClosed?.();
    this.#resolveEnded(this.#carrier.ended());
  }
}

/**
 * One websocket to the coordinator: upgrade, then the byte stream inside binary messages
 * (coder/coder `codersdk/workspacesdk/dialer.go`). What the bytes mean is `coordinator/client.ts`'s.
 */
import type { Random } from "../base/core.ts";
import { ProtocolError } from "../base/errors.ts";
import { encodeFrame, HttpUpgradeClient, WebsocketConnection } from "../websocket/mod.ts";

export interface CoordinatorLinkOptions {
  /** Path and query. */
  readonly path: string;
  /** `Host` value. */
  readonly host: string;
  /** The session token's among them. */
  readonly headers: readonly (readonly [string, string])[];
  readonly random: Random;
}

export type CoordinatorLinkEvent =
  | { readonly kind: "open" }
  /** Payload, valid until the next call. */
  | { readonly kind: "data"; readonly bytes: Uint8Array }
  | { readonly kind: "refused"; readonly status: number; readonly body: Uint8Array }
  | { readonly kind: "closed"; readonly message: string };

type Phase =
  | { readonly kind: "upgrade"; readonly client: HttpUpgradeClient }
  | { readonly kind: "open"; readonly websocket: WebsocketConnection }
  | { readonly kind: "over" };

/** A coordinator that does not read holds up at most this much of ours. */
const MAX_OUTBOX_BYTES = 1_048_576;

export class CoordinatorLink {
  readonly #random: Random;
  #phase: Phase;
  readonly #events: CoordinatorLinkEvent[] = [];
  readonly #outbox: Uint8Array[] = [];
  #outboxBytes = 0;

  constructor(options: CoordinatorLinkOptions) {
    this.#random = options.random;
    const client = new HttpUpgradeClient({ ...options, upgrade: "websocket" });
    this.#phase = { kind: "upgrade", client };
    this.#push(client.request());
  }

  get isOpen(): boolean {
    return this.#phase.kind === "open";
  }

  /** Takes what arrived, borrowed until `pollEvent` returned `undefined`. Throws `ProtocolError`. */
  handleBytes(chunk: Uint8Array): void {
    let bytes = chunk;
    if (this.#phase.kind === "upgrade") {
      const result = this.#phase.client.handleBytes(bytes);
      if (result === undefined) return;
      if (result.kind === "refused") return this.#refuse(result);
      const websocket = new WebsocketConnection({
        role: "client",
        random: this.#random,
        stream: true,
      });
      this.#phase = { kind: "open", websocket };
      this.#events.push({ kind: "open" });
      bytes = result.rest;
    }
    if (this.#phase.kind === "open" && bytes.length > 0) this.#phase.websocket.handleBytes(bytes);
  }

  /** The connection ended: a refusal whose body had not come to its end still counts. Idempotent. */
  handleEnd(): void {
    if (this.#phase.kind !== "upgrade") return;
    try {
      const result = this.#phase.client.handleEnd();
      if (result.kind === "refused") this.#refuse(result);
    } catch (error) {
      // Not even a refusal: whoever saw the end has its reason.
      if (!(error instanceof ProtocolError)) throw error;
    }
  }

  #refuse(result: { readonly status: number; readonly body: Uint8Array }): void {
    this.#phase = { kind: "over" };
    this.#events.push({ kind: "refused", status: result.status, body: result.body });
  }

  /** What happened. Throws `ProtocolError`. */
  pollEvent(): CoordinatorLinkEvent | undefined {
    const event = this.#events.shift();
    if (event !== undefined || this.#phase.kind !== "open") return event;
    const { websocket } = this.#phase;
    for (;;) {
      const message = websocket.pollMessage();
      for (let frame = websocket.pollTransmit(); frame; frame = websocket.pollTransmit()) {
        this.#push(frame);
      }
      if (message === undefined) return undefined;
      if (message.kind === "pong") continue;
      if (message.kind !== "close") return { kind: "data", bytes: message.bytes };
      this.#phase = { kind: "over" };
      const words = message.reason === "" ? `code ${message.code}` : message.reason;
      return { kind: "closed", message: `closed by the server: ${words}` };
    }
  }

  /** Sends one binary message, copied. */
  send(payload: Uint8Array): void {
    this.#push(encodeFrame({ role: "client", random: this.#random }, payload));
  }

  /** Sends a close frame; then what is left in `takeBatch` is the last. */
  close(): void {
    if (this.#phase.kind !== "open") return;
    const { websocket } = this.#phase;
    websocket.close(1000, "");
    for (let frame = websocket.pollTransmit(); frame; frame = websocket.pollTransmit()) {
      this.#push(frame);
    }
    this.#phase = { kind: "over" };
  }

  /** The next bytes to write. */
  takeBatch(): Uint8Array | undefined {
    const first = this.#outbox.shift();
    if (first !== undefined) this.#outboxBytes -= first.length;
    return first;
  }

  #push(bytes: Uint8Array): void {
    if (this.#outboxBytes + bytes.length > MAX_OUTBOX_BYTES) {
      this.#phase = { kind: "over" };
      this.#events.push({ kind: "closed", message: "does not read what we send" });
      return;
    }
    this.#outbox.push(bytes);
    this.#outboxBytes += bytes.length;
  }
}

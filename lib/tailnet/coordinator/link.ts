/**
 * One connection to the coordinator, below what is said on it (`client.ts`): a websocket, that is an upgrade and then the byte
 * stream inside binary messages (coder/coder `codersdk/workspacesdk/dialer.go`), or bare messages between two parties of one
 * process.
 */
import type { Core, Random } from "../../base/core.ts";
import { ProtocolError } from "../../base/errors.ts";
import { encodeFrame, HttpUpgradeClient, WebsocketConnection } from "../../websocket/mod.ts";
import { type Batch, type Line, type LineTarget, ownedBatch } from "../line.ts";

/** Where a coordinator is. */
export type CoordinatorAddress =
  /** In this process: what `takeBatch` gives is a message, and so is what `handleBytes` takes. */
  | { readonly kind: "inProcess" }
  | {
    readonly kind: "websocket";
    /** The deployment's URL as the user gave it. */
    readonly deploymentUrl: URL;
    /** UUID text of the agent that we ask for. */
    readonly agentId: string;
    /** Session token and the user's own. */
    readonly headers: readonly (readonly [string, string])[];
  };

/** What the client of the coordination sees of a connection. */
export interface CoordinatorLink extends Core<CoordinatorLinkEvent>, Line {
  /** Whether messages can be sent. */
  readonly isOpen: boolean;
  /** Should be called when the connection stands. */
  handleOpened(): void;
  /** Takes what arrived, borrowed until `pollEvent` returned `undefined`. Throws `ProtocolError`. */
  handleBytes(chunk: Uint8Array): void;
  /** The connection ended: a refusal whose body had not come to its end still counts. Idempotent. */
  handleEnd(): void;
  /** Sends one message, copied. */
  send(payload: Uint8Array): void;
  /** Says goodbye: what is left in `takeBatch` is the last. */
  close(): void;
}

export interface WebsocketLinkOptions {
  /** For logs. @default "coordinator" */
  readonly name?: string;
  readonly target: LineTarget;
  /** Path and query. */
  readonly path: string;
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

/** Time for name resolution, TCP, proxy and TLS. */
const DIAL_LIMIT_MS = 10_000;
const READ_BYTES = 16_384;
const NAME = "coordinator";

export class WebsocketLink implements CoordinatorLink {
  readonly name: string;
  readonly targets: readonly LineTarget[];
  readonly dialLimitMs = DIAL_LIMIT_MS;
  readonly readBytes = READ_BYTES;
  readonly #random: Random;
  #phase: Phase;
  readonly #events: CoordinatorLinkEvent[] = [];
  readonly #outbox: Uint8Array[] = [];
  #outboxBytes = 0;

  constructor(options: WebsocketLinkOptions) {
    const { target, path, headers, random } = options;
    this.name = options.name ?? NAME;
    this.targets = [target];
    this.#random = random;
    const client = new HttpUpgradeClient({
      path,
      host: target.hostHeader,
      headers,
      upgrade: "websocket",
      random,
    });
    this.#phase = { kind: "upgrade", client };
    this.#push(client.request());
  }

  get isOpen(): boolean {
    return this.#phase.kind === "open";
  }

  /** The request waits since the beginning. */
  handleOpened(): void {}

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

  /** Throws `ProtocolError`. */
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

  send(payload: Uint8Array): void {
    this.#push(encodeFrame({ role: "client", random: this.#random }, payload));
  }

  close(): void {
    if (this.#phase.kind !== "open") return;
    const { websocket } = this.#phase;
    websocket.close(1000, "");
    for (let frame = websocket.pollTransmit(); frame; frame = websocket.pollTransmit()) {
      this.#push(frame);
    }
    this.#phase = { kind: "over" };
  }

  takeBatch(): Batch | undefined {
    const first = this.#outbox.shift();
    if (first === undefined) return undefined;
    this.#outboxBytes -= first.length;
    return ownedBatch(first);
  }

  /** How long silence may last is the client's to say. */
  handleTimeout(): void {}

  pollTimeout(): undefined {}

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

/** Messages as they are, for a coordinator in the same process. */
export class InProcessLink implements CoordinatorLink {
  readonly name = NAME;
  readonly targets: readonly LineTarget[] = [];
  readonly dialLimitMs = DIAL_LIMIT_MS;
  readonly readBytes = READ_BYTES;
  readonly #events: CoordinatorLinkEvent[] = [];
  readonly #outbox: Uint8Array[] = [];
  #isOpen = false;

  get isOpen(): boolean {
    return this.#isOpen;
  }

  handleOpened(): void {
    this.#isOpen = true;
    this.#events.push({ kind: "open" });
  }

  handleBytes(chunk: Uint8Array): void {
    if (this.#isOpen) this.#events.push({ kind: "data", bytes: chunk });
  }

  handleEnd(): void {
    this.#isOpen = false;
  }

  pollEvent(): CoordinatorLinkEvent | undefined {
    return this.#events.shift();
  }

  send(payload: Uint8Array): void {
    if (this.#isOpen) this.#outbox.push(payload.slice());
  }

  close(): void {
    this.#isOpen = false;
  }

  takeBatch(): Batch | undefined {
    const first = this.#outbox.shift();
    return first === undefined ? undefined : ownedBatch(first);
  }

  handleTimeout(): void {}

  pollTimeout(): undefined {}
}

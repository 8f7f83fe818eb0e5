/**
 * A websocket after its handshake, either role (RFC 6455 §5–§7): messages out of frames, pings answered, closing.
 * Two ways to read. Whole messages: fragments are reassembled up to `maxMessageBytes`. `stream: true`, for protocols to
 * which message boundaries mean nothing (DERP, yamux): payload is handed out as it comes, without a copy.
 * Order of use: `handleBytes`, then `pollMessage` until `undefined`, then `pollTransmit` until `undefined`.
 * Data is sent past this object with `frameInPlace`, as long as `canSend`. Left out on purpose: extensions; time limits.
 */
import type { Random } from "../base/core.ts";
import { decodeClose, encodeClose } from "./close.ts";
import { WebsocketError } from "./errors.ts";
import { encodeFrame, MAX_CONTROL_BYTES, Opcode, type Role } from "./frame.ts";
import { FrameReader } from "./frame_reader.ts";
import { MessageBuffer } from "./message_buffer.ts";

/** @see WebsocketConnectionOptions.maxMessageBytes */
export const DEFAULT_MAX_MESSAGE_BYTES = 4 * 1024 * 1024;

export interface WebsocketConnectionOptions {
  /** Ours. */
  readonly role: Role;
  /** For the masks of a client's control frames. */
  readonly random: Random;
  /** Longest message that is reassembled; a longer one closes with 1009. Unused with `stream`. @default 4 MiB */
  readonly maxMessageBytes?: number;
  /** Hands data out un-reassembled. @default false */
  readonly stream?: boolean;
}

/** What arrived. Every view is valid until the next call of `pollMessage` or `handleBytes`. */
export type WebsocketMessage =
  /** `final`: the message ends here; always true without `stream`. Text is valid UTF-8 unless streamed. */
  | { readonly kind: "binary" | "text"; readonly bytes: Uint8Array; readonly final: boolean }
  /** Answer to `ping`, or unasked. */
  | { readonly kind: "pong"; readonly bytes: Uint8Array }
  /** The peer's close, always the last message. 1005: it gave no code. */
  | { readonly kind: "close"; readonly code: number; readonly reason: string };

/** `closing`: our close was sent, the peer's is awaited. `failed`: the peer broke the protocol. */
export type WebsocketState = "open" | "closing" | "closed" | "failed";

export class WebsocketConnection {
  readonly #role: Role;
  readonly #random: Random;
  readonly #isStream: boolean;
  readonly #reader: FrameReader;
  readonly #message: MessageBuffer;
  readonly #control = new Uint8Array(MAX_CONTROL_BYTES);
  /** The unfinished message's kind. */
  #messageKind: "binary" | "text" | undefined;
  #state: WebsocketState = "open";
  /** Only the latest ping is answered (RFC 6455 §5.5.3), so that nothing queues up. */
  #pongPayload: Uint8Array | undefined;
  #pingPayload: Uint8Array | undefined;
  #closePayload: Uint8Array | undefined;

  constructor(options: WebsocketConnectionOptions) {
    const { role, random, maxMessageBytes = DEFAULT_MAX_MESSAGE_BYTES, stream = false } = options;
    if (!Number.isSafeInteger(maxMessageBytes) || maxMessageBytes < 1) {
      throw new RangeError(`maxMessageBytes must be a positive integer: ${maxMessageBytes}`);
    }
    this.#role = role;
    this.#random = random;
    this.#isStream = stream;
    this.#reader = new FrameReader(role);
    this.#message = new MessageBuffer(maxMessageBytes);
  }

  get state(): WebsocketState {
    return this.#state;
  }

  /** Whether data frames may still be sent: neither side has closed. */
  get canSend(): boolean {
    return this.#state === "open";
  }

  /** Takes the next chunk, borrowed and unmasked in place until `pollMessage` returned `undefined`. */
  handleBytes(chunk: Uint8Array): void {
    if (!this.#reader.isDrained) {
      throw new TypeError("Cannot take a chunk: drain pollMessage() first");
    }
    if (this.#state === "open" || this.#state === "closing") this.#reader.handleBytes(chunk);
  }

  /** The next message, or `undefined` when the chunk is used up. Throws `WebsocketError`; its close is then ready to leave. */
  pollMessage(): WebsocketMessage | undefined {
    try {
      while (this.#reader.next()) {
        const message = this.#reader.opcode >= Opcode.close
          ? this.#handleControlPiece()
          : this.#handleDataPiece();
        if (message !== undefined) return message;
      }
      return undefined;
    } catch (error) {
      if (error instanceof WebsocketError) this.#fail(error);
      throw error;
    }
  }

  /** The bytes of a control frame that must leave, for the caller to keep; `undefined` when there is none. */
  pollTransmit(): Uint8Array | undefined {
    if (this.#pongPayload !== undefined) {
      const payload = this.#pongPayload;
      this.#pongPayload = undefined;
      return this.#encode(Opcode.pong, payload);
    }
    if (this.#pingPayload !== undefined) {
      const payload = this.#pingPayload;
      this.#pingPayload = undefined;
      return this.#encode(Opcode.ping, payload);
    }
    if (this.#closePayload !== undefined) {
      const payload = this.#closePayload;
      this.#closePayload = undefined;
      return this.#encode(Opcode.close, payload);
    }
    return undefined;
  }

  /** Asks for a pong with the same `payload`, at most 125 bytes, copied. Without effect once closing. */
  ping(payload: Uint8Array = new Uint8Array(0)): void {
    if (payload.length > MAX_CONTROL_BYTES) {
      throw new RangeError(`Cannot ping: ${payload.length} bytes exceed ${MAX_CONTROL_BYTES}`);
    }
    if (this.#state === "open") this.#pingPayload = payload.slice();
  }

  /** Begins to close. Idempotent. `reason` at most 123 bytes of UTF-8. */
  close(code = 1000, reason = ""): void {
    const payload = encodeClose(code, reason);
    if (this.#state !== "open") return;
    this.#closePayload = payload;
    this.#state = "closing";
  }

  #handleDataPiece(): WebsocketMessage | undefined {
    const { opcode, pieceOffset } = this.#reader;
    if (pieceOffset === 0) this.#beginDataFrame(opcode);
    const kind = this.#messageKind ?? "binary";
    const { chunk, pieceStart, pieceEnd, endsFrame } = this.#reader;
    const final = endsFrame && this.#reader.isFinal;
    if (final) this.#messageKind = undefined;
    if (this.#isStream) {
      if (pieceStart === pieceEnd) return undefined;
      return { kind, bytes: chunk.subarray(pieceStart, pieceEnd), final };
    }
    // A message that is whole inside the chunk is not copied.
    const piece = chunk.subarray(pieceStart, pieceEnd);
    const bytes = final && this.#message.isEmpty ? piece : this.#message.append(piece, final);
    if (!final) return undefined;
    if (kind === "text") assertUtf8(bytes);
    return { kind, bytes, final };
  }

  #beginDataFrame(opcode: number): void {
    // RFC 6455 §5.4: continuations belong to a message that is open, and nothing else interrupts it but control frames.
    const isContinuation = opcode === Opcode.continuation;
    if (isContinuation !== (this.#messageKind !== undefined)) {
      throw new WebsocketError(
        isContinuation
          ? "Cannot read websocket message: continuation of nothing"
          : "Cannot read websocket message: begins inside another",
        { code: "bad-fragment", spec: "RFC 6455 §5.4" },
      );
    }
    if (!isContinuation) this.#messageKind = opcode === Opcode.text ? "text" : "binary";
    if (!this.#isStream) this.#message.assertFits(this.#reader.frameBytes);
  }

  #handleControlPiece(): WebsocketMessage | undefined {
    const { chunk, opcode, pieceOffset, pieceStart, pieceEnd } = this.#reader;
    this.#control.set(chunk.subarray(pieceStart, pieceEnd), pieceOffset);
    if (!this.#reader.endsFrame) return undefined;
    const payload = this.#control.subarray(0, this.#reader.frameBytes);
    if (opcode === Opcode.ping) {
      if (this.#state === "open") this.#pongPayload = payload.slice();
      return undefined;
    }
    if (opcode === Opcode.pong) return { kind: "pong", bytes: payload };
    const { code, reason } = decodeClose(payload);
    // RFC 6455 §5.5.1: the peer's code is echoed, unless our own close went first.
    if (this.#state === "open") this.#closePayload = payload.slice(0, 2);
    this.#state = "closed";
    this.#reader.discard(); // nothing counts behind a close
    return { kind: "close", code, reason };
  }

  #fail(error: WebsocketError): void {
    if (this.#state === "open") this.#closePayload = encodeClose(error.closeCode, ""); // RFC 6455 §7.1.7
    this.#state = "failed";
    this.#reader.discard();
  }

  #encode(opcode: Opcode, payload: Uint8Array): Uint8Array {
    return encodeFrame({ role: this.#role, random: this.#random, opcode }, payload);
  }
}

function assertUtf8(bytes: Uint8Array): void {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new WebsocketError("Cannot read websocket message: text is not UTF-8", {
      code: "bad-utf8",
      spec: "RFC 6455 §8.1",
      closeCode: 1007,
      cause,
    });
  }
}

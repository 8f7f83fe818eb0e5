/**
 * Streams the body of one HTTP/1.1 message: by `Content-Length`, chunked, or up to the end of the connection
 * (RFC 9112 §6.3, §7.1). Data is handed out as views of the chunk it came in.
 *   chunked: *(size-hex [";" extension] CRLF data CRLF) "0" CRLF *(trailer CRLF) CRLF
 * Left out on purpose: trailers (read, bounded and dropped), content codings.
 */
import { Http1Error } from "./errors.ts";
import type { HeaderFields } from "./headers.ts";

/** Longest chunk-size line with its extension. */
export const MAX_CHUNK_LINE_BYTES = 4096;
/** All trailer lines together. */
export const MAX_TRAILER_BYTES = 8192;

const CR = 13;
const LF = 10;

/** How long a body is. `none`: no byte at all. */
export type BodyLength =
  | { readonly kind: "none" }
  | { readonly kind: "length"; readonly bytes: number }
  | { readonly kind: "chunked" }
  | { readonly kind: "toClose" };

/**
 * The body's length as the fields tell it. Silence means none for a request, up to the end of the connection for a response.
 * Throws `Http1Error` for lengths that contradict each other, which is how requests are smuggled.
 */
export function bodyLengthOf(
  headers: HeaderFields,
  message: { readonly kind: "request" } | { readonly kind: "response"; readonly status: number },
): BodyLength {
  if (message.kind === "response") {
    const { status } = message;
    if (status < 200 || status === 204 || status === 304) return { kind: "none" }; // RFC 9112 §6.3 item 1
  }
  const lengths = headers.values("content-length");
  const codings = headers.values("transfer-encoding");
  if (codings.length > 0) {
    if (codings.length > 1 || codings[0]?.toLowerCase() !== "chunked" || lengths.length > 0) {
      throw bodyError("bad-transfer-encoding", "transfer coding that is not just chunked");
    }
    return { kind: "chunked" };
  }
  if (lengths.length === 0) {
    return message.kind === "response" ? { kind: "toClose" } : { kind: "none" };
  }
  const text = lengths[0] ?? "";
  if (lengths.length > 1 || !/^[0-9]{1,15}$/.test(text)) {
    throw bodyError("bad-content-length", "Content-Length that is not one number");
  }
  return { kind: "length", bytes: Number(text) };
}

type Phase =
  | { readonly kind: "data"; remaining: number; readonly thenLine: boolean }
  | { readonly kind: "toClose" }
  | { readonly kind: "sizeLine"; line: string }
  | { readonly kind: "dataEnd"; seen: number }
  | { readonly kind: "trailers"; lineBytes: number; totalBytes: number; previous: number }
  | { readonly kind: "ended" };

export class HttpBodyReader {
  #phase: Phase;
  #chunk: Uint8Array = new Uint8Array(0);
  #at = 0;

  constructor(length: BodyLength) {
    switch (length.kind) {
      case "none":
        this.#phase = { kind: "ended" };
        break;
      case "length":
        this.#phase = length.bytes === 0
          ? { kind: "ended" }
          : { kind: "data", remaining: length.bytes, thenLine: false };
        break;
      case "chunked":
        this.#phase = { kind: "sizeLine", line: "" };
        break;
      case "toClose":
        this.#phase = { kind: "toClose" };
    }
  }

  get isEnded(): boolean {
    return this.#phase.kind === "ended";
  }

  /** What the last chunk holds behind the body: a view. Meaningful once `isEnded`. */
  get rest(): Uint8Array {
    return this.#chunk.subarray(this.#at);
  }

  /** Takes the next chunk, borrowed until `pollData` returned `undefined`. */
  handleBytes(chunk: Uint8Array): void {
    if (this.#at < this.#chunk.length && !this.isEnded) {
      throw new TypeError("Cannot take a chunk: drain pollData() first");
    }
    this.#chunk = chunk;
    this.#at = 0;
  }

  /** The connection ended. Returns whether the body was whole. */
  handleEnd(): boolean {
    const whole = this.#phase.kind === "ended" || this.#phase.kind === "toClose";
    this.#phase = { kind: "ended" };
    return whole;
  }

  /** The next piece of data, a non-empty view of the chunk; `undefined` when the chunk is used up or the body ended. */
  pollData(): Uint8Array | undefined {
    while (this.#at < this.#chunk.length) {
      const phase = this.#phase;
      switch (phase.kind) {
        case "ended":
          return undefined;
        case "toClose":
          return this.#take(this.#chunk.length - this.#at);
        case "data": {
          const piece = this.#take(Math.min(phase.remaining, this.#chunk.length - this.#at));
          phase.remaining -= piece.length;
          if (phase.remaining === 0) {
            this.#phase = phase.thenLine ? { kind: "dataEnd", seen: 0 } : { kind: "ended" };
          }
          return piece;
        }
        default:
          this.#handleSyntaxByte(phase, this.#chunk[this.#at++] ?? 0);
      }
    }
    return undefined;
  }

  #take(count: number): Uint8Array {
    const piece = this.#chunk.subarray(this.#at, this.#at + count);
    this.#at += count;
    return piece;
  }

  #handleSyntaxByte(
    phase: Extract<Phase, { kind: "sizeLine" | "dataEnd" | "trailers" }>,
    byte: number,
  ): void {
    if (phase.kind === "dataEnd") {
      if (byte !== (phase.seen === 0 ? CR : LF)) throw bodyError("bad-chunk", "chunk without CRLF");
      if (++phase.seen === 2) this.#phase = { kind: "sizeLine", line: "" };
    } else if (phase.kind === "sizeLine") {
      if (phase.line.length >= MAX_CHUNK_LINE_BYTES) throw bodyError("bad-chunk", "long size line");
      phase.line += String.fromCharCode(byte);
      if (byte === LF) this.#handleSizeLine(phase.line);
    } else {
      if (++phase.totalBytes > MAX_TRAILER_BYTES) throw bodyError("bad-chunk", "long trailers");
      if (byte === LF) {
        if (phase.previous !== CR) throw bodyError("bad-chunk", "bare LF in trailers");
        if (phase.lineBytes === 1) this.#phase = { kind: "ended" };
        phase.lineBytes = 0;
      } else {
        phase.lineBytes++;
      }
      phase.previous = byte;
    }
  }

  #handleSizeLine(line: string): void {
    // RFC 9112 §7.1.1: extensions are ignored, but may not smuggle a line end.
    const match = /^([0-9a-fA-F]{1,12})[ \t]*(?:;[^\r\n]*)?\r\n$/.exec(line);
    if (match === null) throw bodyError("bad-chunk", "malformed size line");
    const bytes = Number.parseInt(match[1] ?? "", 16);
    this.#phase = bytes === 0
      ? { kind: "trailers", lineBytes: 0, totalBytes: 0, previous: 0 }
      : { kind: "data", remaining: bytes, thenLine: true };
  }
}

function bodyError(code: string, what: string): Http1Error {
  return new Http1Error(`Cannot read HTTP body: ${what}`, {
    code,
    spec: "RFC 9112 §6.3, §7.1",
  });
}

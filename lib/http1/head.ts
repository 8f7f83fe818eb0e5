/**
 * Reads one HTTP/1.1 head from a byte stream cut anywhere (RFC 9112 §2–§5), within bounds.
 * Strict on purpose, since two readers that differ are how requests get smuggled: lines end in CRLF only, no folded lines
 * (§5.2), no blank before the colon (§5.1), no control characters, no field without a name.
 * Not here: the body (`body.ts`) and what the fields mean.
 */
import { trimBlanks } from "../base/trim.ts";
import { Http1Error } from "./errors.ts";
import { HeaderFields, isFieldValue, isRequestTarget, isToken } from "./headers.ts";

/** Longest head, its blank line included. */
export const MAX_HEAD_BYTES = 64 * 1024;
export const MAX_HEADERS = 200;

const INITIAL_BUFFER_BYTES = 2048;
const TLS_ALERT = 21;
const TLS_HANDSHAKE = 22;
const CR = 13;
const LF = 10;

/** The start line's parts and the fields. `version` is `"1.0"` or `"1.1"`. */
export interface HttpResponseHead {
  readonly version: string;
  readonly status: number;
  readonly reason: string;
  readonly headers: HeaderFields;
}

export interface HttpRequestHead {
  readonly version: string;
  readonly method: string;
  readonly path: string;
  readonly headers: HeaderFields;
}

/** Collects bytes up to the blank line. One reader reads one head; `rest` is what came behind it in the last chunk. */
export class HttpHeadReader {
  #buffer = new Uint8Array(INITIAL_BUFFER_BYTES);
  #length = 0;
  readonly #startsWith: string;
  /** A view of the chunk that ended the head: what follows the blank line. */
  rest: Uint8Array = new Uint8Array(0);

  /** `startsWith`: what a head must begin with, so that whoever speaks something else is noticed at once. @default anything */
  constructor(options: { readonly startsWith?: string } = {}) {
    this.#startsWith = options.startsWith ?? "";
  }

  /** Bytes of the head that came so far. */
  get lengthBytes(): number {
    return this.#length;
  }

  /**
   * Takes the next chunk (borrowed). Returns the head's text without its last two CRLFs once it is whole.
   * Throws `Http1Error` past `MAX_HEAD_BYTES`.
   */
  handleBytes(chunk: Uint8Array): string | undefined {
    const taken = Math.min(chunk.length, MAX_HEAD_BYTES - this.#length);
    this.#reserve(this.#length + taken);
    this.#buffer.set(taken === chunk.length ? chunk : chunk.subarray(0, taken), this.#length);
    const scanFrom = Math.max(3, this.#length);
    const filled = this.#length + taken;
    this.#checkStart(filled);
    for (let i = scanFrom; i < filled; i++) {
      if (this.#buffer[i] !== LF) continue;
      if (this.#buffer[i - 1] !== CR) {
        throw httpError("bare-line-feed", "Cannot read HTTP head: line that ends without CR");
      }
      if (this.#isBlankLineEnd(i)) {
        this.rest = chunk.subarray(i + 1 - this.#length);
        this.#length = i + 1;
        return this.#text(i - 3);
      }
    }
    this.#length = filled;
    if (filled >= MAX_HEAD_BYTES) {
      throw httpError(
        "head-too-large",
        `Cannot read HTTP head: longer than ${MAX_HEAD_BYTES} bytes`,
      );
    }
    return undefined;
  }

  #checkStart(filled: number): void {
    const end = Math.min(filled, this.#startsWith.length);
    for (let i = this.#length; i < end; i++) {
      if (this.#buffer[i] === this.#startsWith.charCodeAt(i)) continue;
      // RFC 8446 §5.1: what a TLS server answers to words in the clear is an alert, or a handshake of its own.
      const isTls = i === 0 && (this.#buffer[0] === TLS_ALERT || this.#buffer[0] === TLS_HANDSHAKE);
      throw httpError(
        isTls ? "tls" : "not-http",
        `Cannot read HTTP head: the other side speaks ${isTls ? "TLS" : "something else"}`,
      );
    }
  }

  #isBlankLineEnd(at: number): boolean {
    const bytes = this.#buffer;
    return bytes[at - 2] === LF && bytes[at - 3] === CR;
  }

  #reserve(lengthBytes: number): void {
    if (lengthBytes <= this.#buffer.length) return;
    const grown = new Uint8Array(Math.max(lengthBytes, 2 * this.#buffer.length));
    grown.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = grown;
  }

  #text(end: number): string {
    let text = "";
    // ISO 8859-1, not the "latin1" of TextDecoder, which is windows-1252.
    for (let i = 0; i < end; i++) text += String.fromCharCode(this.#buffer[i] ?? 0);
    return text;
  }
}

/** Parses the text of a response head. Throws `Http1Error`. */
export function parseResponseHead(text: string): HttpResponseHead {
  const [startLine, headers] = splitHead(text);
  // RFC 9112 §4; the blank before an absent reason is forgiven, as every browser does.
  const match = /^HTTP\/(1\.[01]) ([1-9][0-9]{2})(?: (.*))?$/.exec(startLine);
  if (match === null || !isFieldValue(match[3] ?? "")) {
    throw httpError("bad-status-line", `Cannot read HTTP response: status line ${show(startLine)}`);
  }
  return {
    version: match[1] ?? "",
    status: Number(match[2]),
    reason: match[3] ?? "",
    headers,
  };
}

/** Parses the text of a request head. Throws `Http1Error`. */
export function parseRequestHead(text: string): HttpRequestHead {
  const [startLine, headers] = splitHead(text);
  const match = /^([^ ]+) ([^ ]+) HTTP\/(1\.[01])$/.exec(startLine); // RFC 9112 §3
  const method = match?.[1] ?? "";
  const path = match?.[2] ?? "";
  if (match === null || !isToken(method) || !isRequestTarget(path)) {
    throw httpError("bad-request-line", `Cannot read HTTP request: line ${show(startLine)}`);
  }
  return { version: match[3] ?? "", method, path, headers };
}

function splitHead(text: string): [string, HeaderFields] {
  const lines = text.split("\r\n");
  if (lines.length - 1 > MAX_HEADERS) {
    throw httpError(
      "too-many-headers",
      `Cannot read HTTP head: ${lines.length - 1} headers exceed ${MAX_HEADERS}`,
    );
  }
  const entries: (readonly [string, string])[] = [];
  for (let i = 1; i < lines.length; i++) entries.push(parseField(lines[i] ?? ""));
  return [lines[0] ?? "", new HeaderFields(entries)];
}

function parseField(line: string): readonly [string, string] {
  const colon = line.indexOf(":");
  const name = line.slice(0, Math.max(0, colon));
  const value = trimBlanks(line.slice(colon + 1));
  // A name with a blank is a folded line or a blank before the colon: RFC 9112 §5.1, §5.2.
  if (colon < 1 || !isToken(name)) {
    throw httpError("bad-header", `Cannot read HTTP header: name ${show(name)}`);
  }
  if (!isFieldValue(value)) {
    throw httpError(
      "bad-header",
      `Cannot read HTTP header "${name}": value has a control character`,
    );
  }
  return [name, value];
}

function show(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}

function httpError(code: string, message: string): Http1Error {
  return new Http1Error(message, { code, spec: "RFC 9112 §2.2" });
}

/**
 * The client's side of one HTTP/1.1 exchange (RFC 9112), over bytes that somebody else carries: a request, then the head and
 * the body of its answer. Interim 1xx answers are skipped. Says when the connection may be used for the next one (§9.3).
 * Not here: upgrades (`websocket`), pipelining, content codings, time limits (the caller's clock), redirects.
 */
import { bodyLengthOf, HttpBodyReader } from "./body.ts";
import { Http1Error } from "./errors.ts";
import { HttpHeadReader, type HttpResponseHead, parseResponseHead } from "./head.ts";
import { formatRequestHead } from "./headers.ts";

/** Interim answers that are skipped before the real one. */
export const MAX_INTERIM_ANSWERS = 8;

export interface HttpExchangeOptions {
  readonly method: string;
  /** Path and query, percent-encoded; the whole URL for a proxy (RFC 9112 §3.2.2). */
  readonly target: string;
  /** `Host` value: the port is left out when it is the scheme's default. */
  readonly host: string;
  /** Further fields. Length and coding of the body are this file's own. */
  readonly headers: readonly (readonly [string, string])[];
  /** UTF-8. @default none */
  readonly body?: string;
}

type State =
  | { readonly kind: "head"; reader: HttpHeadReader; interimCount: number }
  | { readonly kind: "body"; readonly head: HttpResponseHead; readonly body: HttpBodyReader };

export class HttpExchange {
  readonly #method: string;
  readonly #request: Uint8Array<ArrayBuffer>;
  #state: State = { kind: "head", reader: newHeadReader(), interimCount: 0 };
  #hasBytes = false;
  #isCutOff = false;

  /** Throws `TypeError` for a method, target, host or field that would not fit on its line. */
  constructor(options: HttpExchangeOptions) {
    const { method, target, host, headers, body } = options;
    this.#method = method;
    const content = body === undefined ? undefined : new TextEncoder().encode(body);
    // RFC 9110 §8.6: a method that means a body says so even of an empty one.
    const meansBody = content !== undefined || method === "POST" || method === "PUT" ||
      method === "PATCH";
    const head = formatRequestHead({
      method,
      path: target,
      host,
      headers: meansBody ? [...headers, ["Content-Length", String(content?.length ?? 0)]] : headers,
    });
    this.#request = new Uint8Array(head.length + (content?.length ?? 0));
    this.#request.set(head);
    if (content !== undefined) this.#request.set(content, head.length);
  }

  /** Head and body, to be written first. */
  request(): Uint8Array<ArrayBuffer> {
    return this.#request;
  }

  /** Whether any byte of an answer came. */
  get hasBytes(): boolean {
    return this.#hasBytes;
  }

  /** The answer's head, once it is whole. */
  get head(): HttpResponseHead | undefined {
    return this.#state.kind === "body" ? this.#state.head : undefined;
  }

  /** Whether the whole answer was handed out. */
  get isEnded(): boolean {
    return this.#state.kind === "body" && this.#state.body.isEnded;
  }

  /** Whether the connection may carry another exchange: known once `isEnded`. */
  get canReuse(): boolean {
    if (this.#state.kind !== "body" || this.#isCutOff) return false;
    const { head, body } = this.#state;
    // Bytes that nobody asked for belong to no answer.
    return body.isEnded && body.rest.length === 0 && head.version === "1.1" &&
      !head.headers.hasToken("connection", "close");
  }

  /** Takes the next chunk, borrowed until `pollData` returned `undefined`. Throws `Http1Error`. */
  handleBytes(chunk: Uint8Array): void {
    if (chunk.length > 0) this.#hasBytes = true;
    let bytes = chunk;
    while (this.#state.kind === "head") {
      const text = this.#state.reader.handleBytes(bytes);
      if (text === undefined) return;
      bytes = this.#state.reader.rest;
      this.#handleHead(parseResponseHead(text), this.#state.interimCount);
    }
    this.#state.body.handleBytes(bytes);
  }

  /** The next piece of the body, a view of the chunk; `undefined` when the chunk is used up or the body ended. Throws `Http1Error`. */
  pollData(): Uint8Array | undefined {
    return this.#state.kind === "body" ? this.#state.body.pollData() : undefined;
  }

  /** The connection ended. Throws `Http1Error` unless that is how this answer ends. */
  handleEnd(): void {
    this.#isCutOff = true;
    if (this.#state.kind === "body" && this.#state.body.handleEnd()) return;
    const when = this.#state.kind === "body"
      ? "in the middle of the body"
      : this.#hasBytes
      ? "in the middle of the head"
      : "before an answer";
    throw new Http1Error(`Cannot read HTTP answer: connection closed ${when}`, {
      code: "cut",
      spec: "RFC 9112 §8",
    });
  }

  #handleHead(head: HttpResponseHead, interimCount: number): void {
    if (head.status === 101) {
      throw new Http1Error("Cannot read HTTP answer: 101 to a request that asked for no upgrade", {
        code: "unasked-upgrade",
        spec: "RFC 9110 §15.2.2",
      });
    }
    if (head.status < 200) {
      if (interimCount === MAX_INTERIM_ANSWERS) {
        throw new Http1Error(
          `Cannot read HTTP answer: interim answers exceed ${MAX_INTERIM_ANSWERS}`,
          { code: "too-many-interim", spec: "RFC 9110 §15.2" },
        );
      }
      this.#state = { kind: "head", reader: newHeadReader(), interimCount: interimCount + 1 };
      return;
    }
    const length = this.#method === "HEAD"
      ? { kind: "none" } as const
      : bodyLengthOf(head.headers, { kind: "response", status: head.status });
    this.#state = { kind: "body", head, body: new HttpBodyReader(length) };
  }
}

function newHeadReader(): HttpHeadReader {
  return new HttpHeadReader({ startsWith: "HTTP/1." });
}

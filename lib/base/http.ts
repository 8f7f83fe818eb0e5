/**
 * What the API client is handed by whoever owns the sockets: one HTTP exchange, and one websocket of text messages or
 * of bytes.
 * The implementer (`lib/io/`) knows proxies and certificates, the user (`lib/coder/`) knows what Coder means by it. Faked in `tests/support/fake_coder.ts`. No cookie is ever kept or sent: a stale one beats a good token (docs/protocol/api.md#authentication).
 */
import { ExpectedError } from "./errors.ts";
import type { ByteStream } from "./stream.ts";

/** Name and value pairs; a name may repeat. Names of answers are in lower case. */
export type HttpHeaders = readonly (readonly [name: string, value: string])[];

/** User and password of a URL as the header that they stand for (RFC 7617 §2); nothing when `headers` has one already. */
export function basicCredentials(url: URL, headers: HttpHeaders): HttpHeaders {
  if (url.username === "" && url.password === "") return [];
  if (headers.some(([name]) => name.toLowerCase() === "authorization")) return [];
  const decode = (text: string) => text.replace(/(?:%[0-9a-f]{2})+/gi, decodeEscapes);
  const bytes = new TextEncoder().encode(`${decode(url.username)}:${decode(url.password)}`);
  return [["Authorization", `Basic ${btoa(String.fromCharCode(...bytes))}`]];
}

/** A run of escapes as UTF-8; what is none of it stays as it is written. */
function decodeEscapes(run: string): string {
  try {
    return decodeURIComponent(run);
  } catch (error) {
    if (error instanceof URIError) return run;
    throw error;
  }
}

export interface HttpRequest {
  readonly method: string;
  /** Absolute, `http:` or `https:`. */
  readonly url: string;
  readonly headers: HttpHeaders;
  readonly body?: string;
  readonly signal?: AbortSignal;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: HttpHeaders;
  /** Ending the iteration early gives the connection up. Iterated at most once; must be iterated or `cancel`led. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Gives up a body that nobody reads. Idempotent. */
  cancel(): void;
}

/**
 * One exchange, redirects not followed. Resolves when the answer's head is there, whatever its status.
 * Rejects with `TransportError`, or with the reason of an aborted signal.
 */
export type HttpFetch = (request: HttpRequest) => Promise<HttpResponse>;

export interface TextStreamRequest {
  /** Absolute, `ws:` or `wss:`. */
  readonly url: string;
  readonly headers: HttpHeaders;
  /** A longer message ends the stream with `TransportError` `"too-large"`. */
  readonly maxMessageBytes: number;
  readonly signal?: AbortSignal;
}

/** A websocket as a sequence of text messages. Pings are answered by the implementer. */
export interface TextStream {
  /**
   * Ends when the peer closed in order, throws `TransportError` when the socket was lost.
   * Ending the iteration early closes the socket. Iterated at most once.
   */
  readonly messages: AsyncIterable<string>;
  /** Sends a close frame and drops the socket soon after; the iteration ends. Idempotent. */
  close(): void;
}

export type TextStreamResult =
  | { readonly kind: "open"; readonly stream: TextStream }
  /** The server answered the upgrade with an ordinary response; its body tells why (docs/protocol/api.md#websockets). */
  | { readonly kind: "refused"; readonly response: HttpResponse };

/** Dials a websocket. Rejects as `HttpFetch` does. */
export type OpenTextStream = (request: TextStreamRequest) => Promise<TextStreamResult>;

export type ByteStreamRequest = Omit<TextStreamRequest, "maxMessageBytes">;

export type ByteStreamResult =
  | { readonly kind: "open"; readonly stream: ByteStream }
  /** As of `TextStreamResult`. */
  | { readonly kind: "refused"; readonly response: HttpResponse };

/**
 * Dials a websocket whose messages are parts of a stream of bytes. Its end in order is that of the stream; a server that answers nothing
 * any more is lost. Rejects as `HttpFetch` does.
 */
export type OpenByteStream = (request: ByteStreamRequest) => Promise<ByteStreamResult>;

/** All doors, made once the network flags are known. */
export interface HttpTransport {
  readonly fetch: HttpFetch;
  readonly openTextStream: OpenTextStream;
  readonly openByteStream: OpenByteStream;
}

/** What went wrong below HTTP. */
export type TransportErrorCode =
  | "unknown-host"
  | "refused"
  | "unreachable"
  | "timeout"
  | "reset"
  /** Nobody that is trusted vouches for the server's certificate. */
  | "unknown-authority"
  /** By this machine's clock the server's certificate is not valid yet, or not any more. */
  | "certificate-time"
  | "tls"
  /** The server speaks, and no TLS. */
  | "no-tls"
  | "too-large"
  /** The operation was not allowed: a Deno permission is missing. */
  | "not-permitted"
  | "other";

/** The network, not the server, failed. The message says what was tried, e.g. `dial tcp 127.0.0.1:1: connection refused`. */
export class TransportError extends ExpectedError {
  override name = "TransportError";
  readonly code: TransportErrorCode;

  constructor(code: TransportErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}

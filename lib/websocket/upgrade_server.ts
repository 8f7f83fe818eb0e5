/**
 * The server's side of an HTTP/1.1 upgrade: reads one request head and says what it asks for (RFC 6455 §4.2.1; for DERP
 * coder/tailscale `derp/derphttp/derphttp_server.go`); the caller then accepts or refuses, and gets the bytes to write.
 * Not here: request bodies (`HttpBodyReader`, fed with `rest`), routing, authentication.
 */
import { concatBytes } from "../base/bytes.ts";
import {
  formatResponseHead,
  type HeaderFields,
  HttpHeadReader,
  type HttpRequestHead,
  parseRequestHead,
} from "../http1/mod.ts";
import { isWebsocketKey, websocketAcceptOf } from "./upgrade_key.ts";

export interface UpgradeRequest {
  readonly method: string;
  /** Path and query as sent. */
  readonly path: string;
  readonly headers: HeaderFields;
  /**
   * What is asked for. `"none"`: an ordinary request. `"invalid"`: an upgrade that cannot be granted; answer with
   * `refuse(request.status)`.
   */
  readonly upgrade: "websocket" | "DERP" | "none" | "invalid";
  /** The status that fits: 101 for an upgrade, 200 for an ordinary request, 4xx for an invalid one. */
  readonly status: number;
  /** Websocket subprotocols offered, in order of preference. */
  readonly protocols: readonly string[];
  /** A view of the last chunk: what the client sent behind the head. */
  readonly rest: Uint8Array;
}

export interface AcceptOptions {
  /** The chosen subprotocol, one of those offered. */
  readonly protocol?: string;
  readonly headers?: readonly (readonly [string, string])[];
}

export interface RefuseOptions {
  /** @default [] */
  readonly headers?: readonly (readonly [string, string])[];
  /** Sent with its length. @default empty */
  readonly body?: Uint8Array;
}

const REASONS: Readonly<Record<number, string>> = {
  200: "OK",
  204: "No Content",
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  409: "Conflict",
  426: "Upgrade Required",
  429: "Too Many Requests",
  500: "Internal Server Error",
  502: "Bad Gateway",
  503: "Service Unavailable",
};

/** One request and its answer. */
export class HttpUpgradeServer {
  readonly #reader = new HttpHeadReader();
  #request: UpgradeRequest | undefined;

  /** Takes the next chunk (borrowed) and returns the request once its head is whole. Throws `Http1Error`. */
  handleBytes(chunk: Uint8Array): UpgradeRequest | undefined {
    if (this.#request !== undefined) {
      throw new TypeError("Cannot take bytes: the request was already read");
    }
    const text = this.#reader.handleBytes(chunk);
    if (text === undefined) return undefined;
    this.#request = classify(parseRequestHead(text), this.#reader.rest);
    return this.#request;
  }

  /** The 101 to write; the new protocol follows at once in both directions. */
  accept(options: AcceptOptions = {}): Uint8Array {
    const request = this.#request;
    if (request === undefined || request.status !== 101) {
      throw new TypeError("Cannot accept: no valid upgrade request was read");
    }
    const { protocol, headers = [] } = options;
    const fields: (readonly [string, string])[] = [
      ["Upgrade", request.upgrade],
      ["Connection", "Upgrade"],
    ];
    if (request.upgrade === "websocket") {
      const key = request.headers.get("sec-websocket-key") ?? "";
      fields.push(["Sec-WebSocket-Accept", websocketAcceptOf(key)]); // RFC 6455 §4.2.2
      if (protocol !== undefined) {
        if (!request.protocols.includes(protocol)) {
          throw new RangeError(`Cannot accept: subprotocol "${protocol}" was not offered`);
        }
        fields.push(["Sec-WebSocket-Protocol", protocol]);
      }
    }
    return formatResponseHead({
      status: 101,
      reason: "Switching Protocols",
      headers: [...fields, ...headers],
    });
  }

  /** An answer that does not upgrade, body included; the connection closes after it. */
  refuse(status: number, options: RefuseOptions = {}): Uint8Array {
    const { headers = [], body = new Uint8Array(0) } = options;
    const fields: (readonly [string, string])[] = [
      ...headers,
      ["Content-Length", String(body.length)],
      ["Connection", "close"],
    ];
    // RFC 6455 §4.4, RFC 9110 §15.5.22
    if (status === 426) fields.push(["Upgrade", "websocket"], ["Sec-WebSocket-Version", "13"]);
    const head = formatResponseHead({ status, reason: REASONS[status] ?? "", headers: fields });
    return concatBytes(head, body);
  }
}

function classify(head: HttpRequestHead, rest: Uint8Array): UpgradeRequest {
  const { method, path, headers } = head;
  const asked = (headers.get("upgrade") ?? "").toLowerCase();
  const request = {
    method,
    path,
    headers,
    rest,
    protocols: headers.list("sec-websocket-protocol"),
  };
  if (asked === "" || !headers.hasToken("connection", "upgrade")) {
    return { ...request, upgrade: "none", status: 200 };
  }
  // RFC 9110 §7.8 lets a server ignore an upgrade it does not know; ours answers 426 as the Go relay does.
  if (asked !== "websocket" && asked !== "derp") {
    return { ...request, upgrade: "invalid", status: 426 };
  }
  // A body before the switch is how a request hides in an upgrade.
  const hasBody = headers.get("content-length") !== undefined ||
    headers.get("transfer-encoding") !== undefined;
  if (method !== "GET" || head.version !== "1.1" || hasBody) {
    return { ...request, upgrade: "invalid", status: 400 };
  }
  if (asked === "derp") return { ...request, upgrade: "DERP", status: 101 };
  if (headers.get("sec-websocket-version") !== "13") {
    return { ...request, upgrade: "invalid", status: 426 };
  }
  if (!isWebsocketKey(headers.get("sec-websocket-key") ?? "")) {
    return { ...request, upgrade: "invalid", status: 400 };
  }
  return { ...request, upgrade: "websocket", status: 101 };
}

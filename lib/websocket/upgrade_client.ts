/**
 * The client's side of an HTTP/1.1 upgrade to a websocket (RFC 6455 §4.1) or to a raw DERP stream (coder/tailscale
 * `derp/derphttp/derphttp_client.go`), over bytes that someone else carries. Extensions are never offered.
 * Interim 1xx answers are skipped; any other status but 101 is handed back with the start of its body, for the user's eyes.
 * Not here: redirects and credentials (the caller's headers), time limits (the caller's clock).
 */
import { concatBytes } from "../base/bytes.ts";
import type { Random } from "../base/core.ts";
import { WebsocketError } from "./errors.ts";
import {
  bodyLengthOf,
  formatRequestHead,
  type HeaderFields,
  HttpBodyReader,
  HttpHeadReader,
  type HttpResponseHead,
  parseResponseHead,
} from "../http1/mod.ts";
import { newWebsocketKey, websocketAcceptOf } from "./upgrade_key.ts";

/** As much of a refusal's body as is kept. */
export const MAX_REFUSAL_BODY_BYTES = 64 * 1024;
/** Interim answers that are skipped before the real one. */
export const MAX_INTERIM_RESPONSES = 8;

export type UpgradeProtocol = "websocket" | "DERP";

export interface HttpUpgradeClientOptions {
  /** Path and query, percent-encoded. */
  readonly path: string;
  /** `Host` value: the port is left out when it is the scheme's default. */
  readonly host: string;
  /** Further fields, e.g. a session token. */
  readonly headers?: readonly (readonly [string, string])[];
  readonly upgrade: UpgradeProtocol;
  /** Websocket subprotocol to ask for; the server must then choose it. */
  readonly protocol?: string;
  readonly random: Random;
}

export type UpgradeResult =
  /** `rest` is a view of the last chunk: the first bytes of the new protocol. */
  | { readonly kind: "accepted"; readonly headers: HeaderFields; readonly rest: Uint8Array }
  | {
    readonly kind: "refused";
    readonly status: number;
    readonly reason: string;
    readonly headers: HeaderFields;
    /** The first `MAX_REFUSAL_BODY_BYTES` of the body, chunked coding removed. */
    readonly body: Uint8Array;
    /** Whether the body is longer than what is here. */
    readonly isTruncated: boolean;
  };

interface Refusal {
  readonly head: HttpResponseHead;
  readonly body: HttpBodyReader;
  readonly pieces: Uint8Array[];
  pieceBytes: number;
}

type State =
  | { readonly kind: "head"; readonly reader: HttpHeadReader; readonly interimCount: number }
  | { readonly kind: "body"; readonly refusal: Refusal }
  | { readonly kind: "done" };

/** One upgrade request and its answer. */
export class HttpUpgradeClient {
  readonly #options: HttpUpgradeClientOptions;
  readonly #key: string;
  readonly #request: Uint8Array;
  #state: State = { kind: "head", reader: newHeadReader(), interimCount: 0 };

  /** Throws `TypeError` for a path, host or header that would not fit on its line. */
  constructor(options: HttpUpgradeClientOptions) {
    this.#options = options;
    this.#key = options.upgrade === "websocket" ? newWebsocketKey(options.random) : "";
    this.#request = formatRequestHead({
      path: options.path,
      host: options.host,
      headers: [...(options.headers ?? []), ...this.#upgradeHeaders()],
    });
  }

  /** The whole request, to be written first. The DERP protocol lets a client write on before the answer; we do not. */
  request(): Uint8Array {
    return this.#request;
  }

  /**
   * Takes the next chunk (borrowed) and returns the answer once it is known. Throws `Http1Error` for an answer that
   * breaks HTTP, `WebsocketError` for a 101 that does not prove the websocket handshake.
   */
  handleBytes(chunk: Uint8Array): UpgradeResult | undefined {
    let bytes = chunk;
    while (this.#state.kind === "head") {
      const text = this.#state.reader.handleBytes(bytes);
      if (text === undefined) return undefined;
      bytes = this.#state.reader.rest;
      const head = parseResponseHead(text);
      if (head.status === 101) {
        this.#checkAccepted(head);
        this.#state = { kind: "done" };
        return { kind: "accepted", headers: head.headers, rest: bytes };
      }
      if (head.status < 200) this.#skipInterim(this.#state.interimCount + 1);
      else this.#beginRefusal(head);
    }
    if (this.#state.kind === "done") {
      throw new TypeError("Cannot take bytes: the upgrade was already answered");
    }
    return this.#handleBody(this.#state.refusal, bytes);
  }

  /**
   * The connection ended, or the caller waited long enough: a refusal whose body had begun is returned as far as it came.
   * Throws `WebsocketError` when there is no answer at all.
   */
  handleEnd(): UpgradeResult {
    if (this.#state.kind === "body") {
      const { refusal } = this.#state;
      return this.#finishRefusal(refusal, refusal.body.handleEnd() ? "whole" : "truncated");
    }
    const received = this.#state.kind === "head" ? this.#state.reader.lengthBytes : 0;
    throw new WebsocketError(`Cannot upgrade: connection ended after ${received} bytes of answer`, {
      code: "no-answer",
      spec: "RFC 9112 §8",
    });
  }

  #upgradeHeaders(): (readonly [string, string])[] {
    const { upgrade, protocol } = this.#options;
    const headers: (readonly [string, string])[] = [
      ["Connection", "Upgrade"],
      ["Upgrade", upgrade],
    ];
    if (upgrade === "DERP") return headers;
    headers.push(["Sec-WebSocket-Version", "13"], ["Sec-WebSocket-Key", this.#key]);
    if (protocol !== undefined) headers.push(["Sec-WebSocket-Protocol", protocol]);
    return headers;
  }

  #skipInterim(interimCount: number): void {
    if (interimCount > MAX_INTERIM_RESPONSES) {
      throw new WebsocketError(
        `Cannot upgrade: interim responses exceed ${MAX_INTERIM_RESPONSES}`,
        { code: "too-many-interim", spec: "RFC 9110 §15.2" },
      );
    }
    this.#state = { kind: "head", reader: newHeadReader(), interimCount };
  }

  #beginRefusal(head: HttpResponseHead): void {
    const length = bodyLengthOf(head.headers, { kind: "response", status: head.status });
    const body = new HttpBodyReader(length);
    this.#state = { kind: "body", refusal: { head, body, pieces: [], pieceBytes: 0 } };
  }

  #handleBody(refusal: Refusal, bytes: Uint8Array): UpgradeResult | undefined {
    refusal.body.handleBytes(bytes);
    for (;;) {
      const piece = refusal.body.pollData();
      if (piece === undefined) break;
      const room = MAX_REFUSAL_BODY_BYTES - refusal.pieceBytes;
      refusal.pieces.push(piece.slice(0, room));
      refusal.pieceBytes += Math.min(room, piece.length);
      if (piece.length > room) return this.#finishRefusal(refusal, "truncated");
    }
    return refusal.body.isEnded ? this.#finishRefusal(refusal, "whole") : undefined;
  }

  #finishRefusal(refusal: Refusal, extent: "whole" | "truncated"): UpgradeResult {
    const isTruncated = extent === "truncated";
    const { status, reason, headers } = refusal.head;
    this.#state = { kind: "done" };
    const body = concatBytes(...refusal.pieces);
    return { kind: "refused", status, reason, headers, body, isTruncated };
  }

  #checkAccepted(head: HttpResponseHead): void {
    const { upgrade, protocol } = this.#options;
    const { headers } = head;
    if (
      head.version !== "1.1" || !headers.hasToken("connection", "upgrade") ||
      headers.get("upgrade")?.toLowerCase() !== upgrade.toLowerCase()
    ) {
      throw handshakeError("not-upgraded", `101 does not upgrade to ${upgrade}`);
    }
    if (upgrade === "DERP") return;
    // RFC 6455 §4.1, the client's checks 4 to 6.
    if (headers.get("sec-websocket-accept") !== websocketAcceptOf(this.#key)) {
      throw handshakeError("bad-accept", "Sec-WebSocket-Accept does not answer our key");
    }
    if (headers.get("sec-websocket-extensions") !== undefined) {
      throw handshakeError("unasked-extension", "server chose an extension that was not offered");
    }
    if (headers.get("sec-websocket-protocol") !== protocol) {
      throw handshakeError("bad-subprotocol", `server did not choose subprotocol "${protocol}"`);
    }
  }
}

function newHeadReader(): HttpHeadReader {
  return new HttpHeadReader({ startsWith: "HTTP/1." });
}

function handshakeError(code: string, what: string): WebsocketError {
  return new WebsocketError(`Cannot upgrade: ${what}`, { code, spec: "RFC 6455 §4.1" });
}

/** Requests and answers of the sandbox's HTTP server, as its handlers see them. */
import type { HeaderFields } from "../../http1/mod.ts";
import type { ShapedConn } from "./shaped_conn.ts";

export interface HttpRequest {
  readonly method: string;
  /** Decoded, without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: HeaderFields;
  readonly body: Uint8Array;
  /** What the connection is to become; `status` is what an upgrade that cannot be granted is refused with. */
  readonly upgrade: "websocket" | "DERP" | "none" | "invalid";
  readonly status: number;
  /** Websocket subprotocols offered. */
  readonly protocols: readonly string[];
}

export type HeaderList = readonly (readonly [string, string])[];

/** Writes a body of unknown length piece by piece. */
export interface BodySink {
  /** Resolves when written; does nothing once the client is gone. */
  write(bytes: Uint8Array): Promise<void>;
  /** Aborted when the client goes away or the server stops. */
  readonly signal: AbortSignal;
}

/** A connection that left HTTP behind. */
export interface UpgradedConn {
  readonly conn: ShapedConn;
  /** What the client sent behind its request: a copy. */
  readonly rest: Uint8Array;
}

export type HttpAnswer =
  | {
    readonly kind: "body";
    readonly status: number;
    readonly headers: HeaderList;
    readonly body: Uint8Array;
  }
  | {
    readonly kind: "stream";
    readonly status: number;
    readonly headers: HeaderList;
    readonly pump: (sink: BodySink) => Promise<void>;
  }
  | {
    readonly kind: "upgrade";
    readonly protocol?: string;
    readonly headers: HeaderList;
    /** Owns the connection from then on; settles when nothing of it runs any more. */
    readonly run: (upgraded: UpgradedConn) => Promise<void>;
  }
  /** No answer, for as long as the client waits. */
  | { readonly kind: "mute" }
  /** No answer, and the end of the connection. */
  | { readonly kind: "hangUp" };

const encoder = new TextEncoder();

/** JSON as Go writes it: with a newline behind it. */
export function jsonAnswer(
  body: unknown,
  options: { readonly status?: number; readonly headers?: HeaderList } = {},
): HttpAnswer {
  const { status = 200, headers = [] } = options;
  return {
    kind: "body",
    status,
    headers: [["Content-Type", "application/json; charset=utf-8"], ...headers],
    body: encoder.encode(JSON.stringify(body) + "\n"),
  };
}

/** An answer that is not JSON. */
export function textAnswer(
  status: number,
  text: string,
  type = "text/plain; charset=utf-8",
): HttpAnswer {
  return { kind: "body", status, headers: [["Content-Type", type]], body: encoder.encode(text) };
}

export function emptyAnswer(status: number, headers: HeaderList = []): HttpAnswer {
  return { kind: "body", status, headers, body: new Uint8Array(0) };
}

export interface Failure {
  readonly detail?: string;
  readonly validations?: readonly { readonly field: string; readonly detail: string }[];
}

/** An error in the API's form (codersdk `Response`). */
export function failureAnswer(status: number, message: string, more: Failure = {}): HttpAnswer {
  return jsonAnswer({ message, ...more }, { status });
}

/**
 * A deployment in memory behind `HttpTransport`: routes are functions a test may replace, every request is recorded.
 * What it does not know is 404, as a real server's unknown route.
 */
import {
  type ByteStreamRequest,
  type ByteStreamResult,
  type HttpHeaders,
  type HttpRequest,
  type HttpResponse,
  type HttpTransport,
  type TextStream,
  type TextStreamRequest,
  type TextStreamResult,
  TransportError,
} from "../../lib/base/http.ts";
import { IDS, type Wire, wireAgent, wireBuild, wireWorkspace } from "./fake_coder_objects.ts";

export interface RecordedRequest {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly url: string;
  readonly headers: HttpHeaders;
  readonly body: unknown;
  readonly isWebsocket: boolean;
}

export interface FakeAnswer {
  readonly status?: number;
  /** Sent as JSON; text and streams go out as they are. */
  readonly body?: unknown;
  readonly headers?: readonly (readonly [string, string])[];
}

/** Answers a request, or throws what the transport throws. */
export type FakeRoute = (request: RecordedRequest) => FakeAnswer | Promise<FakeAnswer>;
/** Accepts a websocket by returning its stream, or refuses it with an answer. */
export type FakeSocketRoute = (request: RecordedRequest) => FakeTextStream | FakeAnswer;

/** Items pushed by a test, iterated by the client. */
export class FakeQueue<T> implements AsyncIterable<T> {
  readonly #items: T[] = [];
  #end: { readonly error?: Error } | undefined;
  #wake: () => void = () => {};

  push(...items: T[]): void {
    this.#items.push(...items);
    this.#wake();
  }

  end(): void {
    this.#end ??= {};
    this.#wake();
  }

  fail(error: Error): void {
    this.#end ??= { error };
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    for (;;) {
      const item = this.#items.shift();
      if (item !== undefined) {
        yield item;
      } else if (this.#end !== undefined) {
        if (this.#end.error !== undefined) throw this.#end.error;
        return;
      } else {
        const { promise, resolve } = Promise.withResolvers<void>();
        this.#wake = resolve;
        await promise;
      }
    }
  }
}

/** A websocket whose other end is the test. */
export class FakeTextStream implements TextStream {
  readonly messages = new FakeQueue<string>();
  isClosed = false;

  close(): void {
    this.isClosed = true;
    this.messages.end();
  }

  /** Sends each value as one JSON message. */
  send(...values: unknown[]): this {
    this.messages.push(...values.map((value) => JSON.stringify(value)));
    return this;
  }
}

export class FakeCoder {
  readonly url = new URL("https://coder.example.com");
  readonly requests: RecordedRequest[] = [];
  /** By `METHOD /path` without `/api/v2` and query; looked at before the built-in ones. */
  readonly routes = new Map<string, FakeRoute>();
  readonly sockets = new Map<string, FakeSocketRoute>();
  /** `X-Coder-Build-Version` of every answer; empty for none. */
  version = "v2.36.0";
  /** More headers of every answer. */
  headers: (readonly [string, string])[] = [];
  workspace: Wire = wireWorkspace();
  build: Wire = wireBuild();
  agent: Wire = wireAgent();

  /** The requests' methods and paths, in order. */
  get calls(): string[] {
    return this.requests.map(({ method, path, isWebsocket }) =>
      `${isWebsocket ? "WS" : method} ${path.replace("/api/v2", "")}`
    );
  }

  transport(): HttpTransport {
    return {
      fetch: (request) => this.#fetch(request),
      openTextStream: (request) => this.#open(request),
      openByteStream: (request) => this.#refuseBytes(request),
    };
  }

  async #fetch(request: HttpRequest): Promise<HttpResponse> {
    request.signal?.throwIfAborted();
    const recorded = this.#record(request, request.body);
    const key = `${request.method} ${routePath(recorded.path)}`;
    const route = this.routes.get(key) ?? this.#builtIn(key);
    return this.#respond(await abortable(route(recorded), request.signal), request.signal);
  }

  async #open(request: TextStreamRequest): Promise<TextStreamResult> {
    request.signal?.throwIfAborted();
    const recorded = this.#record({ ...request, method: "GET" }, undefined);
    const route = this.sockets.get(routePath(recorded.path)) ?? (() => NOT_FOUND);
    const result = await route(recorded);
    if (result instanceof FakeTextStream) return { kind: "open", stream: result };
    return { kind: "refused", response: this.#respond(result, request.signal) };
  }

  /** It has no websocket of bytes. */
  #refuseBytes(request: ByteStreamRequest): Promise<ByteStreamResult> {
    this.#record({ ...request, method: "GET" }, undefined);
    return Promise.resolve({ kind: "refused", response: this.#respond(NOT_FOUND, request.signal) });
  }

  #record(
    request: { method: string; url: string; headers: HttpHeaders },
    body: string | undefined,
  ): RecordedRequest {
    const url = new URL(request.url);
    const recorded: RecordedRequest = {
      method: request.method,
      path: url.pathname + url.search,
      url: request.url,
      headers: request.headers,
      body: body === undefined ? undefined : JSON.parse(body),
      isWebsocket: url.protocol.startsWith("ws"),
    };
    this.requests.push(recorded);
    return recorded;
  }

  #builtIn(key: string): FakeRoute {
    const { workspace, build, agent } = this;
    const name = `/users/me/workspace/${String(workspace["name"])}`;
    const owned = name.replace("/me/", `/${String(workspace["owner_name"])}/`);
    switch (key) {
      case `GET ${name}`:
      case `GET ${owned}`:
      case `GET /workspaces/${IDS.workspace}`:
        return () => ({ body: workspace });
      case `GET /workspacebuilds/${String(build["id"])}`:
        return () => ({ body: build });
      case `GET /workspaceagents/${String(agent["id"])}`:
        return () => ({ body: agent });
      case `GET /templateversions/${IDS.version}`:
        return () => ({ body: { id: IDS.version, name: "v1", warnings: [] } });
      case "GET /buildinfo":
        return () => ({ body: { version: this.version, dashboard_url: this.url.href } });
      default:
        return () => NOT_FOUND;
    }
  }

  #respond(answer: FakeAnswer, signal: AbortSignal | undefined): HttpResponse {
    const { status = 200, body = "", headers = [] } = answer;
    const isRaw = typeof body === "string" || body instanceof FakeQueue;
    const type: (readonly [string, string])[] =
      headers.some(([name]) => name === "content-type") || isRaw
        ? []
        : [["content-type", "application/json; charset=utf-8"]];
    const version: (readonly [string, string])[] = this.version === ""
      ? []
      : [["x-coder-build-version", this.version]];
    return {
      status,
      headers: [...type, ...version, ...this.headers, ...headers],
      body: body instanceof FakeQueue
        ? abortableBody(body, signal)
        : oneChunk(typeof body === "string" ? body : JSON.stringify(body)),
      cancel() {},
    };
  }
}

const NOT_FOUND: FakeAnswer = {
  status: 404,
  body: { message: "Resource not found or you do not have access to this resource" },
};

/** An answer with an error status in the API's form. */
export function apiFailure(status: number, message: string, more: Wire = {}): FakeAnswer {
  return { status, body: { message, ...more } };
}

/** A route that throws what a dead network throws, `times` times, then answers. */
export function failing(times: number, answer: FakeAnswer, error = connectionRefused()): FakeRoute {
  let left = times;
  return () => {
    if (left-- > 0) throw error;
    return answer;
  };
}

export function connectionRefused(): TransportError {
  return new TransportError("refused", "dial tcp 192.0.2.1:443: connection refused");
}

/** Never answers. */
export function silence(): Promise<FakeAnswer> {
  return new Promise(() => {});
}

function routePath(path: string): string {
  return path.replace(/^\/api\/v2/, "").replace(/\?.*$/, "");
}

async function* oneChunk(text: string): AsyncGenerator<Uint8Array> {
  await Promise.resolve();
  if (text !== "") yield new TextEncoder().encode(text);
}

async function* abortableBody(
  body: FakeQueue<unknown>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  const abort = () => body.fail(asError(signal?.reason));
  signal?.addEventListener("abort", abort, { once: true });
  try {
    for await (const chunk of body) {
      yield chunk instanceof Uint8Array ? chunk : encoder.encode(String(chunk));
    }
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}

async function abortable<T>(
  promise: T | Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  if (signal === undefined) return await promise;
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}

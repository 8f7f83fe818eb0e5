/**
 * The client of one deployment's API: headers, redirects, time limits, what every answer tells about the server
 * (docs/protocol/api.md#requests-and-headers). Endpoints are functions over it, in `workspaces.ts`, `builds.ts`, `agents.ts` and `deployment.ts`.
 * Not here: retries, which the caller wants to show (`retry.ts`), and cookies, which are never kept.
 */
import type * as v from "valibot";
import { UserError } from "../base/errors.ts";
import { type Log, SILENT_LOG } from "../base/log.ts";
import {
  type Asked,
  BUILD_VERSION_HEADER,
  errorOfAnswer,
  header,
  headerAll,
  parseAnswer,
  readBody,
} from "./answer.ts";
import { findCause, StepError } from "./errors.ts";
import { stripToLine } from "./text.ts";
import {
  basicCredentials,
  type ByteStreamRequest,
  type HttpHeaders,
  type HttpResponse,
  type HttpTransport,
  type TextStream,
  TransportError,
} from "../base/http.ts";
import type { ByteStream } from "../base/stream.ts";
import { isSameDeployment, isUpgrade } from "./origin.ts";
import { movedError, redirectTarget } from "./redirect.ts";
import { hintFor, noAnswerError } from "./unreachable.ts";
import { apiUrl, type Query, websocketUrl } from "./url.ts";

/** Go's client gives up at the tenth redirect. */
const MAX_REDIRECTS = 10;
const MAX_WARNINGS = 16;

export interface CoderClientOptions {
  readonly url: URL;
  /** Without one, requests go out unauthenticated and get their 401 (docs/protocol/ssh.md#exit-codes-and-errors). */
  readonly token?: string;
  readonly transport: HttpTransport;
  /** e.g. `hawser/0.1.0 (linux/amd64; hawser ssh)`. */
  readonly userAgent: string;
  /** Sent with every request, websockets too. @default none */
  readonly headers?: HttpHeaders;
  /** Waits; rejects when aborted. */
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
  /** @default silent */
  readonly log?: Log;
  /** Limit of one body. @default 8 MiB */
  readonly maxBodyBytes?: number;
  /** Limit of one websocket message. @default 8 MiB */
  readonly maxMessageBytes?: number;
  /** How long a server may take over one answer. @default 30 s */
  readonly timeoutMs?: number;
}

export interface RequestOptions {
  readonly query?: Query;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Limit of the answer's body. @default that of the client */
  readonly maxBodyBytes?: number;
  readonly signal?: AbortSignal | undefined;
}

export class CoderClient {
  #url: URL;
  readonly #options: Required<Omit<CoderClientOptions, "token">>;
  readonly #token: string | undefined;
  readonly #warnings = new Set<string>();
  #serverVersion: string | undefined;
  #serverDate: string | undefined;
  #hasAnswered = false;

  constructor(options: CoderClientOptions) {
    this.#url = options.url;
    this.#token = options.token === "" ? undefined : options.token;
    this.#options = {
      headers: [],
      log: SILENT_LOG,
      maxBodyBytes: 8 * 1024 * 1024,
      maxMessageBytes: 8 * 1024 * 1024,
      timeoutMs: 30_000,
      ...options,
    };
  }

  /** Where the deployment is: as it was given, with `https` once it asked for that. */
  get url(): URL {
    return this.#url;
  }

  /** What the last answer said in `X-Coder-Build-Version`; `undefined` before the first. */
  get serverVersion(): string | undefined {
    return this.#serverVersion;
  }

  /** What the last answer said in `Date`, as milliseconds since 1970; `undefined` when it said nothing of the kind. */
  get serverTimeMs(): number | undefined {
    const ms = Date.parse(this.#serverDate ?? "");
    return Number.isNaN(ms) ? undefined : ms;
  }

  /** Entitlement warnings seen so far, each once. */
  get entitlementWarnings(): readonly string[] {
    return [...this.#warnings];
  }

  /** Whether any server has ever answered: before that, trouble is probably the user's (`retry.ts`). */
  get hasAnswered(): boolean {
    return this.#hasAnswered;
  }

  /** Headers for connections that others dial to this deployment, the coordinator's websocket for one. */
  authHeaders(): HttpHeaders {
    const headers: [string, string][] = [["User-Agent", this.#options.userAgent]];
    if (this.#token !== undefined) headers.push(["Coder-Session-Token", this.#token]);
    return [
      ...headers,
      ...basicCredentials(this.#url, this.#options.headers),
      ...this.#options.headers,
    ];
  }

  /** GETs JSON and checks it. Throws `ApiError` for an error status, `UserError` for an answer we cannot use. */
  async get<Schema extends v.GenericSchema>(
    path: string,
    schema: Schema,
    options: RequestOptions = {},
  ): Promise<v.InferOutput<Schema>> {
    return await this.request("GET", path, { ...options, schema });
  }

  /** Sends and checks the JSON that comes back. */
  async request<Schema extends v.GenericSchema>(
    method: string,
    path: string,
    options: RequestOptions & { readonly schema: Schema },
  ): Promise<v.InferOutput<Schema>> {
    const { asked, response, body } = await this.#exchange(method, path, options);
    return parseAnswer(options.schema, asked, { response, body });
  }

  /** Sends and ignores the body of a good answer (2xx or 304). */
  async send(method: string, path: string, options: RequestOptions = {}): Promise<void> {
    await this.#exchange(method, path, options);
  }

  /** Opens a body that goes on and on, such as an event stream. Only the head has a time limit. */
  async openBody(path: string, options: RequestOptions = {}): Promise<AsyncIterable<Uint8Array>> {
    const asked = { method: "GET", url: apiUrl(this.#url, path, options.query) };
    const response = await this.#withLimit(asked, options.signal, async (signal) => {
      const got = await this.#follow(asked, options, signal);
      if (isGood(got.status)) return got;
      throw errorOfAnswer(asked, got, await this.#readBody(asked, got, options));
    });
    return response.body;
  }

  /** Opens a websocket of text messages. Throws `ApiError` when the server refuses the upgrade. */
  async openTextStream(path: string, options: RequestOptions = {}): Promise<TextStream> {
    const { transport, maxMessageBytes } = this.#options;
    return await this.#openWebsocket(
      path,
      options,
      (request) => transport.openTextStream({ ...request, maxMessageBytes }),
    );
  }

  /** Opens a websocket as a stream of bytes. Throws likewise. */
  async openByteStream(path: string, options: RequestOptions = {}): Promise<ByteStream> {
    const { transport } = this.#options;
    return await this.#openWebsocket(path, options, transport.openByteStream);
  }

  async #openWebsocket<Stream>(
    path: string,
    options: RequestOptions,
    open: (request: ByteStreamRequest) => Promise<
      | { readonly kind: "open"; readonly stream: Stream }
      | { readonly kind: "refused"; readonly response: HttpResponse }
    >,
  ): Promise<Stream> {
    const { log } = this.#options;
    const asked = { method: "GET", url: apiUrl(this.#url, path, options.query) };
    return await this.#withLimit(asked, options.signal, async (signal) => {
      let { url } = asked;
      for (let redirects = 0;; redirects++) {
        log.debug("websocket dial", { url: url.href });
        const result = await open({
          url: websocketUrl(url).href,
          headers: this.authHeaders(),
          signal,
        });
        this.#hasAnswered = true;
        if (result.kind === "open") return result.stream;
        const { response } = result;
        this.#noteServer(response);
        const location = header(response.headers, "location");
        if (!isRedirect(response.status) || location === undefined) {
          throw errorOfAnswer(asked, response, await this.#readBody(asked, response, options));
        }
        response.cancel();
        url = this.#redirected({ ...asked, url }, location, redirects);
      }
    });
  }

  async #exchange(method: string, path: string, options: RequestOptions) {
    const asked = { method, url: apiUrl(this.#url, path, options.query) };
    return await this.#withLimit(asked, options.signal, async (signal) => {
      const response = await this.#follow(asked, options, signal);
      const body = await this.#readBody(asked, response, options);
      if (!isGood(response.status)) throw errorOfAnswer(asked, response, body);
      return { asked, response, body };
    });
  }

  async #readBody(
    asked: Asked,
    response: HttpResponse,
    { maxBodyBytes = this.#options.maxBodyBytes }: RequestOptions,
  ): Promise<string> {
    return await readBody(response, { ...asked, maxBytes: maxBodyBytes });
  }

  /** One request and its redirects (docs/protocol/api.md#requests-and-headers). */
  async #follow(
    asked: Asked,
    options: RequestOptions,
    signal: AbortSignal,
  ): Promise<HttpResponse> {
    let { method, url } = asked;
    let body = options.body === undefined ? undefined : JSON.stringify(options.body);
    for (let redirects = 0;; redirects++) {
      const response = await this.#sendOnce({ method, url }, body, signal);
      const location = header(response.headers, "location");
      if (!isRedirect(response.status) || location === undefined) return response;
      response.cancel();
      const target = this.#redirected({ ...asked, url }, location, redirects);
      if (response.status < 307 && method !== "GET" && method !== "HEAD") {
        method = "GET"; // RFC 9110 §15.4, as browsers and Go do for 301 to 303
        body = undefined;
      }
      url = target;
    }
  }

  async #sendOnce(
    asked: Asked,
    body: string | undefined,
    signal: AbortSignal,
  ): Promise<HttpResponse> {
    const { log, transport } = this.#options;
    const { method, url } = asked;
    const headers: (readonly [string, string])[] = [
      ...this.authHeaders(),
      ["Accept", "application/json"],
    ];
    if (body !== undefined) headers.push(["Content-Type", "application/json"]);
    log.debug("sdk request", { method, url: url.href });
    const response = await transport.fetch({
      method,
      url: url.href,
      headers,
      signal,
      ...(body === undefined ? {} : { body }),
    });
    log.debug("sdk response", { method, url: url.href, status: response.status });
    this.#hasAnswered = true;
    this.#noteServer(response);
    return response;
  }

  /**
   * Where a redirect leads. Throws `UserError` when that is not this deployment: token, headers and requests are for it alone,
   * and what others answer is not its word.
   */
  #redirected(asked: Asked, location: string, redirects: number): URL {
    if (redirects >= MAX_REDIRECTS - 1) {
      throw new UserError(
        `Cannot follow ${asked.method} ${asked.url}: stopped after ${MAX_REDIRECTS} redirects`,
        { hint: "Check the URL of the deployment" },
      );
    }
    const target = redirectTarget(asked, location);
    if (!isSameDeployment(asked.url, target)) throw movedError(asked, target);
    // Whatever else is dialled there goes the encrypted way from now on, websockets and relays included.
    if (isUpgrade(this.#url, target)) {
      this.#url = new URL(this.#url);
      this.#url.protocol = "https:";
    }
    return target;
  }

  #noteServer(response: HttpResponse): void {
    this.#serverVersion = header(response.headers, BUILD_VERSION_HEADER) ?? this.#serverVersion;
    this.#serverDate = header(response.headers, "date");
    for (const warning of headerAll(response.headers, "x-coder-entitlements-warning")) {
      if (this.#warnings.size < MAX_WARNINGS) this.#warnings.add(stripToLine(warning));
    }
  }

  /** Runs one exchange under the time limit; failures of the network get the host's name and a hint. */
  async #withLimit<T>(
    asked: Asked,
    signal: AbortSignal | undefined,
    run: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const { sleep, timeoutMs } = this.#options;
    const limit = new AbortController();
    const done = new AbortController();
    const watchdog = sleep(timeoutMs, done.signal).then(
      () => limit.abort(noAnswerError(asked, timeoutMs)),
      () => {}, // the exchange ended first
    );
    const both = signal === undefined ? limit.signal : AbortSignal.any([signal, limit.signal]);
    try {
      return await run(both);
    } catch (error) {
      if (error instanceof TransportError) {
        // Whoever knew better what to do said so.
        const hint = findCause(error, UserError)?.hint ?? hintFor(error.code, asked.url);
        throw new StepError(`Cannot reach ${asked.url.origin}`, error, hint);
      }
      throw error;
    } finally {
      done.abort();
      await watchdog;
    }
  }
}

function isGood(status: number): boolean {
  return (status >= 200 && status < 300) || status === 304;
}

function isRedirect(status: number): boolean {
  return [301, 302, 303, 307, 308].includes(status);
}

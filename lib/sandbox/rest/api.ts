/**
 * The front of the deployment: records every request, lets a test answer instead, checks the token, finds the route.
 * Also a test's handle on all of that.
 */
import { equalSecret } from "../../base/bytes.ts";
import type { HttpAnswer, HttpRequest } from "../http/messages.ts";
import { emptyAnswer } from "../http/messages.ts";
import { Observers } from "../model/observers.ts";
import { refusalOfToken } from "./auth.ts";
import { type Deployment, Refusal } from "./deployment.ts";
import { answerRelay } from "./endpoint.ts";
import { matchRoute, refusalOfParams, type Route, ROUTE_NOT_FOUND, routesOf } from "./route.ts";
import { AGENT_ROUTES } from "./routes_agent.ts";
import { DEPLOYMENT_ROUTES } from "./routes_deployment.ts";
import { WORKSPACE_ROUTES } from "./routes_workspace.ts";

/** A request as it came. */
export interface RecordedRequest {
  readonly method: string;
  /** With the query. */
  readonly target: string;
  /** E.g. `GET /workspaces/{workspace}`; `GET /derp` for the relay; method and path when there is no such route. */
  readonly route: string;
  readonly headers: HttpRequest["headers"];
  readonly body: Uint8Array;
  readonly isWebsocket: boolean;
}

export type Override = (
  request: HttpRequest,
) => HttpAnswer | undefined | Promise<HttpAnswer | undefined>;

const ROUTES: readonly Route[] = [...DEPLOYMENT_ROUTES, ...WORKSPACE_ROUTES, ...AGENT_ROUTES];
const PREFIX = "/api/v2";
const MAX_RECORDED = 10_000;
/** Agents of the sandbox show this to its relay. */
export const AGENT_HEADER = "Hawser-Sandbox-Agent";

export class SandboxApi {
  readonly #deployment: Deployment;
  readonly #agentSecret: string;
  readonly #requests: RecordedRequest[] = [];
  readonly #recorded = new Observers();
  readonly #overrides = new Map<string, { readonly answer: Override; left: number }[]>();

  constructor(deployment: Deployment, agentSecret: string) {
    this.#deployment = deployment;
    this.#agentSecret = agentSecret;
  }

  /** All requests but those of our own agents, in the order in which they came. */
  get requests(): readonly RecordedRequest[] {
    return this.#requests;
  }

  /** Those of one route, e.g. `POST /workspaces/{workspace}/usage`. */
  requestsTo(route: string): RecordedRequest[] {
    return this.#requests.filter((request) => request.route === route);
  }

  /** Resolves with the first `count` requests to a route, when they have come. */
  async waitFor(
    route: string,
    options: { readonly count?: number; readonly signal?: AbortSignal } = {},
  ): Promise<RecordedRequest[]> {
    const { count = 1, signal } = options;
    await this.#recorded.until(() => this.requestsTo(route).length >= count, signal);
    return this.requestsTo(route).slice(0, count);
  }

  /** Forgets what was recorded. */
  clear(): void {
    this.#requests.length = 0;
  }

  /**
   * Answers a route itself, before token and everything else; `undefined` leaves a request to the deployment. Several
   * overrides of a route are asked in the order they were made.
   */
  override(
    route: string,
    answer: HttpAnswer | Override,
    options: { readonly times?: number } = {},
  ): void {
    const list = this.#overrides.get(route) ?? [];
    const call = typeof answer === "function" ? answer : () => answer;
    list.push({ answer: call, left: options.times ?? Infinity });
    this.#overrides.set(route, list);
  }

  /** The deployment answers the route again. */
  restore(route: string): void {
    this.#overrides.delete(route);
  }

  /** Answers one request; what every answer carries is added here. */
  async handle(request: HttpRequest): Promise<HttpAnswer> {
    const answer = await this.#answer(request);
    const { version } = this.#deployment.settings;
    if (version === "" || answer.kind === "mute" || answer.kind === "hangUp") return answer;
    return { ...answer, headers: [...answer.headers, ["X-Coder-Build-Version", version]] };
  }

  async #answer(request: HttpRequest): Promise<HttpAnswer> {
    const isRelay = request.path === "/derp" || request.path.startsWith("/derp/");
    const path = request.path.startsWith(PREFIX) ? request.path.slice(PREFIX.length) : undefined;
    const routes = routesOf(ROUTES, this.#deployment.settings.version);
    const match = path === undefined ? undefined : matchRoute(routes, request.method, path);
    const route = match !== undefined && "route" in match
      ? match.route.name
      : `${request.method} ${path ?? request.path}`;
    const isAgent = this.#isAgent(request);
    if (!isAgent) this.#record(request, route);
    const ordered = isAgent ? undefined : await this.#ordered(request, route);
    if (ordered !== undefined) return ordered;
    const { host, faults, sessions, settings: { version } } = this.#deployment;
    if (isRelay) {
      const fault = isAgent ? undefined : faults.relay;
      return answerRelay(request, host.relay, { isAgent, fault });
    }
    if (match === undefined) return ROUTE_NOT_FOUND;
    if (!("route" in match)) {
      const allow = match.allowed.map((method) => ["Allow", method] as const);
      return allow.length === 0 ? ROUTE_NOT_FOUND : emptyAnswer(405, allow);
    }
    const refusal =
      (match.route.isOpen === true ? undefined : refusalOfToken(request, { sessions, version })) ??
        refusalOfParams(match.params);
    if (refusal !== undefined) return refusal;
    try {
      const { params } = match;
      return await match.route.handle({ request, params, deployment: this.#deployment });
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return error.answer;
    }
  }

  async #ordered(request: HttpRequest, route: string): Promise<HttpAnswer | undefined> {
    for (const override of this.#overrides.get(route) ?? []) {
      if (override.left <= 0) continue;
      const answer = await override.answer(request);
      if (answer === undefined) continue;
      override.left--;
      return answer;
    }
    return undefined;
  }

  #isAgent({ headers }: HttpRequest): boolean {
    const shown = new TextEncoder().encode(headers.get(AGENT_HEADER) ?? "");
    return equalSecret(shown, new TextEncoder().encode(this.#agentSecret));
  }

  #record(request: HttpRequest, route: string): void {
    const { method, path, query, headers, body, upgrade } = request;
    const target = query.size === 0 ? path : `${path}?${query}`;
    this.#requests.push({
      method,
      target,
      route,
      headers,
      body,
      isWebsocket: upgrade === "websocket",
    });
    if (this.#requests.length > MAX_RECORDED) this.#requests.shift();
    this.#recorded.notify();
  }
}

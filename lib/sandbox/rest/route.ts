/** Routes by the names that tests and records use: `GET /workspaces/{workspace}/watch`, without `/api/v2`. */
import { isAtLeast } from "../../base/version.ts";
import { failureAnswer, type HttpAnswer } from "../http/messages.ts";
import type { Call } from "./deployment.ts";

export interface Route {
  /** Method and pattern. Parameters ending in an id of the API are UUIDs, and checked as such. */
  readonly name: string;
  /** The first release that has it. @default all have */
  readonly since?: string;
  /** No token is asked for. @default false */
  readonly isOpen?: boolean;
  readonly handle: (call: Call) => HttpAnswer | Promise<HttpAnswer>;
}

export interface MatchedRoute {
  readonly route: Route;
  readonly params: Readonly<Record<string, string>>;
}

export const ROUTE_NOT_FOUND: HttpAnswer = failureAnswer(404, "Route not found.");

/** Names, all others are UUIDs. */
const TEXT_PARAMETERS: ReadonlySet<string> = new Set(["user", "workspacename", "number"]);
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** The routes that a server of this version has. */
export function routesOf(routes: readonly Route[], version: string): Route[] {
  return routes.filter(({ since }) => since === undefined || isAtLeast(version, since));
}

/** The route for a request, fixed segments before parameters; methods of routes that the path fits when none does. */
export function matchRoute(
  routes: readonly Route[],
  method: string,
  path: string,
): MatchedRoute | { readonly allowed: readonly string[] } {
  const allowed: string[] = [];
  for (const route of routes) {
    const [routeMethod = "", pattern = ""] = route.name.split(" ");
    const params = matchPath(pattern, path);
    if (params === undefined) continue;
    if (routeMethod === method) return { route, params };
    allowed.push(routeMethod);
  }
  return { allowed };
}

function matchPath(pattern: string, path: string): Record<string, string> | undefined {
  const wanted = pattern.split("/");
  const given = path.split("/");
  if (wanted.length !== given.length) return undefined;
  const params: Record<string, string> = {};
  for (const [at, part] of wanted.entries()) {
    const value = given[at] ?? "";
    if (part.startsWith("{")) params[part.slice(1, -1)] = value;
    else if (part !== value) return undefined;
  }
  return params;
}

/** The refusal of a parameter that is no UUID (coderd `httpmw/httpmw.go` `ParseUUIDParam`). */
export function refusalOfParams(params: Readonly<Record<string, string>>): HttpAnswer | undefined {
  for (const [name, value] of Object.entries(params)) {
    if (TEXT_PARAMETERS.has(name) || UUID.test(value)) continue;
    if (value === "") return failureAnswer(400, "Missing UUID in URL.", { detail: name });
    return failureAnswer(400, `Invalid UUID "${value}".`, {
      detail: value.length === 36 ? "invalid UUID format" : `invalid UUID length: ${value.length}`,
    });
  }
  return undefined;
}

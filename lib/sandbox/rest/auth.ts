/** Who asks: the session token in the places and order of the real server (docs/protocol/api.md#authentication; coderd `httpmw/apikey.go`). */
import { isAtLeast } from "../../base/version.ts";
import { failureAnswer, type HttpAnswer, type HttpRequest } from "../http/messages.ts";
import type { Sessions } from "../model/sessions.ts";

const NAME = "coder_session_token";
const SIGNED_OUT =
  "You are signed out or your session has expired. Please sign in again to continue.";

const BEARER_SINCE = "v2.25.0";

/** The refusal; `undefined` when the token is of a session that goes on. */
export function refusalOfToken(
  request: HttpRequest,
  { sessions, version }: { readonly sessions: Sessions; readonly version: string },
): HttpAnswer | undefined {
  const given = tokenOf(request, version);
  if (given === "") {
    return signedOut(`Cookie "${NAME}" or query parameter must be provided.`);
  }
  const parts = given.split("-").length;
  if (parts !== 2) {
    return signedOut(
      `Invalid API key format: incorrect amount of API key parts, expected 2 got ${parts}`,
    );
  }
  return sessions.has(given) ? undefined : signedOut("API key is invalid.");
}

/** A stale cookie beats a good header there, so it does here. */
export function tokenOf({ headers, query }: HttpRequest, version: string): string {
  const cookie = (headers.get("cookie") ?? "").split(/; */)
    .find((pair) => pair.startsWith(`${NAME}=`))?.slice(NAME.length + 1);
  const hasBearer = isAtLeast(version, BEARER_SINCE);
  const bearer = hasBearer && /^Bearer (.+)$/i.exec(headers.get("authorization") ?? "")?.[1];
  // An empty one counts as none.
  return cookie || query.get(NAME) || headers.get("coder-session-token") || bearer ||
    query.get("access_token") || "";
}

function signedOut(detail: string): HttpAnswer {
  return failureAnswer(401, SIGNED_OUT, { detail });
}

/** Which servers we can talk to, and what is said about the others (http-api §10). */
import { UserError } from "../base/errors.ts";
import { isAtLeast, parseVersion } from "../base/version.ts";
import { stripToLine } from "./text.ts";

/** The oldest server with tailnet protocol 2.0. */
export const OLDEST_SERVER = "v2.8.0";
/** The only major version we know. */
const KNOWN_MAJOR = 2;

/** Throws `UserError` naming the version when the server is too old for us. */
export function assertSupportedServer(server: string | undefined): void {
  if (server === undefined || isAtLeast(server, OLDEST_SERVER)) return;
  throw new UserError(
    `The deployment runs Coder ${stripToLine(server)}, which is too old: hawser needs ` +
      `${OLDEST_SERVER} or newer`,
    { hint: "Ask your administrator to upgrade the deployment, or use its own coder command" },
  );
}

/** The first of the two lines about a server newer than we know; `undefined` when there is nothing to say. */
export function versionMismatch(client: string, server: string | undefined): string | undefined {
  const version = server === undefined ? undefined : parseVersion(server);
  if (server === undefined || version === undefined) return undefined;
  if (version.major <= KNOWN_MAJOR) return undefined;
  return `version mismatch: client ${client}, server ${stripToLine(server)}`;
}

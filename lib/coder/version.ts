/** What is said about servers newer than we know (docs/protocol/api.md#what-came-when). */
import { parseVersion } from "../base/version.ts";
import { stripToLine } from "./text.ts";

/** The only major version we know. */
const KNOWN_MAJOR = 2;

/** The first of the two lines about a server newer than we know; `undefined` when there is nothing to say. */
export function versionMismatch(client: string, server: string | undefined): string | undefined {
  const version = server === undefined ? undefined : parseVersion(server);
  if (server === undefined || version === undefined) return undefined;
  if (version.major <= KNOWN_MAJOR) return undefined;
  return `version mismatch: client ${client}, server ${stripToLine(server)}`;
}

/**
 * Which coordination a server speaks, decided here and nowhere else: from its release before anything is dialled, and, for
 * releases that say nothing, from its answer. The newer is tried first: a server of the other kind shows it at once.
 *   v1: JSON, up to v2.7 (coder/coder `tailnet/coordinator.go` at v2.5); refused since v2.16
 *   v2: yamux, dRPC and protobuf, since v2.8 (`tailnet/proto/version.go`)
 */
import { isAtLeast } from "../../base/version.ts";

export type CoordinationProtocol = "v1" | "v2";

/** What to put into `?version=`: never a newer one, servers refuse what they do not know (codersdk `dialer.go`). */
export const COORDINATE_VERSION = "2.0";

/** v2.6 and v2.7 take 2.0 too, but mean a draft of it by that. */
const PROTOBUF_SINCE = "v2.8.0";

/** What begins a list of nodes, and is no version of yamux. */
const JSON_LIST = 0x5b;

/** By what the server calls itself; without a release it counts as new. */
export function coordinationOf(serverVersion: string | undefined): CoordinationProtocol {
  return isAtLeast(serverVersion, PROTOBUF_SINCE) ? "v2" : "v1";
}

/** By the first byte that it says. Servers before v2.6 ignore which version was asked for. */
export function coordinationOfByte(byte: number): CoordinationProtocol {
  return byte === JSON_LIST ? "v1" : "v2";
}

export function otherCoordination(protocol: CoordinationProtocol): CoordinationProtocol {
  return protocol === "v1" ? "v2" : "v1";
}

/** What asks for it, as parts of the websocket's query. */
export function coordinationQuery(
  protocol: CoordinationProtocol,
  resumeToken: string | undefined,
): URLSearchParams {
  if (protocol === "v1") return new URLSearchParams();
  const query = new URLSearchParams({ version: COORDINATE_VERSION });
  if (resumeToken !== undefined) query.set("resume_token", resumeToken);
  return query;
}

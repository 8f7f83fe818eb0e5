/**
 * What a connection of a coordination needs: where it is asked for, and the session that speaks it. A session lasts as long as
 * its connection; `client.ts` makes the next.
 */
import type { Core, Instant, Random } from "../../base/core.ts";
import { lineTargetOf } from "../line.ts";
import type { TailnetNode } from "../node_message.ts";
import { JsonCoordinatorSession } from "./json_session.ts";
import {
  type CoordinatorAddress,
  type CoordinatorLink,
  InProcessLink,
  WebsocketLink,
} from "./link.ts";
import { type CoordinationProtocol, coordinationQuery } from "./protocol_version.ts";
import {
  CoordinatorSession,
  type CoordinatorSessionOptions,
  type SessionEvent,
} from "./session.ts";

/** What is said on one connection. Nothing is thrown: what breaks is told as `ended`. */
export interface CoordinationSession extends Core<SessionEvent> {
  /** Takes the payload of a binary message, borrowed. */
  handleBytes(payload: Uint8Array, now: Instant): void;
  /** What must leave next, as one message; the caller owns the array. Also after `ended`. */
  pollTransmit(): Uint8Array<ArrayBuffer> | undefined;
  addTunnel(peerId: string, now: Instant): void;
  updateSelf(node: TailnetNode, now: Instant): void;
  readyForHandshake(peerId: string, now: Instant): void;
  /** Leaves in order: `ended` follows within a second. */
  disconnect(now: Instant): void;
}

/** A session for a connection that has just opened. */
export function makeSession(
  protocol: CoordinationProtocol,
  options: CoordinatorSessionOptions,
  now: Instant,
): CoordinationSession {
  switch (protocol) {
    case "v1":
      return new JsonCoordinatorSession(options);
    case "v2":
      return new CoordinatorSession(options, now);
  }
}

/** A link for a session of `protocol`. */
export function makeLink(
  protocol: CoordinationProtocol,
  at: CoordinatorAddress,
  options: { readonly resumeToken: string | undefined; readonly random: Random },
): CoordinatorLink {
  switch (at.kind) {
    case "inProcess":
      return new InProcessLink();
    case "websocket": {
      const { deploymentUrl, agentId, headers } = at;
      const query = coordinationQuery(protocol, options.resumeToken).toString();
      const path = `/api/v2/workspaceagents/${agentId}/coordinate`;
      return new WebsocketLink({
        target: lineTargetOf(deploymentUrl),
        path: query === "" ? path : `${path}?${query}`,
        headers,
        random: options.random,
      });
    }
  }
}

/** The session that speaks a coordination, whichever it is; it lasts as long as its websocket. */
import type { Instant } from "../../base/core.ts";
import type { TailnetNode } from "../node_message.ts";
import { JsonCoordinatorSession } from "./json_session.ts";
import type { CoordinationProtocol } from "./protocol_version.ts";
import {
  CoordinatorSession,
  type CoordinatorSessionOptions,
  type SessionEvent,
} from "./session.ts";

/** What is said on one connection. Nothing is thrown: what breaks is told as `ended`. */
export interface CoordinationSession {
  /** Takes the payload of a binary message, borrowed. */
  handleBytes(payload: Uint8Array, now: Instant): void;
  handleTimeout(now: Instant): void;
  pollTimeout(): Instant | undefined;
  pollEvent(): SessionEvent | undefined;
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
  return protocol === "v1"
    ? new JsonCoordinatorSession(options)
    : new CoordinatorSession(options, now);
}

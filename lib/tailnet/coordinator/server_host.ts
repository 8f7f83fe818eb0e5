/** What every session of the coordinator's own side is, whichever protocol it speaks, and what it needs of its server. */
import type { Instant } from "../../base/core.ts";
import type { DerpMap } from "../derp_map.ts";
import type { CoordinatorState } from "./server_state.ts";

/** A resume token as the driver makes it. */
export interface ResumeGrant {
  readonly token: string;
  readonly refreshInMs: number;
  /** Wall-clock milliseconds. */
  readonly expiresAtMs: number;
}

export interface ServerSessionHost {
  readonly state: CoordinatorState;
  derpMap(): DerpMap;
  /** A token that names this peer; `undefined`: the server has no such RPC. */
  grantResumeToken(peerId: string): ResumeGrant | undefined;
  /** Something waits in `pollTransmit`, or the session is over. */
  wantsTransmit(session: CoordinatorServerSession): void;
}

/** The server's end of one websocket. */
export interface CoordinatorServerSession {
  readonly peerId: string;
  /** Why the session is over: send what is left and close the websocket with 1011. `undefined` while it lives. */
  readonly endMessage: string | undefined;
  /** Takes the payload of a binary message, borrowed. Nothing is thrown: what breaks ends the session. */
  handleBytes(chunk: Uint8Array, now: Instant): void;
  handleTimeout(now: Instant): void;
  /** The websocket ended: the peer that was served here is lost. */
  handleDisconnected(now: Instant): void;
  pollTimeout(): Instant | undefined;
  /** What must leave next, as one binary message below 32 KiB. */
  pollTransmit(): Uint8Array<ArrayBuffer> | undefined;
  /** The relays changed: everybody who asked is told. */
  sendDerpMap(now: Instant): void;
}

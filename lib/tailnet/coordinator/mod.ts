/** The control plane: who our peers are and where, kept true over restarts of everything. */
export { CoordinatorClient } from "./client.ts";
export type { CoordinatorClientOptions, CoordinatorEvent } from "./client_events.ts";
export type { CoordinatorAddress, CoordinatorLink } from "./link.ts";
export { classifyDialFailure } from "./dial_failure.ts";
export type { DialFailure, DisconnectReason } from "./dial_failure.ts";
export type { PeerUpdate, ResumeToken } from "./messages.ts";
export { PeerBook } from "./peer_book.ts";
export type { PeerBookOptions, PeerEvent } from "./peer_book.ts";
export type { CoordinationSession } from "./protocol.ts";
export { COORDINATE_VERSION, coordinationOf, coordinationQuery } from "./protocol_version.ts";
export type { CoordinationProtocol } from "./protocol_version.ts";
export { CoordinatorSession } from "./session.ts";
export type { CoordinatorSessionOptions, SessionEnd, SessionEvent } from "./session.ts";

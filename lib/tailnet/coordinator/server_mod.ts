/** The other role, for the sandbox and tests; kept apart so that clients do not load it. */
export type { PeerRole } from "./authorize.ts";
export { CoordinatorServer } from "./server.ts";
export type { CoordinatorServerOptions, ServerSessionOptions } from "./server.ts";
export type { CoordinatorServerSession, ResumeGrant } from "./server_host.ts";

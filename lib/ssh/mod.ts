/**
 * What the commands use of the ssh room. Importing this loads Node's streams (about 20 ms): import it on demand, and start
 * `loadSsh2()` while the network is still being reached. The parsers of flags, `forward_spec.ts` and `escape.ts`, load nothing.
 */
export {
  type AgentForwardOptions,
  type AgentLookup,
  findAgent,
  prepareAgentForward,
} from "./agent_forward.ts";
export { connectSsh, type SshConnection, type SshConnectionOptions } from "./connection.ts";
export { type ConnectionEnd, outcomeOf, type SessionEnd, type SessionOutcome } from "./ends.ts";
export {
  type ForwardHost,
  type ForwardOptions,
  type ForwardRequest,
  type ForwardSet,
  startForwards,
} from "./forwards.ts";
export { type GpgForward, type GpgHost, startGpgForward } from "./gpg_forward.ts";
export {
  createHostKeyVerifier,
  hostKeyName,
  type HostKeyOptions,
  type HostKeyPolicy,
} from "./host_keys.ts";
export type { KeepaliveOptions } from "./keepalive.ts";
export type { SessionRequest, SshSession } from "./session.ts";
export { loadSsh2 } from "./ssh2_client.ts";
export { runStdioForward, type StdioForwardHost } from "./stdio_forward.ts";
export {
  runTerminalSession,
  type TerminalHost,
  type TerminalSessionOptions,
  wantsPty,
} from "./terminal_session.ts";

/** The sandbox: a Coder deployment in this process, for `hawser demo` and tests. */
export {
  type BodySink,
  emptyAnswer,
  failureAnswer,
  type HeaderList,
  type HttpAnswer,
  type HttpRequest,
  jsonAnswer,
  textAnswer,
} from "./http/messages.ts";
export type { EndpointFault, SandboxFaults, WireShape } from "./http/faults.ts";
export {
  type AgentSpec,
  type AgentStatus,
  type Lifecycle,
  SandboxAgent,
  StartupFailure,
  type StartupScript,
} from "./model/agent.ts";
export {
  type BuildScript,
  instantBuild,
  SandboxBuild,
  slowBuild,
  type Transition,
} from "./model/build.ts";
export { SandboxWorkspace, type WorkspaceSpec } from "./model/workspace.ts";
export { AgentPort } from "./agent/services.ts";
export { type Hostility } from "./hostility.ts";
export type { SshAttack } from "./ssh/attacks.ts";
export type { SandboxOptions } from "./options.ts";
export type { Override, RecordedRequest } from "./rest/api.ts";
export { Sandbox } from "./sandbox.ts";

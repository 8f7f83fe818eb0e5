/**
 * The library: a way into a workspace without the command line around it. `openWorkspace` finds a workspace by its name and gives
 * ports, commands and files; `dialAgent` is the tunnel alone, for an agent that is known already. Whole programs: `examples/`.
 *
 * @example A command, a port and a file
 * ```ts
 * await using workspace = await openWorkspace({ deploymentUrl, token, workspace: { name: "dev" } });
 * const { code, stdout } = await workspace.run("uname -a");
 * const stream = await workspace.openTcp(8080);
 * using files = await workspace.openFiles();
 * await files.write("notes.txt", new TextEncoder().encode("hello"));
 * ```
 *
 * @example The tunnel alone
 * ```ts
 * await using agent = await dialAgent({ agentId, deploymentUrl, token, derpMap: derpMapFromJson(json) });
 * const ssh = await agent.openTcp(AGENT_SSH_PORT);
 * ```
 */
import type { Log } from "./base/log.ts";
import type { ByteStream } from "./base/stream.ts";
import type { AgentTunnel } from "./base/tunnel.ts";
import type { TlsMaterial } from "./io/conn.ts";
import { type DialAgentOptions, startAgent } from "./io/start_agent.ts";
import {
  coordinationOf,
  type CoordinationProtocol,
} from "./tailnet/coordinator/protocol_version.ts";
import { type DerpMap, derpMapOf, type DerpNode, type DerpRegion } from "./tailnet/derp_map.ts";
import { derpMapFromJson } from "./tailnet/derp_map_json.ts";

export {
  openWorkspace,
  type OpenWorkspaceOptions,
  type WorkspaceCertificates,
  type WorkspaceConnection,
  type WorkspaceName,
} from "./library/workspace.ts";
export type { RunCommandOptions, RunCommandResult } from "./library/run_command.ts";
export type { ReadFileOptions, WorkspaceFiles } from "./library/files.ts";
export type { RemoteEntry, RemoteStat } from "./ssh/remote_files.ts";
export type { DatagramFlow, SendResult } from "./base/datagrams.ts";
export { ApiError } from "./coder/errors.ts";
export { AGENT_SSH_PORT } from "./tailnet/agent_ports.ts";
export { coordinationOf, derpMapFromJson, derpMapOf, startAgent };
export type {
  AgentTunnel,
  ByteStream,
  CoordinationProtocol,
  DerpMap,
  DerpNode,
  DerpRegion,
  DialAgentOptions,
  Log,
  TlsMaterial,
};
export { type StreamEnd, StreamError } from "./base/stream.ts";
export {
  type PingResult,
  type TunnelDiagnostics,
  TunnelError,
  type TunnelFailure,
  TunnelFault,
  type TunnelSilence,
  type TunnelStatus,
  type TunnelTraffic,
} from "./base/tunnel.ts";
export { ExpectedError, UserError } from "./base/errors.ts";

/** Connects to an agent and waits until it answers. Rejects with `TunnelError`, or the signal's reason. */
export async function dialAgent(options: DialAgentOptions): Promise<AgentTunnel> {
  const agent = startAgent(options);
  try {
    await agent.reachable(options.signal);
    return agent;
  } catch (error) {
    await agent.close();
    throw error;
  }
}

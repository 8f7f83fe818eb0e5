/**
 * The library: a connection to a workspace agent, without the command line around it.
 *
 * @example
 * ```ts
 * await using agent = await dialAgent({ agentId, deploymentUrl, token, derpMap, forcesWebsocket: false });
 * const stream = await agent.openTcp(1);
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
export { UserError } from "./base/errors.ts";

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

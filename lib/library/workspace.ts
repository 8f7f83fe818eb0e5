/**
 * A workspace as the library gives it: found by its name, reached through a tunnel, with commands and files over SSH inside that.
 * Left out: starting a workspace that is stopped, waiting for start-up scripts, terminals. The command line does those.
 */
import { UserError } from "../base/errors.ts";
import type { DatagramFlow } from "../base/datagrams.ts";
import { type Log, SILENT_LOG } from "../base/log.ts";
import type { ByteStream } from "../base/stream.ts";
import type { AgentTunnel } from "../base/tunnel.ts";
import type { Agent } from "../coder/agent_model.ts";
import { getConnectionInfo } from "../coder/agents.ts";
import { CoderClient } from "../coder/client.ts";
import { getWorkspaceByName } from "../coder/workspaces.ts";
import { SystemClock } from "../io/clock.ts";
import { systemEnv } from "../io/env.ts";
import { startTunnel } from "../io/host_tunnels.ts";
import { SystemTransport } from "../io/transport.ts";
import { connectSsh, type SshConnection } from "../ssh/connection.ts";
import { AGENT_SSH_PORT } from "../tailnet/agent_ports.ts";
import { runCommand, type RunCommandOptions, type RunCommandResult } from "./run_command.ts";
import { WorkspaceFiles } from "./files.ts";

export interface OpenWorkspaceOptions {
  /** Where the deployment is. */
  readonly deploymentUrl: URL;
  /** Session token; sent to the deployment alone, never to a relay. */
  readonly token: string;
  readonly workspace: WorkspaceName;
  /** Extra headers for the deployment and the relays. @default none */
  readonly headers?: readonly (readonly [string, string])[];
  /** Certificates besides the system's, PEM text. @default none */
  readonly certificates?: WorkspaceCertificates;
  /** Only relays are to be used: no UDP socket is opened. @default false, and what the deployment says */
  readonly disablesDirect?: boolean;
  /** Decides on the agent's host key (blob of RFC 4253 §6.6); throws to refuse. @default any: the tunnel has authenticated the agent */
  readonly verifyHostKey?: (key: Uint8Array) => Promise<void>;
  /** Environment for proxies. @default the process's */
  readonly env?: (name: string) => string | undefined;
  /** @default "hawser" */
  readonly userAgent?: string;
  /** @default silent */
  readonly log?: Log;
  /** Gives up opening. */
  readonly signal?: AbortSignal;
}

export interface WorkspaceName {
  readonly name: string;
  /** A user's name. @default whose token it is */
  readonly owner?: string;
  /** @default the only one */
  readonly agent?: string;
}

export interface WorkspaceCertificates {
  /** Authorities. */
  readonly authorities?: string;
  readonly client?: { readonly certificate: string; readonly key: string };
}

/**
 * Finds a workspace and connects to its agent; resolves when that answers. Rejects with `UserError` for a workspace that does not
 * run or has no such agent, with what the API says, with `TunnelError`, or with the signal's reason.
 */
export async function openWorkspace(options: OpenWorkspaceOptions): Promise<WorkspaceConnection> {
  const { workspace: wanted, certificates = {}, signal } = options;
  const { authorities, client: own } = certificates;
  const network = {
    ...(authorities === undefined ? {} : { caCertificates: authorities }),
    ...(own === undefined ? {} : { clientCertificate: own }),
  };
  const { headers = [], userAgent = "hawser", log = SILENT_LOG, token } = options;
  const clock = new SystemClock();
  await using opened = new AsyncDisposableStack();
  const transport = opened.use(new SystemTransport(network, options.env ?? systemEnv));
  const client = new CoderClient({
    url: options.deploymentUrl,
    token,
    headers,
    transport,
    userAgent,
    sleep: (ms, stop) => clock.sleep(ms, stop),
    log,
  });
  const call = { signal };
  const { owner = "me", name } = wanted;
  const { latestBuild, ownerName } = await getWorkspaceByName(client, { owner, name }, call);
  const agent = agentOf(latestBuild.agents, wanted);
  const info = await getConnectionInfo(client, agent.id, call);
  const tunnel = opened.use(startTunnel({
    agentId: agent.id,
    deploymentUrl: client.url,
    network,
    token,
    headers,
    userAgent,
    serverVersion: client.serverVersion,
    derpMap: info.derpMap,
    fetchDerpMap: async (stop) =>
      (await getConnectionInfo(client, agent.id, { signal: stop })).derpMap,
    forcesWebsocket: info.derpForceWebsockets,
    beginsWithWebsocket: false,
    disablesDirect: options.disablesDirect === true || info.disableDirectConnections,
    log,
  }, transport.dial));
  await tunnel.reachable(signal);
  const { verifyHostKey } = options;
  return new WorkspaceConnection({
    tunnel,
    owner: ownerName,
    agent: agent.name,
    connect: async () =>
      await connectSsh(await tunnel.openTcp(AGENT_SSH_PORT), {
        clock,
        ...(verifyHostKey === undefined ? {} : { verifyHostKey }),
      }),
    resources: opened.move(),
  });
}

function agentOf(agents: readonly Agent[], { name, agent }: WorkspaceName): Agent {
  const [only, ...others] = agent === undefined
    ? agents
    : agents.filter((one) => one.name === agent);
  const names = agents.map((one) => `"${one.name}"`).join(", ");
  if (only === undefined && agents.length > 0) {
    throw new UserError(`Workspace "${name}" has no agent "${agent}"; it has ${names}`);
  }
  if (only === undefined) {
    throw new UserError(`Workspace "${name}" has no agent: it does not run`, {
      hint: `Start it: hawser start ${name}`,
    });
  }
  if (others.length > 0) throw new UserError(`Name an agent of workspace "${name}": ${names}`);
  return only;
}

interface WorkspaceParts {
  readonly tunnel: AgentTunnel;
  readonly owner: string;
  readonly agent: string;
  /** A new SSH connection. */
  readonly connect: () => Promise<SshConnection>;
  /** What ends with it. */
  readonly resources: AsyncDisposableStack;
}

/** A way into a workspace. Disposing it is `close()`. */
export class WorkspaceConnection implements AsyncDisposable {
  /** Whose it is. */
  readonly owner: string;
  /** The agent's name. */
  readonly agent: string;
  /** What lies under it: pings, status, diagnostics. Its owner is this object. */
  readonly tunnel: AgentTunnel;
  readonly #parts: WorkspaceParts;
  /** The SSH connection that commands and files share; made when one is first asked for, and again after its end. */
  #ssh: Promise<SshConnection> | undefined;

  /** Use `openWorkspace`. */
  constructor(parts: WorkspaceParts) {
    this.#parts = parts;
    this.owner = parts.owner;
    this.agent = parts.agent;
    this.tunnel = parts.tunnel;
  }

  /** Connects to a TCP port of 127.0.0.1 in the workspace. Rejects with `StreamError`, or the signal's reason. */
  async openTcp(port: number, signal?: AbortSignal): Promise<ByteStream> {
    return await this.#parts.tunnel.openTcp(port, signal);
  }

  /** Opens a flow of datagrams to a UDP port there. */
  async openUdp(port: number, signal?: AbortSignal): Promise<DatagramFlow> {
    return await this.#parts.tunnel.openUdp(port, signal);
  }

  /**
   * Runs a command line in the user's shell there; resolves at its end, whatever its status. Rejects with `UserError` when the
   * workspace refuses, the connection is lost or the output is longer than allowed, or with the signal's reason.
   */
  async run(command: string, options: RunCommandOptions = {}): Promise<RunCommandResult> {
    options.signal?.throwIfAborted();
    return await runCommand(await this.#connection(), command, options);
  }

  /** Files over SFTP; relative paths begin in the home folder. Rejects with `UserError` when it serves none. Dispose it. */
  async openFiles(): Promise<WorkspaceFiles> {
    return new WorkspaceFiles(await (await this.#connection()).openFiles());
  }

  /** Ends everything that was opened over it. Idempotent. */
  async close(): Promise<void> {
    const ssh = this.#ssh;
    this.#ssh = undefined;
    // Whoever asked for a connection that could not be made was told.
    await ssh?.then((connection) => connection.close(), () => {});
    await this.#parts.resources.disposeAsync();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #connection(): Promise<SshConnection> {
    if (this.#ssh === undefined) {
      const made = this.#parts.connect();
      this.#ssh = made;
      const forget = () => {
        if (this.#ssh === made) this.#ssh = undefined;
      };
      made.then(({ closed }) => closed.then(forget), forget);
    }
    return await this.#ssh;
  }
}

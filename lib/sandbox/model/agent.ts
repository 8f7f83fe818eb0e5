/**
 * One workspace agent: what the API says of it, and the agent itself, which joins the network, leaves it, falls silent and
 * comes back on order.
 */
import { isAtLeast, READY_FOR_HANDSHAKE_SINCE } from "../../base/version.ts";
import type { TailnetNode } from "../../tailnet/node_message.ts";
import { AgentNode } from "../agent/node.ts";
import { AgentTerminals } from "../agent/terminals.ts";
import { serveAccepted, serveFlow } from "../agent/services.ts";
import type { SessionSurroundings } from "../ssh/environment.ts";
import { generateHostKey } from "../ssh/host_key.ts";
import { type SshClients, SshServer } from "../ssh/server.ts";
import { coordinationOf } from "../../tailnet/coordinator/protocol_version.ts";
import type { ModelHost } from "./host.ts";
import { LogBook, type LogLevel } from "./log_book.ts";

export type AgentStatus = "connecting" | "connected" | "disconnected" | "timeout";
export type Lifecycle =
  | "created"
  | "starting"
  | "ready"
  | "start_timeout"
  | "start_error"
  | "shutting_down"
  | "shutdown_timeout"
  | "shutdown_error"
  | "off";

/** Plays the start-up scripts. When it resolves the agent is ready; `StartupFailure` makes it `start_error`. */
export type StartupScript = (agent: SandboxAgent) => Promise<void> | void;

/** A start-up script ended with an error. */
export class StartupFailure extends Error {
  override name = "StartupFailure";
}

export interface AgentSpec extends SessionSurroundings {
  /** @default "main" */
  readonly name?: string;
  /** Joins the network as soon as its build succeeds. @default true */
  readonly connects?: boolean;
  /** @default nothing: ready at once */
  readonly startup?: StartupScript;
  /** Whether people are to wait for the start-up script. @default false */
  readonly blocksLogin?: boolean;
  /** 0: never times out. @default 0 */
  readonly connectionTimeoutSeconds?: number;
  /** @default "https://coder.com/docs/admin/templates/troubleshooting" */
  readonly troubleshootingUrl?: string;
  /** As Go names them. @default this machine's */
  readonly operatingSystem?: string;
  readonly architecture?: string;
  /** The release that it is of, which need not be its server's after an upgrade. @default the server's */
  readonly version?: string;
}

export interface AgentOwner {
  readonly workspaceName: string;
  readonly ownerName: string;
  onChange(): void;
}

const MS_PER_SECOND = 1_000;

/** Before that each process of an agent draws its host key (coder/coder `agent/agentssh`, by the agent's id since). */
const STABLE_HOST_KEY_SINCE = "v2.20.0";

export class SandboxAgent {
  readonly id: string;
  readonly name: string;
  readonly spec: AgentSpec;
  readonly createdAtMs: number;
  readonly logSourceId: string;
  readonly scriptId: string;
  readonly logs: LogBook;
  /** Apps as the API tells them (codersdk `WorkspaceApp`). */
  apps: readonly { readonly slug: string; readonly [field: string]: string | boolean }[] = [];
  /** What it says that listens there. */
  listeningPorts: readonly { readonly port: number; readonly processName?: string }[] = [];
  lifecycle: Lifecycle = "created";
  firstConnectedAtMs: number | undefined;
  disconnectedAtMs: number | undefined;
  startedAtMs: number | undefined;
  readyAtMs: number | undefined;
  /** Settles when the agent has left the network. */
  #leaving: Promise<void> = Promise.resolve();
  readonly #host: ModelHost;
  readonly #owner: AgentOwner;
  readonly #hostKey: () => Promise<string>;
  #statusOverride: AgentStatus | undefined;
  #node: AgentNode | undefined;
  #ssh: SshServer | undefined;
  #terminals: AgentTerminals | undefined;
  #silenced: Uint8Array | undefined;
  #isOnline = false;
  #hasBegunStartup = false;

  constructor(
    spec: AgentSpec,
    host: ModelHost,
    options: { readonly owner: AgentOwner; readonly hostKey: () => Promise<string> },
  ) {
    this.spec = spec;
    this.#host = host;
    this.#owner = options.owner;
    this.#hostKey = options.hostKey;
    this.id = host.newId();
    this.name = spec.name ?? "main";
    this.createdAtMs = host.wallMs();
    this.logSourceId = host.newId();
    this.scriptId = host.newId();
    this.logs = new LogBook(host.logNumbers);
  }

  /** As the server works it out when asked (docs/protocol/api.md#agent), unless a test says otherwise. */
  get status(): AgentStatus {
    if (this.#statusOverride !== undefined) return this.#statusOverride;
    if (this.#isOnline) return "connected";
    if (this.firstConnectedAtMs !== undefined) return "disconnected";
    const { connectionTimeoutSeconds = 0 } = this.spec;
    const ageMs = this.#host.wallMs() - this.createdAtMs;
    return connectionTimeoutSeconds > 0 && ageMs > connectionTimeoutSeconds * MS_PER_SECOND
      ? "timeout"
      : "connecting";
  }

  /** Says this status whatever is true; `undefined` says the truth again. */
  setStatus(status: AgentStatus | undefined): void {
    this.#statusOverride = status;
    this.#owner.onChange();
  }

  setLifecycle(lifecycle: Lifecycle): void {
    this.lifecycle = lifecycle;
    if (lifecycle === "starting") this.startedAtMs = this.#host.wallMs();
    if (lifecycle === "ready" || lifecycle === "start_error") this.readyAtMs = this.#host.wallMs();
    this.#owner.onChange();
  }

  /** A line of the start-up log. */
  log(output: string, level: LogLevel = "info"): void {
    this.logs.add({
      output,
      level,
      stage: "",
      source: this.logSourceId,
      createdAtMs: this.#host.wallMs(),
    });
  }

  /** Waits; returns early when the sandbox stops. For start-up scripts. */
  pause(ms: number): Promise<void> {
    return this.#host.pause(ms);
  }

  /** Wall-clock milliseconds. */
  nowMs(): number {
    return this.#host.wallMs();
  }

  /** Reconnecting terminals that nobody has open end, as they do five minutes after the last client left. */
  async expireTerminals(): Promise<void> {
    await this.#terminals?.expire();
  }

  /** Its reconnecting terminals; `undefined` while nobody runs it. */
  get terminals(): AgentTerminals | undefined {
    return this.#terminals;
  }

  /** The release that it is of. */
  get version(): string {
    return this.spec.version ?? this.#host.version();
  }

  /** Whether it takes part in the network. */
  get isRunning(): boolean {
    return this.#node !== undefined;
  }

  /** Programs that run in its sessions. */
  get programCount(): number {
    return this.#ssh?.programCount ?? 0;
  }

  /** Who connected to its SSH server since it joined the network. */
  get sshClients(): SshClients {
    return this.#ssh?.clients ?? { came: 0, open: 0, bytesIn: 0 };
  }

  /** Resolves when `isReached` holds of them. */
  async untilSshClients(isReached: (clients: SshClients) => boolean): Promise<void> {
    await this.#ssh?.untilClients(isReached);
  }

  /** Cuts off whoever is connected to its SSH server. */
  cutSshClients(): void {
    this.#ssh?.cut();
  }

  /** Resolves when no program runs in its sessions. */
  async whenIdle(): Promise<void> {
    await this.#ssh?.whenIdle();
  }

  /** Joins the network with fresh keys; not when the sandbox stops, which a build or a restart may be in the middle of. */
  connect(): void {
    if (this.#node !== undefined || this.#host.isStopping) return;
    const { host, surroundings } = { host: this.#host, surroundings: this.spec };
    const ssh = new SshServer({
      surroundings,
      names: {
        workspace: this.#owner.workspaceName,
        owner: this.#owner.ownerName,
        agent: this.name,
      },
      hostKey: isAtLeast(this.version, STABLE_HOST_KEY_SINCE)
        ? this.#hostKey
        : () => SandboxAgent.newHostKey(host),
    });
    this.#ssh = ssh;
    const terminals = new AgentTerminals({
      surroundings,
      names: ssh.names,
      pause: (ms) => host.pause(ms),
      tasks: host.tasks,
    });
    this.#terminals = terminals;
    this.#node = new AgentNode({
      agentId: this.id,
      deploymentUrl: host.url,
      coordinator: host.coordinator,
      version: this.version,
      relayHeaders: host.agentHeaders,
      isDirect: host.isDirect(),
      sendsReady: () =>
        isAtLeast(this.version, READY_FOR_HANDSHAKE_SINCE) &&
        isAtLeast(host.version(), READY_FOR_HANDSHAKE_SINCE),
      onAccepted: (accepted) => serveAccepted(accepted, { ssh, terminals, tasks: host.tasks }),
      onFlow: (flow, port) => host.tasks.run(serveFlow(flow, port)),
      onAnnounced: (what) => this.#handleAnnounced({ isOnline: what === "joined" }),
      clock: host.clock,
      random: host.random,
    });
  }

  /** Loads and makes what the first SSH client would wait for. */
  prepareSsh(): void {
    this.#ssh?.prepare();
  }

  /**
   * Leaves the network; its sessions and their programs end. Gracefully: clients are told. Else it vanishes like a machine
   * without power.
   */
  async disconnect(options: { readonly graceful?: boolean } = {}): Promise<void> {
    const node = this.#node;
    const ssh = this.#ssh;
    const terminals = this.#terminals;
    this.hear();
    this.#node = undefined;
    this.#ssh = undefined;
    this.#terminals = undefined;
    if (node !== undefined) {
      const graceful = options.graceful ?? false;
      // Where the coordinator has no word for it, the end of its sessions is all that clients hear of an agent that leaves.
      const endsSessionsFirst = graceful && coordinationOf(this.#host.version()) === "v1";
      this.#leaving = this.#leaving.then(async () => {
        if (endsSessionsFirst) await ssh?.stop();
        await node.stop({ graceful });
        await ssh?.stop();
        await terminals?.stop();
      });
    }
    await this.#leaving;
  }

  /** The same agent with new keys, as after a restart of its process. */
  async restart(options: { readonly graceful?: boolean } = {}): Promise<void> {
    await this.disconnect(options);
    this.connect();
  }

  /** Whether it was silenced. */
  get isSilent(): boolean {
    return this.#silenced !== undefined;
  }

  /** Nothing reaches it and nothing comes from it, like a process that was stopped (SIGSTOP). */
  silence(): void {
    const node = this.#node;
    if (node === undefined || this.#silenced !== undefined) return;
    this.#silenced = node.nodePublicKey;
    this.#host.relay.silence(node.nodePublicKey);
    node.freeze();
  }

  /** Announces a node that differs from the true one by `part`, as a hostile agent may. */
  claim(part: Partial<TailnetNode>): void {
    this.#node?.claim(part);
  }

  /** Ends the silence. */
  hear(): void {
    if (this.#silenced === undefined) return;
    this.#host.relay.hear(this.#silenced);
    this.#silenced = undefined;
    this.#node?.thaw();
  }

  #handleAnnounced({ isOnline }: { readonly isOnline: boolean }): void {
    if (this.#isOnline === isOnline) return;
    this.#isOnline = isOnline;
    const now = this.#host.wallMs();
    if (isOnline) this.firstConnectedAtMs ??= now;
    else this.disconnectedAtMs = now;
    this.#owner.onChange();
    if (!isOnline || this.#hasBegunStartup) return;
    this.#hasBegunStartup = true;
    this.#host.tasks.run(this.#startUp());
  }

  async #startUp(): Promise<void> {
    const { startup } = this.spec;
    this.setLifecycle("starting");
    try {
      await startup?.(this);
    } catch (error) {
      if (!(error instanceof StartupFailure)) throw error;
      return this.setLifecycle("start_error");
    }
    if (this.lifecycle === "starting" || this.lifecycle === "start_timeout") {
      this.setLifecycle("ready");
    }
  }

  /** A fresh key of the deployment's kind. */
  static newHostKey(host: ModelHost): Promise<string> {
    return generateHostKey(host.hostKeyType);
  }
}

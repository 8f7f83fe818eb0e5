/** The network half of a fake machine: sockets in memory, and tunnels whose agents are functions of the test. */
import type { HostSockets, HostTunnels, TunnelOptions } from "../../lib/base/host_network.ts";
import type { DatagramFlow } from "../../lib/base/datagrams.ts";
import { SocketError } from "../../lib/base/sockets.ts";
import { type ByteStream, StreamError } from "../../lib/base/stream.ts";
import type {
  AgentTunnel,
  PingResult,
  TunnelDiagnostics,
  TunnelError,
  TunnelSilence,
  TunnelStatus,
} from "../../lib/base/tunnel.ts";
import { MemorySockets } from "./memory_sockets.ts";

export class FakeSockets extends MemorySockets implements HostSockets {
  /** Files that stand for sockets, by their path. */
  readonly socketFiles = new Map<string, Uint8Array>();
  pipes: readonly string[] = [];

  listPipes(): Promise<readonly string[]> {
    return Promise.resolve(this.pipes);
  }

  readSocketFile(path: string): Promise<Uint8Array> {
    const bytes = this.socketFiles.get(path);
    return bytes === undefined
      ? Promise.reject(new SocketError(`open ${path}: no such file or directory`))
      : Promise.resolve(bytes);
  }
}

/** What the agents of a fake deployment do. */
export class FakeTunnels implements HostTunnels {
  /** What connects to a port of the agent; another port refuses. */
  readonly ports = new Map<number, () => ByteStream>();
  /** What a flow to a UDP port of the agent is. */
  readonly udpPorts = new Map<number, () => DatagramFlow>();
  /** Answers of pings in turn, `undefined` for none; the last one again and again. */
  pings: readonly (PingResult | undefined)[] = [
    { latencyMs: 1.25, relay: "Fake relay", isDirect: false },
  ];
  diagnostics: TunnelDiagnostics = {
    home: { id: 999, name: "Fake relay" },
    relayTransport: "upgrade",
    hasToldNode: true,
    agent: { home: { id: 999, name: "Fake relay" }, endpoints: ["192.0.2.1:4242"] },
    handshakeAgoMs: 1_000,
  };
  /** Why nobody is reached. */
  failure: TunnelError | undefined;
  /** Resolved, it refuses all of them. */
  readonly refusal = Promise.withResolvers<TunnelError>();
  isPrepared = false;
  readonly started: FakeTunnel[] = [];

  prepare(): void {
    this.isPrepared = true;
  }

  hold(): Promise<void> {
    return Promise.resolve();
  }

  dismiss(): Promise<void> {
    return Promise.resolve();
  }

  start(options: TunnelOptions): Promise<AgentTunnel> {
    const tunnel = new FakeTunnel(this, options);
    this.started.push(tunnel);
    return Promise.resolve(tunnel);
  }
}

export class FakeTunnel implements AgentTunnel {
  readonly options: TunnelOptions;
  readonly traffic = { bytesIn: 0, bytesOut: 0 };
  readonly refused: Promise<TunnelError>;
  isClosed = false;
  readonly #agents: FakeTunnels;
  #pings = 0;

  constructor(agents: FakeTunnels, options: TunnelOptions) {
    this.#agents = agents;
    this.options = options;
    this.refused = agents.refusal.promise;
  }

  // deno-lint-ignore require-await -- what it throws is a rejection
  async reachable(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (this.#agents.failure !== undefined) throw this.#agents.failure;
  }

  async openTcp(port: number, signal?: AbortSignal): Promise<ByteStream> {
    await this.reachable(signal);
    const open = this.#agents.ports.get(port);
    if (open === undefined) throw new StreamError({ kind: "reset", message: "connection refused" });
    return open();
  }

  async openUdp(port: number, signal?: AbortSignal): Promise<DatagramFlow> {
    await this.reachable(signal);
    const open = this.#agents.udpPorts.get(port);
    if (open === undefined) throw new StreamError({ kind: "lost", message: "no such flow" });
    return open();
  }

  ping(): Promise<PingResult | undefined> {
    const { pings } = this.#agents;
    return Promise.resolve(pings[Math.min(this.#pings++, pings.length - 1)]);
  }

  silence(): TunnelSilence | undefined {
    return undefined;
  }

  onSilence(_handler?: () => void): () => void {
    return () => {};
  }

  status(): TunnelStatus {
    return { step: "reachable" };
  }

  diagnostics(): Promise<TunnelDiagnostics> {
    return Promise.resolve(this.#agents.diagnostics);
  }

  relayLatencies(): Readonly<Record<string, number>> {
    return { "Fake relay": 1 };
  }

  close(): Promise<void> {
    this.isClosed = true;
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

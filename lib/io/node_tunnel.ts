/** A tunnel that a node of this process carries, on real sockets: promises over the events of an `AgentSession`, which a `NodeDriver` runs. */
import type { Clock, Instant } from "../base/core.ts";
import { untilAborted } from "../base/abort.ts";
import type { DatagramFlow } from "../base/datagrams.ts";
import { messageOf } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { ByteStream } from "../base/stream.ts";
import {
  type AgentTunnel,
  type PingResult,
  type TunnelDiagnostics,
  TunnelError,
  TunnelFault,
  type TunnelSilence,
  type TunnelStatus,
  type TunnelTraffic,
} from "../base/tunnel.ts";
import { loadAead } from "../crypto/mod.ts";
import { AgentSession } from "../tailnet/agent_session.ts";
import type { AgentSessionEvent, AgentSessionOptions } from "../tailnet/agent_session_events.ts";
import { type DerpMap, rewriteEmbeddedRelay } from "../tailnet/derp_map.ts";
import { formatEndpoint } from "../tailnet/endpoint_text.ts";
import type { PathChange } from "../tailnet/paths/events.ts";
import { type DialOptions, targetOf } from "./dial.ts";
import { DirectSeeker } from "./direct_seeker.ts";
import { lossWords } from "./loss_words.ts";
import { NodeDriver } from "./node_driver.ts";
import { proxyFor } from "./proxy.ts";
import { Silences } from "./silences.ts";
import { SYSTEM_RANDOM } from "./random.ts";
import { RelayLatencies } from "./relay_latencies.ts";
import { probeRelays } from "./relay_probe.ts";

export interface NodeTunnelOptions
  extends Omit<AgentSessionOptions, "random" | "aead" | "wallMsAtZero"> {
  readonly clock: Clock;
  readonly dial: DialOptions;
  readonly log: Log;
  /** Whether ways without a relay may be looked for; not where the deployment is reached through a proxy. @default true */
  readonly seeksDirect?: boolean;
  /** Asks the API for the relay map again, where the coordinator does not tell of changes. @default it is not asked */
  readonly fetchMap?: (signal: AbortSignal) => Promise<DerpMap>;
}

/** What `reachable` waits for; another begins whenever the answer may change. */
interface Reach {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
  state: "waiting" | "reached" | "failed";
}

const RELAY_PROBE_MS = 1_200;
const PING_TIMEOUT_MS = 5_000;
/**
 * A connection that only listens would never learn that the agent gave it up, which agents do half a minute after their
 * last bytes went unanswered: it is asked this often, and at once when the network is back.
 */
const TCP_KEEPALIVE_MS = 30_000;

export class NodeTunnel implements AgentTunnel {
  readonly refused: Promise<TunnelError>;
  readonly #refusal = Promise.withResolvers<TunnelError>();
  readonly #options: NodeTunnelOptions;
  readonly #session: AgentSession;
  readonly #driver: NodeDriver<AgentSessionEvent>;
  #reach = newReach();
  readonly #pings: ((result: PingResult | undefined) => void)[] = [];
  readonly #silences = new Silences();
  readonly #seeker: DirectSeeker | undefined;
  readonly #left = Promise.withResolvers<void>();
  readonly #closing = new AbortController();
  #probing: Promise<void> = Promise.resolve();
  readonly #latencies: RelayLatencies;
  #fetching: Promise<void> = Promise.resolve();
  #fault: TunnelFault | undefined;
  #stop: Promise<void> | undefined;

  /** Begins at once: coordinator and relay are dialled side by side. */
  constructor(options: NodeTunnelOptions) {
    this.#options = options;
    this.refused = this.#refusal.promise;
    const { clock, dial, log } = options;
    this.#latencies = new RelayLatencies(clock, (map) =>
      probeRelays(map, {
        ...{ clock, dial, headers: options.relayHeaders, timeoutMs: RELAY_PROBE_MS },
        signal: this.#closing.signal,
      }));
    const now = clock.now();
    this.#session = new AgentSession({
      ...options,
      random: SYSTEM_RANDOM,
      aead: loadAead(),
      wallMsAtZero: clock.wallMs() - now,
    }, now);
    this.#driver = new NodeDriver({
      core: this.#session,
      clock,
      dial,
      log,
      onEvent: (event, at) => this.#handleEvent(event, at),
      onReadable: () => this.#seeker?.handleData(),
      onFault: (error) => this.#handleFault(error),
    });
    if (this.#maySeek()) {
      this.#seeker = new DirectSeeker({ session: this.#session, driver: this.#driver, clock, log });
    }
    this.#driver.turn();
  }

  status(): TunnelStatus {
    return this.#session.status();
  }

  silence(): TunnelSilence | undefined {
    return this.#silences.at(this.#driver.now(), this.#session.silentStatus());
  }

  onSilence(handler: () => void): () => void {
    return this.#silences.onChange(handler);
  }

  diagnostics(): Promise<TunnelDiagnostics> {
    return Promise.resolve(this.#session.diagnostics(this.#driver.now()));
  }

  trace() {
    return this.#session.trace();
  }

  get traffic(): TunnelTraffic {
    return this.#session.node.counters;
  }

  relayLatencies(): Readonly<Record<string, number>> {
    const { derpMap, deploymentUrl } = this.#options;
    if (this.#latencies.isWanted && this.#stop === undefined) {
      this.#probing = this.#probe(rewriteEmbeddedRelay(derpMap, deploymentUrl));
    }
    const rounded = [...this.#latencies.known].map(([region, latencyMs]) =>
      [this.#session.regionName(region), Math.round(latencyMs * 1_000) / 1_000] as const
    );
    return Object.fromEntries(rounded);
  }

  async reachable(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    await untilAborted(this.#reach.promise, signal);
  }

  async openTcp(port: number, signal?: AbortSignal): Promise<ByteStream> {
    await this.reachable(signal);
    this.#seeker?.handleUsed();
    const to = { remote: this.#session.agentAddress, port, keepaliveMs: TCP_KEEPALIVE_MS };
    return await this.#driver.connectTcp(to, signal);
  }

  async openUdp(port: number, signal?: AbortSignal): Promise<DatagramFlow> {
    await this.reachable(signal);
    this.#seeker?.handleUsed();
    return this.#driver.openUdp({ remote: this.#session.agentAddress, port });
  }

  /** A round trip of disco, not of WireGuard: it shows the way that packets take. */
  async ping(timeoutMs = PING_TIMEOUT_MS): Promise<PingResult | undefined> {
    if (this.#stop !== undefined || this.#fault !== undefined) return undefined;
    if (this.#session.isReachable) this.#seeker?.handleUsed();
    const { promise, resolve } = Promise.withResolvers<PingResult | undefined>();
    this.#pings.push(resolve);
    const timer = setTimeout(() => {
      const at = this.#pings.indexOf(resolve);
      if (at >= 0) this.#pings.splice(at, 1);
      resolve(undefined);
    }, timeoutMs);
    this.#session.ping(this.#driver.now());
    this.#driver.schedule();
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Tells coordinator and agent that we leave, then closes everything. */
  close(): Promise<void> {
    this.#stop ??= this.#leave();
    return this.#stop;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #leave(): Promise<void> {
    this.#closing.abort();
    this.#fail(new TunnelError({ kind: "closed" }));
    this.#answerPings(undefined);
    if (this.#fault === undefined) {
      this.#driver.abandonStreams();
      this.#session.leave(this.#driver.now());
      this.#driver.turn();
      await this.#left.promise;
    }
    this.#options.log.debug("counted", this.#session.node.counts());
    await this.#seeker?.close();
    await this.#driver.stop();
    await Promise.all([this.#probing, this.#fetching]);
    if (this.#fault !== undefined) throw this.#fault;
  }

  #handleEvent(event: AgentSessionEvent, now: Instant): void {
    const { log } = this.#options;
    switch (event.kind) {
      case "probeRelays":
        this.#probing = this.#probe(event.map);
        return;
      case "mapWanted":
        this.#fetching = this.#fetchMap();
        return;
      case "reachable":
        log.info("agent reachable", { sinceStartMs: Math.round(now) });
        return this.#reached();
      case "agentLost": {
        const message = lossWords(event.loss);
        log.warn("agent lost", { reason: message });
        this.#driver.endStreams({ kind: "lost", message });
        // Whoever comes from now on waits for the agent's return.
        if (this.#reach.state === "reached") this.#reach = newReach();
        return;
      }
      case "refused":
        return this.#refusal.resolve(new TunnelError(event.failure));
      case "failed": {
        const error = new TunnelError(event.failure);
        log.debug("agent not reached", { failure: event.failure.kind, reason: error.message });
        this.#fail(error);
        this.#driver.endStreams({ kind: "lost", message: error.message });
        return;
      }
      case "pong":
        this.#seeker?.handleData();
        return this.#answerPings(this.#pingResult(event));
      case "silent":
        log.info("the agent does not answer", { waitsFor: this.#session.silentStatus().step });
        return this.#silences.begin(event.since);
      case "silenceEnded":
        return this.#silences.end(event.since, now);
      case "changed":
        return this.#tellPath(event.change);
      case "resolve":
        return this.#seeker?.resolve(event.host);
      case "left":
        return this.#left.resolve();
    }
  }

  #maySeek(): boolean {
    const { seeksDirect = true, deploymentUrl, dial, log } = this.#options;
    // Who sends everything through a proxy wants nothing sent around it.
    const isProxied = proxyFor(targetOf(deploymentUrl), dial.env) !== undefined;
    if (seeksDirect && !isProxied) return true;
    const problem = seeksDirect ? "the deployment is reached through a proxy" : "switched off";
    log.info("no direct connection", { problem });
    return false;
  }

  #pingResult({ latencyMs, where }: Extract<AgentSessionEvent, { kind: "pong" }>): PingResult {
    const isDirect = where.kind === "udp";
    const region = isDirect ? this.#session.homeRegion ?? 0 : where.regionId;
    const relay = this.#session.regionName(region);
    const endpoint = isDirect ? { endpoint: formatEndpoint(where.endpoint) } : {};
    return { latencyMs, relay, isDirect, ...endpoint };
  }

  #tellPath(change: PathChange): void {
    const { log } = this.#options;
    if (change.kind === "relay") {
      const what = change.reason === "silence"
        ? "direct connection lost, using the relay"
        : "direct connection loses packets, trying the relay";
      log.info(what, { was: formatEndpoint(change.wasDirect) });
      return;
    }
    const latencyMs = Math.round(change.latencyMs * 10) / 10;
    log.info("direct connection", { to: formatEndpoint(change.endpoint), latencyMs });
  }

  async #probe(map: DerpMap): Promise<void> {
    try {
      const latencies = await this.#latencies.ask(map);
      if (this.#closing.signal.aborted) return;
      this.#session.handleRelayLatencies(latencies, this.#driver.now());
      this.#driver.schedule();
    } catch (error) {
      this.#driver.fail(error);
    }
  }

  /** What does not answer is asked again after the next loss of the coordinator: there is a map that worked. */
  async #fetchMap(): Promise<void> {
    const { fetchMap, log } = this.#options;
    const { signal } = this.#closing;
    let map: DerpMap;
    try {
      if (fetchMap === undefined) return;
      map = await fetchMap(signal);
    } catch (error) {
      log.debug("cannot ask for the relay map again", { reason: messageOf(error) });
      return;
    }
    if (signal.aborted) return;
    this.#session.handleMap(map, this.#driver.now());
    this.#driver.schedule();
  }

  #reached(): void {
    if (this.#reach.state === "failed") this.#reach = newReach();
    this.#reach.state = "reached";
    this.#reach.resolve();
  }

  /** Whoever waits is told; whoever comes later is told the last that is known. */
  #fail(error: Error): void {
    if (this.#reach.state !== "waiting") this.#reach = newReach();
    this.#reach.state = "failed";
    this.#reach.reject(error);
  }

  #answerPings(result: PingResult | undefined): void {
    for (const resolve of this.#pings.splice(0)) resolve(result);
  }

  #handleFault(error: unknown): void {
    this.#fault = new TunnelFault(error);
    this.#fail(this.#fault);
    this.#answerPings(undefined);
    this.#left.resolve();
  }
}

function newReach(): Reach {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  // Whoever waits hears of a rejection; perhaps nobody waits.
  promise.catch(() => {});
  return { promise, resolve, reject, state: "waiting" };
}

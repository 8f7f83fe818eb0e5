/** The tunnel to one agent on real sockets: an `AgentSession` driven by a `NodeDriver` and one coordinator connection. */
import type { Clock, Instant } from "../base/core.ts";
import { untilAborted } from "../base/abort.ts";
import { messageOf, UserError } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { ByteStream } from "../base/stream.ts";
import { loadAead } from "../crypto/mod.ts";
import {
  AgentSession,
  type AgentSessionEvent,
  type AgentSessionOptions,
  type AgentSessionStatus,
} from "../tailnet/agent_session.ts";
import type { CoordinatorLink } from "../tailnet/coordinator_link.ts";
import type { NodeEvent } from "../tailnet/node.ts";
import { Carrier } from "./carrier.ts";
import { closeQuietly, type Conn } from "./conn.ts";
import { dial, type DialOptions, targetOf } from "./dial.ts";
import { describeDialError } from "./dial_errors.ts";
import { type Companion, NodeDriver } from "./node_driver.ts";
import { SYSTEM_RANDOM } from "./random.ts";
import { probeRelays } from "./relay_probe.ts";

export interface AgentTunnelOptions
  extends Omit<AgentSessionOptions, "random" | "aead" | "wallMsAtZero"> {
  readonly clock: Clock;
  readonly dial: DialOptions;
  readonly log: Log;
}

/** A disco round trip over the relay. */
export interface PingResult {
  readonly latencyMs: number;
  /** The relay's name. */
  readonly relay: string;
}

const RELAY_PROBE_MS = 1_200;
const PING_TIMEOUT_MS = 5_000;
/**
 * A connection that only listens would never learn that the agent gave it up, which agents do half a minute after their
 * last bytes went unanswered: it is asked this often, and at once when the network is back.
 */
const TCP_KEEPALIVE_MS = 30_000;
const COORDINATOR_READ_BYTES = 16_384;

export class AgentTunnel implements Companion {
  readonly #options: AgentTunnelOptions;
  readonly #session: AgentSession;
  readonly #driver: NodeDriver;
  #reachable = newReachable();
  /** `settled` says how `#reachable` stands, which a promise does not tell. */
  #settled: "waiting" | "reachable" | "failed" = "waiting";
  readonly #pings: ((result: PingResult | undefined) => void)[] = [];
  readonly #leaving = Promise.withResolvers<void>();
  /** Connections to the coordinator: the present one, and those that are on their way out. */
  readonly #carriers = new Map<CoordinatorLink, Carrier>();
  readonly #dialling = new Map<CoordinatorLink, AbortController>();
  readonly #closing = new AbortController();
  readonly #running = new Set<Promise<void>>();
  #stop: Promise<void> | undefined;

  /** Begins at once: coordinator and relay are dialled side by side. */
  constructor(options: AgentTunnelOptions) {
    this.#options = options;
    const { clock } = options;
    const now = clock.now();
    this.#session = new AgentSession({
      ...options,
      random: SYSTEM_RANDOM,
      aead: loadAead(),
      wallMsAtZero: clock.wallMs() - now,
    }, now);
    this.#driver = new NodeDriver({
      node: this.#session.node,
      clock,
      dial: options.dial,
      log: options.log,
      companion: this,
    });
    this.#driver.turn();
  }

  status(): AgentSessionStatus {
    return this.#session.status();
  }

  /** Bytes that crossed the relay connections so far. */
  get traffic(): { readonly bytesIn: number; readonly bytesOut: number } {
    return this.#session.node.counters;
  }

  /** Resolves when the tunnel carries data; rejects with `UserError` when it never will, or the signal's reason. */
  async reachable(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    await untilAborted(this.#reachable.promise, signal);
  }

  /** Connects to a TCP port of the agent. Rejects with `StreamError`, `UserError`, or the signal's reason. */
  async openTcp(port: number, signal?: AbortSignal): Promise<ByteStream> {
    await this.reachable(signal);
    const to = { address: this.#session.agentAddress, port, keepaliveMs: TCP_KEEPALIVE_MS };
    return await this.#driver.connectTcp(to, signal);
  }

  /** One disco round trip; `undefined` when nothing came back in five seconds. */
  async ping(): Promise<PingResult | undefined> {
    if (this.#stop !== undefined) return undefined;
    const { promise, resolve } = Promise.withResolvers<PingResult | undefined>();
    this.#pings.push(resolve);
    const timer = setTimeout(() => {
      const at = this.#pings.indexOf(resolve);
      if (at >= 0) this.#pings.splice(at, 1);
      resolve(undefined);
    }, PING_TIMEOUT_MS);
    this.#session.ping(this.#driver.now());
    this.#driver.schedule();
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Tells coordinator and agent that we leave, then closes everything. Idempotent; takes about a second at most. */
  close(): Promise<void> {
    this.#stop ??= this.#leave();
    return this.#stop;
  }

  async #leave(): Promise<void> {
    this.#closing.abort();
    this.#reachable.reject(new UserError("The connection to the workspace was closed"));
    for (const resolve of this.#pings.splice(0)) resolve(undefined);
    this.#driver.abandonStreams();
    this.#session.leave(this.#driver.now());
    this.#driver.turn();
    await this.#leaving.promise;
    await this.#driver.stop();
    for (const link of [...this.#dialling.keys(), ...this.#carriers.keys()]) this.#hangUp(link);
    await Promise.all(this.#running);
  }

  handleFault(error: unknown): void {
    this.#reachable = newReachable();
    this.#settled = "failed";
    this.#reachable.reject(error);
    for (const resolve of this.#pings.splice(0)) resolve(undefined);
    // Nobody turns the session any more: whoever closes need not wait for its goodbye.
    this.#leaving.resolve();
  }

  turn(now: Instant): void {
    for (let event = this.#session.pollEvent(); event; event = this.#session.pollEvent()) {
      this.#handleSessionEvent(event, now);
    }
    if (this.#session.hasLeft) this.#leaving.resolve();
    for (const carrier of this.#carriers.values()) carrier.kick();
  }

  handleTimeout(now: Instant): void {
    this.#session.handleTimeout(now);
  }

  pollTimeout(): Instant | undefined {
    return this.#session.pollTimeout();
  }

  handleNodeEvent(event: NodeEvent, now: Instant): void {
    this.#session.handleNodeEvent(event, now);
    if (event.kind === "pong") {
      const relay = this.#session.regionName(event.region);
      for (const resolve of this.#pings.splice(0)) resolve({ latencyMs: event.latencyMs, relay });
    }
    this.#driver.schedule();
  }

  handleUnreachableRelay(region: number, reason: string, now: Instant): void {
    this.#session.handleUnreachableRelay(region, reason, now);
    this.#driver.schedule();
  }

  handleWake(now: Instant): void {
    this.#session.handleWake(now);
  }

  #handleSessionEvent(event: AgentSessionEvent, now: Instant): void {
    const { log } = this.#options;
    switch (event.kind) {
      case "dialCoordinator":
        this.#run(this.#dialCoordinator(event.link));
        return;
      case "hangUpCoordinator":
        this.#hangUp(event.link);
        return;
      case "probeRelays":
        this.#run(
          probeRelays(event.map, {
            clock: this.#options.clock,
            dial: this.#options.dial,
            headers: this.#options.relayHeaders,
            timeoutMs: RELAY_PROBE_MS,
            signal: this.#closing.signal,
          }).then((latencies) => {
            if (this.#closing.signal.aborted) return;
            this.#session.handleRelayLatencies(latencies, this.#driver.now());
            this.#driver.schedule();
          }),
        );
        return;
      case "reachable":
        log.info("agent reachable", { sinceStartMs: Math.round(now) });
        // What failed for a while may come about after all.
        if (this.#settled === "failed") this.#reachable = newReachable();
        this.#settled = "reachable";
        this.#reachable.resolve();
        return;
      case "agentLost":
        log.warn("agent lost", { reason: event.message });
        this.#driver.endStreams({ kind: "lost", message: event.message });
        // Whoever comes from now on waits for the agent's return.
        if (this.#settled !== "waiting") this.#reachable = newReachable();
        this.#settled = "waiting";
        return;
      case "failed": {
        const { message, hint } = event;
        this.#settled = "failed";
        this.#reachable.reject(new UserError(message, { hint }));
        this.#driver.endStreams({ kind: "lost", message });
        return;
      }
    }
  }

  async #dialCoordinator(link: CoordinatorLink): Promise<void> {
    const { deploymentUrl, log } = this.#options;
    const target = targetOf(deploymentUrl);
    const controller = new AbortController();
    this.#dialling.set(link, controller);
    let conn: Conn;
    try {
      conn = await dial(target, { ...this.#options.dial, signal: controller.signal });
    } catch (error) {
      this.#dialling.delete(link);
      if (controller.signal.aborted) return;
      const message = describeDialError(error, target) ?? messageOf(error);
      log.debug("cannot dial coordinator", { reason: message });
      this.#session.handleCoordinatorClosed(link, message, this.#driver.now());
      this.#driver.schedule();
      return;
    }
    this.#dialling.delete(link);
    // Called off at the moment when it was connected.
    if (controller.signal.aborted) closeQuietly(conn);
    else this.#carry(link, conn);
  }

  #carry(link: CoordinatorLink, conn: Conn): void {
    const carrier = new Carrier({
      conn,
      link,
      readChunkBytes: COORDINATOR_READ_BYTES,
      onBytes: (chunk) => {
        this.#session.handleCoordinatorBytes(link, chunk, this.#driver.now());
        this.#driver.turn();
      },
      onWritten: () => {},
      onFault: (error) => this.#driver.fault(error),
      onClosed: (reason) => {
        this.#options.log.debug("coordinator connection ended", { reason });
        this.#hangUp(link);
        this.#session.handleCoordinatorClosed(link, reason, this.#driver.now());
        this.#driver.schedule();
      },
    });
    this.#carriers.set(link, carrier);
  }

  /** Sends what the link still has, then closes its connection; calls it off if there is none yet. */
  #hangUp(link: CoordinatorLink): void {
    this.#dialling.get(link)?.abort();
    const carrier = this.#carriers.get(link);
    this.#carriers.delete(link);
    if (carrier !== undefined) this.#run(closeInOrder(carrier));
  }

  #run(work: Promise<void>): void {
    const running = work.catch((error: unknown) => this.#driver.fault(error))
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
  }
}

async function closeInOrder(carrier: Carrier): Promise<void> {
  await carrier.drained();
  carrier.close();
  await carrier.ended();
}

function newReachable(): PromiseWithResolvers<void> {
  const reachable = Promise.withResolvers<void>();
  // A rejection is for whoever waits; nobody may.
  reachable.promise.catch(() => {});
  return reachable;
}

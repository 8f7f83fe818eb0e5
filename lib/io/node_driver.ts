/**
 * Runs a tunnel node: dials the relays it asks for, carries bytes, arms its one timer, and turns its TCP sockets into
 * byte streams. One turn of the loop handles what arrived and ends in at most one write for each relay.
 */
import type { Clock, Instant } from "../base/core.ts";
import { messageOf } from "../base/errors.ts";
import { earlier } from "../base/deadlines.ts";
import type { Log } from "../base/log.ts";
import { type ByteStream, type StreamEnd, StreamError } from "../base/stream.ts";
import type { NetstackEvent, TcpSocket, TcpState } from "../netstack/mod.ts";
import type { RelayEndpoint } from "../tailnet/derp_map.ts";
import type { NodeEvent, TunnelNode } from "../tailnet/node.ts";
import type { RelayLink } from "../tailnet/relay_link.ts";
import { Carrier } from "./carrier.ts";
import { closeQuietly, type Conn } from "./conn.ts";
import { dial, type DialOptions } from "./dial.ts";
import { describeDialError } from "./dial_errors.ts";
import { TcpStream } from "./tcp_stream.ts";

/** Another core that shares the node's loop and timer. */
export interface Companion {
  /** Called once in every turn, before packets leave. */
  turn(now: Instant): void;
  handleTimeout(now: Instant): void;
  pollTimeout(): Instant | undefined;
  handleNodeEvent(event: NodeEvent, now: Instant): void;
  /** The machine slept: whatever waits for a retry need not. */
  handleWake(now: Instant): void;
  /** A relay never answered; `reason` is one line. */
  handleUnreachableRelay(region: number, reason: string, now: Instant): void;
  /**
   * A fault of this program: some core or driver threw what nobody expects. Streams are ended, nothing turns any more, and
   * `stop` still closes everything. Called once.
   */
  handleFault(error: unknown): void;
  /** A peer of the network connected to a listening port of ours. */
  handleAccepted?(stream: ByteStream, socket: TcpSocket, port: number): void;
}

export interface NodeDriverOptions {
  readonly node: TunnelNode;
  readonly clock: Clock;
  readonly dial: DialOptions;
  readonly log: Log;
  readonly companion: Companion;
}

/** A timer longer than this is armed again: a sleep is noticed within it. */
const MAX_TIMER_MS = 10_000;
/** Instants further apart than the timer explains mean that the machine slept. */
const SLEEP_NOTICE_MS = 15_000;
/** Time limit for one address of a relay, so that the next one gets its turn. */
const RELAY_DIAL_MS = 5_000;
const CLOSED = "Connection was closed";
const OPEN_STATES: ReadonlySet<TcpState> = new Set(["syn-sent", "established", "close-wait"]);

export class NodeDriver {
  readonly #options: NodeDriverOptions;
  readonly #node: TunnelNode;
  readonly #carriers = new Map<RelayLink, Carrier>();
  readonly #dialling = new Map<RelayLink, AbortController>();
  readonly #streams = new Map<TcpSocket, TcpStream>();
  readonly #connecting = new Map<TcpSocket, (end: StreamEnd | undefined) => void>();
  /** Dials and connections that are coming to their end. */
  readonly #running = new Set<Promise<void>>();
  #stop: Promise<void> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerAt = Infinity;
  #lastTurnAt: Instant;
  #isScheduled = false;
  #isStopped = false;
  #hasFault = false;

  constructor(options: NodeDriverOptions) {
    this.#options = options;
    this.#node = options.node;
    this.#lastTurnAt = options.clock.now();
  }

  now(): Instant {
    return this.#options.clock.now();
  }

  /** Runs a turn soon, once for any number of calls. */
  schedule(): void {
    if (this.#isScheduled || this.#isStopped) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.guard(() => this.turn());
    });
  }

  /**
   * Runs work whose caller is the platform: a timer, a socket, a promise. What it throws has an owner that way: it ends the
   * tunnel with its cause.
   */
  guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.fault(error);
    }
  }

  /** Ends everything because of a fault of this program. Idempotent. */
  fault(error: unknown): void {
    if (this.#hasFault || this.#isStopped) return;
    this.#hasFault = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const message = `hawser failed: ${messageOf(error)}`;
    this.#options.log.error("the tunnel ended by a fault of this program", {
      error: error instanceof Error ? error.stack ?? message : message,
    });
    for (const [socket, stream] of [...this.#streams]) {
      this.#finish(socket, stream, { kind: "lost", message });
    }
    this.#options.companion.handleFault(error);
  }

  /** Handles what is due and sends what must leave. */
  turn(): void {
    if (this.#isStopped || this.#hasFault) return;
    const now = this.now();
    this.#noticeSleep(now);
    this.#options.companion.turn(now);
    this.#node.pump(now);
    this.#handleEvents(now);
    for (const carrier of this.#carriers.values()) carrier.kick();
    this.#arm(now);
  }

  /** Opens a TCP connection inside the tunnel. Rejects with `StreamError`, or the signal's reason. */
  async connectTcp(
    to: { readonly address: Uint8Array; readonly port: number; readonly keepaliveMs?: number },
    signal?: AbortSignal,
  ): Promise<ByteStream> {
    signal?.throwIfAborted();
    if (this.#isStopped || this.#hasFault) {
      throw new StreamError({ kind: "aborted", message: CLOSED });
    }
    const { address, port, keepaliveMs } = to;
    const socket = this.#node.netstack.connect({
      remote: address,
      port,
      ...(keepaliveMs === undefined ? {} : { keepaliveMs }),
    }, this.now());
    const stream = this.#adopt(socket);
    const { promise, resolve } = Promise.withResolvers<StreamEnd | undefined>();
    this.#connecting.set(socket, resolve);
    const onAbort = () => stream.abort("Connecting was given up");
    signal?.addEventListener("abort", onAbort, { once: true });
    this.schedule();
    const end = await promise;
    signal?.removeEventListener("abort", onAbort);
    signal?.throwIfAborted();
    if (end !== undefined) throw new StreamError(end);
    return stream;
  }

  /** Ends every stream with `end`: what they ran over is gone for good. */
  endStreams(end: StreamEnd): void {
    for (const [socket, stream] of [...this.#streams]) {
      socket.abort(this.now());
      this.#finish(socket, stream, end);
    }
  }

  /** Resets the streams whose owners have not even half-closed them: the peer need not wait for what never comes. */
  abandonStreams(): void {
    for (const [socket, stream] of [...this.#streams]) {
      if (!OPEN_STATES.has(socket.state)) continue;
      socket.abort(this.now());
      this.#finish(socket, stream, { kind: "aborted", message: CLOSED });
    }
    this.schedule();
  }

  /** Writes what was gathered, closes every connection and timer; resolves when nothing runs any more. Idempotent. */
  stop(): Promise<void> {
    this.#stop ??= this.#stopAll();
    return this.#stop;
  }

  async #stopAll(): Promise<void> {
    this.turn();
    if (!this.#hasFault) {
      await Promise.all([...this.#carriers.values()].map((carrier) => carrier.drained()));
    }
    this.#isStopped = true;
    clearTimeout(this.#timer);
    for (const controller of this.#dialling.values()) controller.abort();
    for (const carrier of this.#carriers.values()) {
      carrier.close();
      this.#running.add(carrier.ended());
    }
    this.#carriers.clear();
    for (const [socket, stream] of [...this.#streams]) {
      this.#finish(socket, stream, { kind: "aborted", message: CLOSED });
    }
    await Promise.all(this.#running);
    this.#node.close();
  }

  #noticeSleep(now: Instant): void {
    const elapsedMs = now - this.#lastTurnAt;
    this.#lastTurnAt = now;
    if (elapsedMs < SLEEP_NOTICE_MS) return;
    this.#options.log.info("time jumped, dialling everything anew", { elapsedMs });
    this.#node.relays.redialAll(now);
    this.#options.companion.handleWake(now);
  }

  #handleEvents(now: Instant): void {
    const { relays, netstack } = this.#node;
    for (let event = relays.pollEvent(); event; event = relays.pollEvent()) {
      if (event.kind === "dial") this.#track(this.#dialRelay(event.link, event.endpoints));
      else if (event.kind === "hangUp") this.#hangUp(event.link);
      else this.#options.companion.handleUnreachableRelay(event.region, event.reason, now);
    }
    for (let event = this.#node.pollEvent(); event; event = this.#node.pollEvent()) {
      this.#options.companion.handleNodeEvent(event, now);
    }
    for (let event = netstack.pollEvent(); event; event = netstack.pollEvent()) {
      this.#handleSocketEvent(event);
    }
  }

  #handleSocketEvent(event: NetstackEvent): void {
    if (event.kind === "pong") return;
    const { socket } = event;
    if (event.kind === "accepted") {
      const stream = this.#adopt(socket);
      this.#options.companion.handleAccepted?.(stream, socket, event.port);
      return;
    }
    const stream = this.#streams.get(socket);
    if (stream === undefined) return;
    if (event.kind === "connected") this.#connected(socket, undefined);
    else if (event.kind === "readable") stream.handleReadable();
    else if (event.kind === "writable") stream.handleWritable();
    else this.#finish(socket, stream, socket.end ?? { kind: "closed" });
  }

  #connected(socket: TcpSocket, end: StreamEnd | undefined): void {
    const settle = this.#connecting.get(socket);
    this.#connecting.delete(socket);
    settle?.(end);
  }

  #finish(socket: TcpSocket, stream: TcpStream, end: StreamEnd): void {
    this.#streams.delete(socket);
    stream.finish(end);
    this.#connected(socket, end);
  }

  #adopt(socket: TcpSocket): TcpStream {
    const stream = new TcpStream(socket, this);
    this.#streams.set(socket, stream);
    return stream;
  }

  async #dialRelay(link: RelayLink, endpoints: readonly RelayEndpoint[]): Promise<void> {
    const controller = new AbortController();
    this.#dialling.set(link, controller);
    let failure = "has no address";
    for (const endpoint of endpoints) {
      let conn: Conn;
      try {
        conn = await dial(endpoint, {
          ...this.#options.dial,
          timeoutMs: RELAY_DIAL_MS,
          signal: controller.signal,
        });
      } catch (error) {
        if (controller.signal.aborted) break;
        failure = describeDialError(error, endpoint) ?? messageOf(error);
        this.#options.log.debug("cannot dial relay", { region: link.region, failure });
        continue;
      }
      this.#dialling.delete(link);
      // Called off at the moment when it was connected.
      if (controller.signal.aborted) return closeQuietly(conn);
      try {
        link.open(endpoint.hostHeader);
      } catch (error) {
        closeQuietly(conn);
        throw error;
      }
      this.#carry(link, conn);
      return;
    }
    this.#dialling.delete(link);
    if (controller.signal.aborted) return;
    this.#node.relays.handleClosed(link, failure, this.now());
    this.turn();
  }

  #carry(link: RelayLink, conn: Conn): void {
    const carrier = new Carrier({
      conn,
      link,
      onBytes: (chunk) => {
        this.#node.handleRelayBytes(link, chunk, this.now());
        this.turn();
      },
      onWritten: (count) => {
        const now = this.now();
        this.#node.counters.bytesOut += count;
        this.#node.pump(now);
        // What was sent just now has deadlines of its own.
        this.#arm(now);
      },
      onClosed: (reason) => this.#lost(link, reason),
      onFault: (error) => this.fault(error),
    });
    this.#carriers.set(link, carrier);
  }

  #lost(link: RelayLink, reason: string): void {
    this.#hangUp(link);
    this.#options.log.debug("relay connection ended", { region: link.region, reason });
    this.#node.relays.handleClosed(link, reason, this.now());
    this.schedule();
  }

  #hangUp(link: RelayLink): void {
    this.#dialling.get(link)?.abort();
    const carrier = this.#carriers.get(link);
    if (carrier === undefined) return;
    this.#carriers.delete(link);
    carrier.close();
    this.#track(carrier.ended());
  }

  #track(running: Promise<void>): void {
    const owned = running.catch((error: unknown) => this.fault(error))
      .finally(() => this.#running.delete(owned));
    this.#running.add(owned);
  }

  /** One timer for all cores: moved only when something is due earlier, re-armed when it fires. */
  #arm(now: Instant): void {
    const due = earlier(this.#node.pollTimeout(), this.#options.companion.pollTimeout());
    const at = Math.min(due ?? Infinity, now + MAX_TIMER_MS);
    if (this.#timer !== undefined && at >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = at;
    this.#timer = setTimeout(() => this.guard(() => this.#onTimer()), Math.max(0, at - now));
  }

  #onTimer(): void {
    this.#timerAt = Infinity;
    if (this.#hasFault) return;
    const now = this.now();
    this.#noticeSleep(now);
    this.#timer = undefined;
    this.#node.handleTimeout(now);
    this.#options.companion.handleTimeout(now);
    this.turn();
  }
}

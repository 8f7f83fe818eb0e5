/**
 * Runs a tunnel on real sockets: a core, the connections of its lines, its TCP sockets as byte streams, its UDP flows, and its one timer.
 * Whatever happens - bytes came, a connection ended, somebody wrote, time passed, bytes went that others waited for - is told
 * to the core and ends in the same turn: what must leave is gathered, events are handled, connections write, the timer is armed.
 *
 * What the core or an owner of events throws is a mistake of ours. It ends everything: streams are lost, connections closed,
 * and `onFault` is told, once.
 */
import type { Clock, Instant } from "../base/core.ts";
import type { DatagramFlow } from "../base/datagrams.ts";
import { messageOf } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import { type ByteStream, type StreamEnd, StreamError } from "../base/stream.ts";
import type { ConnectOptions, FlowOptions, NetstackEvent } from "../netstack/mod.ts";
import type { TunnelCore } from "../tailnet/tunnel_core.ts";
import type { DialOptions } from "./dial.ts";
import { Lines } from "./lines.ts";
import { TunnelDatagrams } from "./tunnel_datagrams.ts";
import { type AcceptedSocket, TunnelStreams } from "./tunnel_streams.ts";

export interface NodeDriverOptions<Event> {
  readonly core: TunnelCore<Event>;
  readonly clock: Clock;
  readonly dial: DialOptions;
  readonly log: Log;
  /** Gets every event of the core, in a turn: what it does is followed by another round. */
  readonly onEvent: (event: Event, now: Instant) => void;
  /** Gets connections that peers open. @default none are expected */
  readonly onAccepted?: (accepted: AcceptedSocket) => void;
  /** Gets flows that peers begin; `port` is ours. @default none are expected */
  readonly onFlow?: (flow: DatagramFlow, port: number) => void;
  /** Something can be read of a stream or a flow, or its end. @default nobody wants to know */
  readonly onReadable?: () => void;
  /** The driver ended by a mistake of ours; nothing runs any more but what is coming to its end. */
  readonly onFault: (error: unknown) => void;
}

/** Sockets beside the lines, which each turn looks after. */
export interface Companion {
  /** Before anything leaves: what the core is to be told. */
  look(now: Instant): void;
  /** Sends what was gathered. */
  kick(): void;
  /** Resolves when what was gathered is sent. */
  drained(): Promise<void>;
  /** Closes everything; resolves when nothing runs any more. Idempotent. */
  close(): Promise<void>;
}

/** A timer longer than this is armed again: a sleep is noticed within it. */
const MAX_TIMER_MS = 10_000;
/** Instants further apart than the timer explains mean that the machine slept. */
const SLEEP_NOTICE_MS = 15_000;
const CLOSED: StreamEnd = { kind: "aborted", message: "Connection was closed" };

export class NodeDriver<Event> {
  readonly #options: NodeDriverOptions<Event>;
  readonly #core: TunnelCore<Event>;
  readonly #lines: Lines;
  readonly #streams: TunnelStreams;
  readonly #datagrams: TunnelDatagrams;
  #companion: Companion | undefined;
  #closing: Promise<void> | undefined;
  #stop: Promise<void> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerAt = Infinity;
  #lastTurnAt: Instant;
  #isScheduled = false;
  #isStopped = false;

  constructor(options: NodeDriverOptions<Event>) {
    const { core, clock, dial, log } = options;
    this.#options = options;
    this.#core = core;
    this.#lastTurnAt = clock.now();
    this.#streams = new TunnelStreams(this);
    this.#datagrams = new TunnelDatagrams(this);
    this.#lines = new Lines({
      owner: core,
      clock,
      dial,
      log,
      onTurn: (now) => this.turn(now),
      onFault: (error) => this.fail(error),
    });
  }

  now(): Instant {
    return this.#options.clock.now();
  }

  /** Takes sockets that the core has besides its lines; closes them at its own end, at once when that was before. */
  attach(companion: Companion): void {
    this.#companion = companion;
    if (this.#isStopped) this.#closing = companion.close();
    else this.schedule();
  }

  /** Runs a turn soon, once for any number of calls. */
  schedule(): void {
    if (this.#isScheduled || this.#isStopped) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.turn();
    });
  }

  /** Handles what is due and sends what must leave. */
  turn(now = this.now()): void {
    this.#guard(() => {
      this.#noticeSleep(now);
      this.#run(now);
    });
  }

  /** Opens a TCP connection inside the tunnel. Rejects with `StreamError`, or the signal's reason. */
  async connectTcp(to: ConnectOptions, signal?: AbortSignal): Promise<ByteStream> {
    signal?.throwIfAborted();
    if (this.#isStopped) throw new StreamError(CLOSED);
    return await this.#streams.connected(this.#core.connect(to, this.now()), signal);
  }

  /** Opens a flow of UDP datagrams inside the tunnel. Throws `StreamError`. */
  openUdp(to: FlowOptions): DatagramFlow {
    if (this.#isStopped) throw new StreamError(CLOSED);
    return this.#datagrams.adopt(this.#core.openUdp(to));
  }

  /** Ends every stream with `end`, and every flow: what they ran over is gone for good. */
  endStreams(end: StreamEnd): void {
    this.#datagrams.endAll();
    this.#streams.endAll(end);
  }

  /** Resets the streams whose owners have not even half-closed them: the peer need not wait for what never comes. */
  abandonStreams(): void {
    this.#streams.abandon(CLOSED);
    this.schedule();
  }

  /** Writes what was gathered, closes every connection and timer; resolves when nothing runs any more. Idempotent. */
  stop(): Promise<void> {
    this.#stop ??= this.#stopAll();
    return this.#stop;
  }

  async #stopAll(): Promise<void> {
    this.turn();
    await Promise.all([this.#lines.drained(), this.#companion?.drained()]);
    this.#end(CLOSED);
    await Promise.all([this.#lines.ended(), this.#closing]);
  }

  #end(end: StreamEnd): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    clearTimeout(this.#timer);
    this.#lines.close();
    this.#closing = this.#companion?.close();
    this.#streams.drop(end);
    this.#datagrams.endAll();
    this.#core.close();
  }

  /** Should be called with what was thrown where nobody expects it: everything ends, as when the core throws. */
  fail(error: unknown): void {
    if (this.#isStopped) return;
    const stack = error instanceof Error ? error.stack : undefined;
    const message = `hawser failed: ${messageOf(error)}`;
    this.#options.log.error("the tunnel ended by a fault of this program", {
      error: stack ?? message,
    });
    this.#end({ kind: "lost", message });
    this.#options.onFault(error);
  }

  #guard(work: () => void): void {
    if (this.#isStopped) return;
    try {
      work();
    } catch (error) {
      this.fail(error);
    }
  }

  #noticeSleep(now: Instant): void {
    const elapsedMs = now - this.#lastTurnAt;
    this.#lastTurnAt = now;
    if (elapsedMs < SLEEP_NOTICE_MS) return;
    this.#options.log.info("time jumped, dialling everything anew", { elapsedMs });
    this.#core.handleWake(now);
  }

  #run(now: Instant): void {
    this.#companion?.look(now);
    do this.#core.pump(now); while (this.#handleEvents(now));
    this.#lines.kick();
    this.#companion?.kick();
    this.#arm(now);
  }

  /** Whether there was an event of the core: what was done about it may have made something leave. */
  #handleEvents(now: Instant): boolean {
    const core = this.#core;
    const { onEvent } = this.#options;
    for (let event = core.pollLineEvent(); event; event = core.pollLineEvent()) {
      this.#lines.handleEvent(event);
    }
    // What readers and writers do about these comes as a call of theirs.
    for (let event = core.pollSocketEvent(); event; event = core.pollSocketEvent()) {
      this.#handleSocketEvent(event);
    }
    let isMoved = false;
    for (let event = core.pollEvent(); event !== undefined; event = core.pollEvent()) {
      isMoved = true;
      onEvent(event, now);
    }
    return isMoved;
  }

  #handleSocketEvent(event: NetstackEvent): void {
    const { onAccepted, onFlow, onReadable } = this.#options;
    switch (event.kind) {
      case "pong":
        return;
      case "datagram": {
        const begun = this.#datagrams.handleEvent(event);
        if (begun !== undefined) onFlow?.(begun, event.flow.endpoints.localPort);
        return onReadable?.();
      }
      default: {
        const accepted = this.#streams.handleEvent(event);
        if (accepted !== undefined) onAccepted?.(accepted);
        if (event.kind === "readable") onReadable?.();
      }
    }
  }

  /** One timer for all of the core: moved only when something is due earlier, re-armed when it fires. */
  #arm(now: Instant): void {
    if (this.#isStopped) return; // by what an event of this very turn led to
    const at = Math.min(this.#core.pollTimeout() ?? Infinity, now + MAX_TIMER_MS);
    if (this.#timer !== undefined && at >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = at;
    this.#timer = setTimeout(() => this.#onTimer(), Math.max(0, at - now));
  }

  #onTimer(): void {
    this.#timerAt = Infinity;
    this.#timer = undefined;
    this.#guard(() => {
      const now = this.now();
      this.#noticeSleep(now);
      this.#core.handleTimeout(now);
      this.#run(now);
    });
  }
}

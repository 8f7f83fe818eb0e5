/**
 * A tunnel that another process holds (`tunnel_holder.ts`), as if it were our own. When its holder goes, what is asked for from
 * then on is done by a tunnel of our own; streams that went through it are lost, and say why.
 */
import type { DatagramFlow } from "../base/datagrams.ts";
import { ExpectedError } from "../base/errors.ts";
import type { HeldSession } from "../base/session.ts";
import { type ByteStream, type StreamEnd, StreamError } from "../base/stream.ts";
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
import { untilAborted } from "../base/abort.ts";
import { type Frame, FrameType, SharingError } from "../sharing/frame.ts";
import {
  decodeEnd,
  decodePong,
  decodeReport,
  decodeSilence,
  encodePing,
  encodePort,
  type TunnelReport,
} from "../sharing/message.ts";
import { Alarm, TooLate, within } from "./alarm.ts";
import { expectFrame, type FramedSocket } from "./framed_socket.ts";
import { callHolder, HOLDER, type HolderPlace } from "./holder_call.ts";
import { askForSession } from "./offered_session.ts";
import { HOLDER_GONE, type Meter, SharedStream } from "./shared_stream.ts";
import { Silences } from "./silences.ts";
import { Tasks } from "./tasks.ts";

export interface SharedTunnelOptions extends HolderPlace {
  /** The holder answers within this, or is done without. */
  readonly attachMs: number;
  /** Called when it takes a good part of that. @default nothing is done meanwhile */
  readonly onSlow?: () => void;
  /** A tunnel of our own, for when the holder has gone. */
  readonly startOwn: () => Promise<AgentTunnel>;
}

const PING_TIMEOUT_MS = 5_000;
/** A holder that is not stopped has heard within this that a port is wanted, even when many ask at once. */
const HEARD_MS = 1_000;

export class SharedTunnel implements AgentTunnel {
  /** Its holder ends then, which is all that we see of it. */
  readonly refused: Promise<TunnelError> = new Promise(() => {});
  readonly #options: SharedTunnelOptions;
  readonly #control: FramedSocket;
  readonly #meter: Meter = { bytesIn: 0, bytesOut: 0 };
  readonly #streams = new Set<ByteStream>();
  readonly #sessions = new Set<HeldSession>();
  readonly #pings = new Map<number, (result: PingResult | undefined) => void>();
  readonly #tasks = new Tasks(() => this.#handleHolderGone());
  readonly #silences = new Silences();
  /** What was waited for in the silence told last. */
  #silentStatus: TunnelStatus = { step: "reachable" };
  #lastPing = 0;
  #report: TunnelReport;
  /** Once the holder has gone. */
  #own: Promise<AgentTunnel> | undefined;
  #ownNow: AgentTunnel | undefined;
  #isClosed = false;
  #isHolderGone = false;

  private constructor(options: SharedTunnelOptions, control: FramedSocket, report: TunnelReport) {
    this.#options = options;
    this.#control = control;
    this.#report = report;
    this.#tasks.add(this.#pump());
  }

  /** The tunnel that is held there; `undefined` while its agent does not answer. Rejects with `ExpectedError`: there is no such holder. */
  static async attach(options: SharedTunnelOptions): Promise<SharedTunnel | undefined> {
    const { clock, attachMs, onSlow } = options;
    const socket = await within(
      { clock, ms: attachMs, who: HOLDER, onSlow },
      (signal) => callHolder(options, signal),
    );
    try {
      // One that has said so much is not stopped: it may take its time.
      const report = await within(
        { clock, ms: HEARD_MS, who: HOLDER },
        (signal) => untilAborted(ask(socket), signal),
      );
      if (report !== undefined) return new SharedTunnel(options, socket, report);
      socket.close();
      return undefined;
    } catch (error) {
      socket.close();
      throw error;
    }
  }

  async reachable(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (this.#isHolderGone) await (await this.#startOwn()).reachable(signal);
  }

  async openTcp(port: number, signal?: AbortSignal): Promise<ByteStream> {
    signal?.throwIfAborted();
    if (!this.#isHolderGone) {
      const stream = await this.#open(port, signal);
      if (stream !== undefined) return stream;
    }
    return await (await this.#startOwn()).openTcp(port, signal);
  }

  /** A holder that does not even hear is done without from then on: whoever waits for a session is not to wait for a port as well. */
  async openHeldSession(signal?: AbortSignal): Promise<HeldSession | string> {
    if (this.#isHolderGone || this.#isClosed) return HOLDER_GONE.message;
    try {
      const session = await askForSession({
        place: this.#options,
        meter: this.#meter,
        tasks: this.#tasks,
      }, signal);
      this.#sessions.add(session);
      session.closed.then(() => this.#sessions.delete(session));
      if (this.#isClosed) session.abort();
      return session;
    } catch (error) {
      if (signal?.aborted || !(error instanceof ExpectedError)) throw error;
      if (error instanceof TooLate) this.#handleHolderGone();
      return error.message;
    }
  }

  /** The holder carries no datagrams. */
  async openUdp(port: number, signal?: AbortSignal): Promise<DatagramFlow> {
    signal?.throwIfAborted();
    return await (await this.#startOwn()).openUdp(port, signal);
  }

  async ping(timeoutMs = PING_TIMEOUT_MS): Promise<PingResult | undefined> {
    if (this.#isClosed) return undefined;
    // Somebody who only asks needs no tunnel of his own.
    if (this.#isHolderGone) return await this.#ownNow?.ping(timeoutMs);
    const id = ++this.#lastPing;
    const { promise, resolve } = Promise.withResolvers<PingResult | undefined>();
    this.#pings.set(id, resolve);
    this.#tasks.add(this.#askForPing(id, timeoutMs));
    // A holder that is stopped does not even say that nothing came.
    const alarm = new Alarm(this.#options.clock, timeoutMs, () => this.#answer(id, undefined));
    try {
      return await promise;
    } finally {
      await alarm.stop();
    }
  }

  status(): TunnelStatus {
    if (!this.#isHolderGone) return { step: "reachable" };
    return this.#ownNow?.status() ?? { step: "relay", relay: undefined, lastFailure: undefined };
  }

  silence(): TunnelSilence | undefined {
    return this.#ownNow?.silence() ??
      this.#silences.at(this.#options.clock.now(), this.#silentStatus);
  }

  /** As told by the holder. */
  onSilence(handler: () => void): () => void {
    return this.#silences.onChange(handler);
  }

  async diagnostics(): Promise<TunnelDiagnostics> {
    return await this.#ownNow?.diagnostics() ?? this.#report.diagnostics;
  }

  /** Of ourselves alone: what others send through the tunnel is theirs. */
  get traffic(): TunnelTraffic {
    const own = this.#ownNow?.traffic;
    return {
      bytesIn: this.#meter.bytesIn + (own?.bytesIn ?? 0),
      bytesOut: this.#meter.bytesOut + (own?.bytesOut ?? 0),
    };
  }

  relayLatencies(): Readonly<Record<string, number>> {
    return this.#ownNow?.relayLatencies() ?? this.#report.latencies;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const stream of this.#streams) stream.abort("The connection to the workspace was closed");
    for (const session of this.#sessions) session.abort();
    this.#handleHolderGone();
    this.#control.close();
    const own = this.#own?.then((tunnel) => tunnel.close(), (error: unknown) => {
      if (!(error instanceof ExpectedError)) throw error; // told by whoever asked for it
    });
    try {
      await this.#tasks.ended();
    } catch (error) {
      throw new TunnelFault(error);
    } finally {
      await own;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** `undefined` when the holder has gone meanwhile. */
  async #open(port: number, signal?: AbortSignal): Promise<ByteStream | undefined> {
    const answer = await this.#askToOpen(port, signal);
    if (answer === undefined) {
      this.#handleHolderGone();
      return undefined;
    }
    if ("end" in answer) throw new StreamError(answer.end);
    const stream = new SharedStream(answer.socket, this.#meter);
    this.#streams.add(stream);
    this.#tasks.add(this.#runStream(stream));
    if (this.#isClosed) stream.abort();
    return stream;
  }

  async #runStream(stream: SharedStream): Promise<void> {
    try {
      await stream.run();
    } finally {
      this.#streams.delete(stream);
    }
  }

  /** `undefined` when there is no answer any more. Rejects with the signal's reason. */
  async #askToOpen(
    port: number,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly socket: FramedSocket } | { readonly end: StreamEnd } | undefined> {
    let socket: FramedSocket | undefined;
    let isOpen = false;
    try {
      socket = await this.#askToHear(port, signal);
      const frame = await untilAborted(socket.next(), signal);
      isOpen = frame?.type === FrameType.opened;
      if (isOpen) return { socket };
      return frame?.type === FrameType.ended ? { end: decodeEnd(frame.payload) } : undefined;
    } catch (error) {
      if (signal?.aborted || !(error instanceof ExpectedError)) throw error;
      return undefined;
    } finally {
      if (!isOpen) socket?.close();
    }
  }

  /** A connection whose holder has heard that the port is wanted. */
  async #askToHear(port: number, signal: AbortSignal | undefined): Promise<FramedSocket> {
    const { clock } = this.#options;
    return await within({ clock, ms: HEARD_MS, who: HOLDER, signal }, async (either) => {
      const socket = await callHolder(this.#options, either);
      try {
        await untilAborted(socket.send(FrameType.open, encodePort(port)), either);
        await untilAborted(expectFrame(socket, FrameType.opening), either);
        return socket;
      } catch (error) {
        socket.close();
        throw error;
      }
    });
  }

  async #askForPing(id: number, timeoutMs: number): Promise<void> {
    try {
      await this.#control.send(FrameType.ping, encodePing({ id, timeoutMs }));
    } catch (error) {
      if (!(error instanceof StreamError)) throw error;
      this.#handleHolderGone();
    }
  }

  #startOwn(): Promise<AgentTunnel> {
    if (this.#isClosed) return Promise.reject(new TunnelError({ kind: "closed" }));
    this.#own ??= this.#keepOwn();
    return this.#own;
  }

  async #keepOwn(): Promise<AgentTunnel> {
    this.#ownNow = await this.#options.startOwn();
    return this.#ownNow;
  }

  async #pump(): Promise<void> {
    try {
      for (;;) {
        const frame = await this.#control.next();
        if (frame === undefined) break;
        this.#handleFrame(frame);
      }
    } catch (error) {
      if (!(error instanceof ExpectedError)) throw error;
    } finally {
      this.#handleHolderGone();
    }
  }

  #handleFrame({ type, payload }: Frame): void {
    switch (type) {
      case FrameType.pong: {
        const { id, report } = decodePong(payload);
        this.#report = report;
        return this.#answer(id, report.ping);
      }
      case FrameType.silence: {
        const silence = decodeSilence(payload);
        this.#silentStatus = silence.status;
        return this.#silences.handleTold(silence, this.#options.clock.now());
      }
    }
  }

  #answer(id: number, result: PingResult | undefined): void {
    this.#pings.get(id)?.(result);
    this.#pings.delete(id);
  }

  #handleHolderGone(): void {
    this.#isHolderGone = true;
    for (const id of [...this.#pings.keys()]) this.#answer(id, undefined);
  }
}

async function ask(socket: FramedSocket): Promise<TunnelReport | undefined> {
  await socket.send(FrameType.attach);
  const frame = await socket.next();
  switch (frame?.type) {
    case FrameType.attached:
      return decodeReport(frame.payload);
    case FrameType.busy:
      return undefined;
    default:
      throw new SharingError("The holder of the shared tunnel hung up", { code: "hung-up" });
  }
}

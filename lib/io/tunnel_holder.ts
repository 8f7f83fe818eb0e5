/**
 * The process that holds a tunnel for others: who comes through its socket and proves to be of the account gets streams to the
 * agent's ports, one for each connection. It ends by itself when nobody has needed it for a while.
 */
import { untilAborted } from "../base/abort.ts";
import { ExpectedError, messageOf } from "../base/errors.ts";
import type { HostClock } from "../base/host.ts";
import type { LocalListener } from "../base/sockets.ts";
import { type ByteStream, type StreamEnd, StreamError } from "../base/stream.ts";
import type { AgentTunnel, PingResult } from "../base/tunnel.ts";
import { FrameType } from "../sharing/frame.ts";
import {
  decodePing,
  decodePort,
  encodeEnd,
  encodePong,
  encodeReport,
  encodeSilence,
  type TunnelReport,
} from "../sharing/message.ts";
import { Alarm } from "./alarm.ts";
import { FramedSocket, greetClient, type Identity } from "./framed_socket.ts";
import { serveSession } from "./held_session.ts";
import { HeldSsh } from "./held_ssh.ts";
import { awaitGone, carryDown, carryUp } from "./held_stream.ts";
import { Tasks } from "./tasks.ts";

export interface TunnelHolderOptions extends Identity {
  readonly tunnel: AgentTunnel;
  readonly listener: LocalListener;
  readonly clock: HostClock;
  /** How long nobody may need it. */
  readonly idleMs: number;
  /** Whether sessions are expected: the SSH connection for them is made before the first is asked for. @default false */
  readonly keepsSsh?: boolean;
}

/** More connections than this are hung up on: their programs get tunnels of their own. */
const MAX_CONNECTIONS = 512;
/** Of one program, at once. */
const MAX_PINGS = 16;
/** A program that connects says at once what it wants. */
const GREETING_MS = 5_000;
/** What a ping may ask for. */
const MAX_PING_MS = 60_000;
/** So long a program that was told of its stream's end may go on sending before it is hung up on. */
const LINGER_MS = 2_000;
/** Longer than the last words to everybody take. */
const GOODBYE_MS = 500;

/** Why everything ends; thrown to itself. */
class HolderEnd extends ExpectedError {
  override name = "HolderEnd";
}

export class TunnelHolder {
  readonly #options: TunnelHolderOptions;
  readonly #over = new AbortController();
  readonly #tasks = new Tasks(() => this.#end("The process that held the shared tunnel failed"));
  readonly #open = new Set<FramedSocket>();
  readonly #streams = new Map<FramedSocket, ByteStream>();
  readonly #ssh: HeldSsh;
  /** Those of sessions, which say goodbye themselves. */
  readonly #sessions = new Set<FramedSocket>();
  #idle: Alarm | undefined;
  #isRetired = false;

  constructor(options: TunnelHolderOptions) {
    this.#options = options;
    this.#ssh = new HeldSsh(options);
  }

  /**
   * Serves until nobody needs it, somebody asks it to leave, or the signal aborts; then everybody is told why. Rejects with a
   * mistake of ours, or of the tunnel.
   */
  async run(signal: AbortSignal): Promise<void> {
    const { listener, tunnel } = this.#options;
    const onAbort = () => this.#end("The process that held the shared tunnel was ended");
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    this.#tasks.add(this.#acceptAll());
    this.#tasks.add(this.#watchReach());
    this.#tasks.add(this.#watchRefusal());
    this.#waitIdle();
    try {
      await untilAborted(new Promise<never>(() => {}), this.#over.signal);
    } catch (error) {
      if (!(error instanceof HolderEnd)) throw error;
    } finally {
      signal.removeEventListener("abort", onAbort);
      await this.#idle?.stop();
      listener.close();
      try {
        await this.#sayGoodbye();
      } finally {
        await tunnel.close();
      }
    }
  }

  /** What is held is of no use when its agent will not be reached as things are. */
  async #watchReach(): Promise<void> {
    try {
      await this.#options.tunnel.reachable(this.#over.signal);
      if (this.#options.keepsSsh === true) await this.#connectSsh();
    } catch (error) {
      if (!(error instanceof ExpectedError)) throw error;
      this.#end(error.message);
    }
  }

  /** Whoever needs a session tries again, and hears what is wrong. */
  async #connectSsh(): Promise<void> {
    try {
      await this.#ssh.connect();
    } catch (error) {
      if (!(error instanceof ExpectedError)) throw error;
    }
  }

  /** What is lost after the coordinator's verdict does not come back: whoever uses the tunnel keeps it, nobody else gets it. */
  async #watchRefusal(): Promise<void> {
    const { listener, tunnel } = this.#options;
    try {
      await untilAborted(tunnel.refused, this.#over.signal);
    } catch (error) {
      if (error instanceof HolderEnd) return;
      throw error;
    }
    this.#isRetired = true;
    listener.close();
    if (this.#open.size === 0) this.#endRetired();
  }

  async #acceptAll(): Promise<void> {
    const { listener } = this.#options;
    try {
      for (;;) {
        const stream = await listener.accept();
        if (stream === undefined) return;
        if (this.#open.size >= MAX_CONNECTIONS) stream.abort();
        else this.#tasks.add(this.#serve(new FramedSocket(stream)));
      }
    } catch (error) {
      if (!(error instanceof ExpectedError)) throw error;
      this.#end(error.message);
    }
  }

  /** One connection from its greeting to its end. */
  async #serve(socket: FramedSocket): Promise<void> {
    this.#open.add(socket);
    const idle = this.#idle;
    this.#idle = undefined;
    try {
      await idle?.stop();
      await this.#answer(socket);
    } catch (error) {
      if (!(error instanceof ExpectedError)) throw error; // whoever connected has gone, or speaks otherwise
    } finally {
      socket.close();
      this.#open.delete(socket);
      if (this.#open.size === 0) this.#waitIdle();
    }
  }

  async #answer(socket: FramedSocket): Promise<void> {
    const late = new Alarm(this.#options.clock, GREETING_MS, () => socket.close());
    let frame;
    try {
      await greetClient(socket, this.#options);
      frame = await socket.next();
    } finally {
      await late.stop();
    }
    switch (frame?.type) {
      case FrameType.attach:
        return await this.#serveAttached(socket);
      case FrameType.open:
        return await this.#serveStream(socket, decodePort(frame.payload));
      case FrameType.session:
        return await this.#serveSession(socket);
      case FrameType.leave:
        return this.#end("The session at the deployment was ended");
    }
  }

  async #serveAttached(socket: FramedSocket): Promise<void> {
    const { tunnel } = this.#options;
    if (!this.#isAnswering() || this.#over.signal.aborted) {
      return await socket.send(FrameType.busy);
    }
    await socket.send(FrameType.attached, encodeReport(await this.#report()));
    let asked = 0;
    const gone = new AbortController();
    const signal = AbortSignal.any([this.#over.signal, gone.signal]);
    const telling = new Tasks(() => socket.close());
    const answer = async (id: number, timeoutMs: number) => {
      try {
        const limitMs = Math.min(timeoutMs, MAX_PING_MS);
        const ping = await untilAborted(tunnel.ping(limitMs), signal);
        await socket.send(FrameType.pong, encodePong(id, await this.#report(ping)));
      } catch (error) {
        if (!(error instanceof ExpectedError)) throw error; // whoever asked has gone
      } finally {
        asked--;
      }
    };
    const tellSilence = async () => {
      const silence = tunnel.silence();
      if (silence === undefined) return;
      try {
        await socket.send(FrameType.silence, encodeSilence(silence));
      } catch (error) {
        if (!(error instanceof ExpectedError)) throw error; // whoever is attached has gone
      }
    };
    const stopListening = tunnel.onSilence(() => telling.add(tellSilence()));
    try {
      for (;;) {
        const frame = await socket.next();
        if (frame === undefined) return;
        if (frame.type !== FrameType.ping || asked >= MAX_PINGS) continue;
        const { id, timeoutMs } = decodePing(frame.payload);
        asked++;
        telling.add(answer(id, timeoutMs));
      }
    } finally {
      stopListening();
      socket.close();
      gone.abort(new HolderEnd("The program that asked has gone"));
      await telling.ended();
    }
  }

  #isAnswering(): boolean {
    const { tunnel } = this.#options;
    const silence = tunnel.silence();
    const isSilent = silence !== undefined && silence.endedAgoMs === undefined;
    return tunnel.status().step === "reachable" && !isSilent;
  }

  async #report(ping?: PingResult): Promise<TunnelReport> {
    const { tunnel } = this.#options;
    const diagnostics = await tunnel.diagnostics();
    const latencies = tunnel.relayLatencies();
    return ping === undefined ? { diagnostics, latencies } : { ping, diagnostics, latencies };
  }

  async #serveSession(socket: FramedSocket): Promise<void> {
    this.#sessions.add(socket);
    const { clock } = this.#options;
    try {
      await serveSession(socket, { ssh: this.#ssh, clock, signal: this.#over.signal });
    } finally {
      this.#sessions.delete(socket);
    }
  }

  async #serveStream(socket: FramedSocket, port: number): Promise<void> {
    await socket.send(FrameType.opening);
    const first = socket.next();
    const gone = new AbortController();
    this.#tasks.add(
      awaitGone(first, () => gone.abort(new HolderEnd("The program that asked has gone"))),
    );
    const stream = await this.#connect(socket, port, gone.signal);
    if (stream === undefined) return;
    this.#streams.set(socket, stream);
    const up = carryUp(socket, stream, first);
    try {
      await socket.send(FrameType.opened);
      await carryDown(stream, socket);
      await socket.send(FrameType.ended, encodeEnd(this.#inOurWords(await stream.closed)));
      // Its last bytes on their way to us would make it lose our last word.
      const linger = new Alarm(this.#options.clock, LINGER_MS, () => socket.close());
      try {
        await up;
      } finally {
        await linger.stop();
      }
    } finally {
      stream.abort("The program that used the connection has gone");
      this.#streams.delete(socket);
      socket.close();
      await up;
    }
  }

  /** `undefined` when there is no connection; the client was told why. */
  async #connect(
    socket: FramedSocket,
    port: number,
    gone: AbortSignal,
  ): Promise<ByteStream | undefined> {
    const signal = AbortSignal.any([this.#over.signal, gone]);
    try {
      return await this.#options.tunnel.openTcp(port, signal);
    } catch (error) {
      if (!(error instanceof ExpectedError)) throw error;
      const end: StreamEnd = error instanceof StreamError
        ? error.end
        : { kind: "lost", message: messageOf(error) };
      await socket.send(FrameType.ended, encodeEnd(end));
      return undefined;
    }
  }

  /** What we gave up ourselves is lost to whoever used it. */
  #inOurWords(end: StreamEnd): StreamEnd {
    const { aborted, reason } = this.#over.signal;
    if (end.kind !== "aborted" || !aborted) return end;
    return { kind: "lost", message: messageOf(reason) };
  }

  #waitIdle(): void {
    if (this.#over.signal.aborted) return;
    if (this.#isRetired) return this.#endRetired();
    const { clock, idleMs } = this.#options;
    this.#idle = new Alarm(clock, idleMs, () => this.#end("Nobody needed it any more"));
  }

  #endRetired(): void {
    this.#end("The deployment refused the shared tunnel");
  }

  #end(why: string): void {
    if (!this.#over.signal.aborted) this.#over.abort(new HolderEnd(why));
  }

  /** Streams get their last word, whoever is attached sees the end. */
  async #sayGoodbye(): Promise<void> {
    for (const stream of this.#streams.values()) {
      stream.abort(messageOf(this.#over.signal.reason));
    }
    for (const socket of this.#open) {
      if (!this.#streams.has(socket) && !this.#sessions.has(socket)) socket.close();
    }
    // Not everybody listens to the end.
    const limit = new Alarm(this.#options.clock, GOODBYE_MS, () => {
      for (const socket of this.#open) socket.close();
    });
    try {
      await Promise.all([this.#tasks.ended(), this.#ssh.close()]);
    } finally {
      await limit.stop();
    }
  }
}

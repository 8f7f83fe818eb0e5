/**
 * A session of somebody else in the SSH connection that this process holds: offered, requested, started, carried to its end. Nothing
 * is begun before the one frame that says so, and whoever goes before that has begun nothing.
 */
import { untilAborted } from "../base/abort.ts";
import { ExpectedError, messageOf } from "../base/errors.ts";
import type { HostClock } from "../base/host.ts";
import type { RemoteSession, SessionEnd, SessionRequest } from "../base/session.ts";
import { StreamError } from "../base/stream.ts";
import { type Frame, FrameType, MAX_PAYLOAD_BYTES, SharingError } from "../sharing/frame.ts";
import { encodeEnd } from "../sharing/message.ts";
import {
  decodeRequest,
  decodeSignal,
  decodeSize,
  decodeTaken,
  encodeRefusal,
  encodeSessionEnd,
  encodeTaken,
  Flow,
} from "../sharing/session_message.ts";
import { SshLostError } from "../ssh/ends.ts";
import type { PreparedSession } from "../ssh/session.ts";
import { Alarm } from "./alarm.ts";
import { expectFrame, type FramedSocket } from "./framed_socket.ts";
import type { HeldSsh, PreparedHeld } from "./held_ssh.ts";
import { Inflow, Outflow } from "./session_flow.ts";

/** An offer that is not taken by then is taken back: each keeps a place. */
const OFFER_MS = 30_000;

/** So long a client that was told of the end may go on sending before it is hung up on. */
const LINGER_MS = 2_000;

export interface HeldSessionOptions {
  readonly ssh: HeldSsh;
  readonly clock: HostClock;
  /** Ends it; the reason is its last word. */
  readonly signal: AbortSignal;
}

/** Whoever asked has gone. */
class Gone extends ExpectedError {
  override name = "Gone";
}

/** Serves one session from the offer to the end. Rejects with `ExpectedError` when whoever asked has gone, or speaks otherwise. */
export async function serveSession(
  socket: FramedSocket,
  options: HeldSessionOptions,
): Promise<void> {
  await socket.send(FrameType.opening);
  const first = socket.next();
  const offered = await offer(socket, first, options);
  if (offered === undefined) return;
  const { session, hostKey } = offered;
  const { signal } = options;
  const stop = () => session.abort();
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  let hasStarted = false;
  // What is offered and lost is nothing to ask for; what has started says so itself.
  session.closed.then(() => hasStarted || socket.close());
  try {
    await socket.send(FrameType.offered, hostKey);
    const late = new Alarm(options.clock, OFFER_MS, () => socket.close());
    let request;
    try {
      request = decodeRequest(payloadOf(await first, FrameType.request));
      await socket.send(FrameType.opening);
      await expectFrame(socket, FrameType.start);
    } finally {
      await late.stop();
    }
    hasStarted = true;
    await new CarriedSession(socket, options).run(session, request);
  } finally {
    signal.removeEventListener("abort", stop);
    session.abort();
  }
}

/** `undefined` when there is none; the client was told. */
async function offer(
  socket: FramedSocket,
  first: Promise<Frame | undefined>,
  { ssh, signal }: HeldSessionOptions,
): Promise<PreparedHeld | undefined> {
  const preparing = ssh.prepare();
  const gone = new AbortController();
  // Nothing but its end comes so early.
  first.then((frame) => frame === undefined && gone.abort(new Gone("It has gone")), () => {});
  try {
    return await untilAborted(preparing, AbortSignal.any([signal, gone.signal]));
  } catch (error) {
    preparing.then(({ session }) => session.abort(), () => {});
    if (!(error instanceof ExpectedError)) throw error;
    await socket.send(
      FrameType.ended,
      encodeEnd({ kind: "lost", message: messageOf(error) }),
    );
    return undefined;
  }
}

function payloadOf(frame: Frame | undefined, type: FrameType): Uint8Array {
  if (frame?.type === type) return frame.payload;
  throw new SharingError("Expected the request of a session", { code: "unexpected-frame" });
}

class CarriedSession {
  readonly #socket: FramedSocket;
  readonly #signal: AbortSignal;
  readonly #clock: HostClock;
  readonly #input: Inflow;
  readonly #outputs = new Map<number, Outflow>([
    [Flow.output, new Outflow()],
    [Flow.errors, new Outflow()],
  ]);
  #session: RemoteSession | undefined;

  constructor(socket: FramedSocket, { signal, clock }: HeldSessionOptions) {
    this.#socket = socket;
    this.#clock = clock;
    this.#signal = signal;
    this.#input = new Inflow((count) => {
      socket.tell(FrameType.taken, encodeTaken(Flow.input, count));
    });
  }

  /** Starts it, carries its bytes, and says how it ended. */
  async run(
    prepared: PreparedSession,
    request: SessionRequest,
  ): Promise<void> {
    const hearing = this.#hear(() => prepared.abort());
    try {
      const session = await this.#start(prepared, request);
      if (session === undefined) return await this.#linger(hearing);
      this.#session = session;
      await this.#socket.send(FrameType.started);
      const typing = this.#carryInput(session);
      await Promise.all([
        this.#carryOutput((into) => session.readStdout(into), FrameType.data, Flow.output),
        this.#carryOutput((into) => session.readStderr(into), FrameType.errors, Flow.errors),
      ]);
      const end = this.#inOurWords(await session.ended);
      this.#input.drop();
      await typing;
      await this.#socket.send(FrameType.exited, encodeSessionEnd(end));
      await this.#linger(hearing);
    } finally {
      this.#socket.close();
      prepared.abort();
      this.#end();
      await hearing;
    }
  }

  /** What is on its way to us and never read would make the client lose our last word. */
  async #linger(hearing: Promise<void>): Promise<void> {
    const limit = new Alarm(this.#clock, LINGER_MS, () => this.#socket.close());
    try {
      await hearing;
    } finally {
      await limit.stop();
    }
  }

  /** `undefined` when the workspace refuses it; the client was told why. */
  async #start(
    prepared: PreparedSession,
    request: SessionRequest,
  ): Promise<RemoteSession | undefined> {
    try {
      return await prepared.start(request);
    } catch (error) {
      if (!(error instanceof ExpectedError)) throw error;
      const hint = error instanceof SshLostError ? error.hint ?? "" : "";
      const isLost = error instanceof SshLostError;
      await this.#socket.send(
        FrameType.refused,
        encodeRefusal({ message: error.message, hint, isLost }),
      );
      return undefined;
    }
  }

  /** What the client says, until it has gone; then nobody wants the session any more. */
  async #hear(stop: () => void): Promise<void> {
    try {
      for (;;) {
        const frame = await this.#socket.next();
        if (frame === undefined) return;
        this.#handleFrame(frame);
      }
    } catch (error) {
      if (!(error instanceof ExpectedError)) throw error;
      this.#socket.close();
    } finally {
      stop();
      this.#end();
    }
  }

  #handleFrame({ type, payload }: Frame): void {
    switch (type) {
      case FrameType.data:
        return this.#input.handleData(payload);
      case FrameType.fin:
        return this.#input.handleEnd();
      case FrameType.taken: {
        const { flow, count } = decodeTaken(payload);
        return this.#outputs.get(flow)?.handleTaken(count);
      }
      case FrameType.resize:
        return this.#session?.resize(decodeSize(payload));
      case FrameType.signal:
        return this.#session?.signal(decodeSignal(payload));
      case FrameType.break:
        return this.#session?.sendBreak();
      case FrameType.alive:
        this.#socket.tell(FrameType.alive);
    }
  }

  async #carryInput(session: RemoteSession): Promise<void> {
    const chunk = new Uint8Array(MAX_PAYLOAD_BYTES);
    let isTaking = true;
    for (;;) {
      const count = await this.#input.read(chunk);
      if (count === null) break;
      if (!isTaking) continue;
      try {
        await session.write(chunk.subarray(0, count));
      } catch (error) {
        if (!(error instanceof StreamError)) throw error;
        isTaking = false; // its end says why
      }
    }
    try {
      if (isTaking) await session.closeStdin();
    } catch (error) {
      if (!(error instanceof StreamError)) throw error; // it is over
    }
  }

  async #carryOutput(
    read: (into: Uint8Array) => Promise<number | null>,
    type: FrameType,
    flow: Flow,
  ): Promise<void> {
    const chunk = new Uint8Array(MAX_PAYLOAD_BYTES);
    for (let count = await read(chunk); count !== null; count = await read(chunk)) {
      for (let at = 0; at < count;) {
        const part = await this.#outputs.get(flow)?.take(count - at) ?? 0;
        if (part === 0) return;
        await this.#socket.send(type, chunk.subarray(at, at + part));
        at += part;
      }
    }
  }

  /** What we gave up ourselves is lost to whoever used it. */
  #inOurWords(end: SessionEnd): SessionEnd {
    const { aborted, reason } = this.#signal;
    return aborted ? { kind: "lost", message: messageOf(reason) } : end;
  }

  #end(): void {
    this.#input.drop();
    for (const output of this.#outputs.values()) output.end();
  }
}

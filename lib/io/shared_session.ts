/** A session that runs in the SSH connection which the holder of a shared tunnel keeps, as if it were in one of our own. */
import { untilAborted } from "../base/abort.ts";
import { ExpectedError } from "../base/errors.ts";
import type { HostClock } from "../base/host.ts";
import type { RemoteSession, SessionEnd, WindowSize } from "../base/session.ts";
import { StreamError } from "../base/stream.ts";
import { type Frame, FrameType, MAX_PAYLOAD_BYTES, SharingError } from "../sharing/frame.ts";
import {
  decodeSessionEnd,
  decodeTaken,
  encodeSignal,
  encodeSize,
  encodeTaken,
  Flow,
} from "../sharing/session_message.ts";
import { Alarm, within } from "./alarm.ts";
import type { FramedSocket } from "./framed_socket.ts";
import { HOLDER, type HolderPlace } from "./holder_call.ts";
import { Inflow, Outflow } from "./session_flow.ts";
import { HOLDER_GONE, type Meter } from "./shared_stream.ts";
import type { Tasks } from "./tasks.ts";

/** How often the holder is asked for a sign of life while a session runs, and for how long it may not give one. */
const ALIVE_EVERY_MS = 5_000;
const ALIVE_MS = 15_000;
/** What was sent before a session was given up has left by then. */
const GOODBYE_MS = 200;

export interface SharedSessionOptions {
  readonly place: HolderPlace;
  readonly meter: Meter;
  /** What goes on beside whoever asked. */
  readonly tasks: Tasks;
}

export class SharedSession implements RemoteSession {
  readonly ended: Promise<SessionEnd>;
  readonly #resolveEnded: (end: SessionEnd) => void;
  readonly #socket: FramedSocket;
  readonly #clock: HostClock;
  readonly #meter: Meter;
  readonly #tasks: Tasks;
  readonly #input = new Outflow();
  readonly #output: Inflow;
  readonly #errors: Inflow;
  readonly #over = new AbortController();
  #isOver = false;
  #isInputEnded = false;
  #hearAlive: (() => void) | undefined;

  constructor(socket: FramedSocket, { place, meter, tasks }: SharedSessionOptions) {
    const { promise, resolve } = Promise.withResolvers<SessionEnd>();
    this.ended = promise;
    this.#resolveEnded = resolve;
    this.#socket = socket;
    this.#clock = place.clock;
    this.#meter = meter;
    this.#tasks = tasks;
    this.#output = new Inflow((count) =>
      this.#tell(FrameType.taken, encodeTaken(Flow.output, count))
    );
    this.#errors = new Inflow((count) =>
      this.#tell(FrameType.taken, encodeTaken(Flow.errors, count))
    );
  }

  /** Hears the holder until the end. Rejects only by a mistake of ours. */
  async run(): Promise<void> {
    const watching = this.#watch();
    try {
      for (
        let frame = await this.#socket.next();
        frame !== undefined;
        frame = await this.#socket.next()
      ) {
        this.#handleFrame(frame);
      }
      this.#finish({ kind: "lost", message: HOLDER_GONE.message });
    } catch (error) {
      const message = error instanceof ExpectedError ? error.message : HOLDER_GONE.message;
      this.#finish({ kind: "lost", message });
      if (!(error instanceof ExpectedError)) throw error;
    } finally {
      await watching;
    }
  }

  readStdout(into: Uint8Array): Promise<number | null> {
    return this.#output.read(into);
  }

  readStderr(into: Uint8Array): Promise<number | null> {
    return this.#errors.read(into);
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const count = await this.#input.take(bytes.length - at);
      if (count === 0) throw new StreamError({ kind: "closed" });
      const end = at + count;
      while (at < end) {
        const part = bytes.subarray(at, Math.min(end, at + MAX_PAYLOAD_BYTES));
        await this.#socket.send(FrameType.data, part);
        this.#meter.bytesOut += part.length;
        at += part.length;
      }
    }
  }

  closeStdin(): Promise<void> {
    if (!this.#isInputEnded) this.#tell(FrameType.fin);
    this.#isInputEnded = true;
    return Promise.resolve();
  }

  resize(size: WindowSize): void {
    this.#tell(FrameType.resize, encodeSize(size));
  }

  signal(name: string): void {
    this.#tell(FrameType.signal, encodeSignal(name));
  }

  sendBreak(): void {
    this.#tell(FrameType.break);
  }

  abort(): void {
    if (this.#isOver) return;
    this.#end({ kind: "aborted" });
    this.#tasks.add(this.#leave());
  }

  #handleFrame({ type, payload }: Frame): void {
    switch (type) {
      case FrameType.data:
        this.#meter.bytesIn += payload.length;
        return this.#output.handleData(payload);
      case FrameType.errors:
        this.#meter.bytesIn += payload.length;
        return this.#errors.handleData(payload);
      case FrameType.taken: {
        const { flow, count } = decodeTaken(payload);
        if (flow !== Flow.input) throw new SharingError("No such flow", { code: "bad-flow" });
        return this.#input.handleTaken(count);
      }
      case FrameType.alive:
        return this.#hearAlive?.();
      case FrameType.exited:
        return this.#finish(decodeSessionEnd(payload));
    }
  }

  /** A holder that is stopped would leave us waiting for ever: its end is not seen then. */
  async #watch(): Promise<void> {
    const { signal } = this.#over;
    try {
      for (;;) {
        await this.#clock.sleep(ALIVE_EVERY_MS, signal);
        const heard = new Promise<void>((resolve) => this.#hearAlive = resolve);
        await within({ clock: this.#clock, ms: ALIVE_MS, who: HOLDER, signal }, async (either) => {
          await untilAborted(this.#socket.send(FrameType.alive), either);
          await untilAborted(heard, either);
        });
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof ExpectedError)) throw error;
      this.#finish({ kind: "lost", message: error.message });
    }
  }

  #tell(type: FrameType, payload?: Uint8Array): void {
    if (!this.#isOver) this.#socket.tell(type, payload);
  }

  /** Lets what was said, as a signal, go out first. */
  async #leave(): Promise<void> {
    const limit = new Alarm(this.#clock, GOODBYE_MS, () => this.#socket.close());
    try {
      await this.#socket.sent();
    } finally {
      this.#socket.close();
      await limit.stop();
    }
  }

  #finish(end: SessionEnd): void {
    this.#end(end);
    this.#socket.close();
  }

  #end(end: SessionEnd): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#over.abort();
    this.#input.end();
    for (const flow of [this.#output, this.#errors]) {
      // What came before is still read, unless nobody wants it.
      if (end.kind === "aborted") flow.drop();
      else flow.handleEnd();
    }
    this.#resolveEnded(end);
  }
}

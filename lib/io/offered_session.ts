/**
 * A session that the holder of a shared tunnel offers in the SSH connection that it keeps. Until it is started nothing is lost by asking
 * elsewhere; from then on nobody asks again: a command is never run twice.
 */
import { untilAborted } from "../base/abort.ts";
import { ExpectedError, UserError } from "../base/errors.ts";
import type { HeldSession, RemoteSession, SessionRequest } from "../base/session.ts";
import { type Frame, FrameType } from "../sharing/frame.ts";
import { decodeEnd } from "../sharing/message.ts";
import { decodeRefusal, encodeRequest } from "../sharing/session_message.ts";
import { CONNECTION_LOST_TEXT, SshLostError } from "../ssh/ends.ts";
import { TooLate, within } from "./alarm.ts";
import { expectFrame, type FramedSocket } from "./framed_socket.ts";
import { callHolder, HOLDER } from "./holder_call.ts";
import { SharedSession, type SharedSessionOptions } from "./shared_session.ts";
import { HOLDER_GONE } from "./shared_stream.ts";

/** A holder that is not stopped hears within this, or is done without. */
const HEARD_MS = 80;
/** Whoever opens a connection of his own has a session by then. */
const OFFER_MS = 1_000;
/** There is no session for us. */
class NoSharedSession extends ExpectedError {
  override name = "NoSharedSession";
}

/** Asks for a session. Rejects with `ExpectedError` where there is none: `TooLate` of a holder that does not hear, or the signal's reason. */
export async function askForSession(
  options: SharedSessionOptions,
  signal?: AbortSignal,
): Promise<OfferedSession> {
  const { place } = options;
  const { clock } = place;
  const socket = await within({ clock, ms: HEARD_MS, who: HOLDER, signal }, async (either) => {
    const socket = await callHolder(place, either);
    try {
      await untilAborted(socket.send(FrameType.session), either);
      await untilAborted(expectFrame(socket, FrameType.opening), either);
      return socket;
    } catch (error) {
      socket.close();
      throw error;
    }
  });
  try {
    const who = "The workspace's SSH server";
    const frame = await within(
      { clock, ms: OFFER_MS, who, signal },
      (either) => untilAborted(socket.next(), either),
    );
    switch (frame?.type) {
      case FrameType.offered:
        return new OfferedSession(socket, frame.payload.slice(), options);
      case FrameType.ended: {
        const end = decodeEnd(frame.payload);
        throw new NoSharedSession(end.kind === "closed" ? HOLDER_GONE.message : end.message);
      }
      default:
        throw new NoSharedSession(HOLDER_GONE.message);
    }
  } catch (error) {
    socket.close();
    // Of the holder itself there was a word: it is of use for other things.
    throw error instanceof TooLate ? new NoSharedSession(error.message) : error;
  }
}

export class OfferedSession implements HeldSession {
  readonly hostKey: Uint8Array;
  readonly closed: Promise<void>;
  readonly #resolveClosed: () => void;
  readonly #socket: FramedSocket;
  readonly #options: SharedSessionOptions;
  /** What the holder says next. Before it is asked, that is its end. */
  readonly #next: Promise<Frame | undefined>;
  /** Once it was started. */
  #session: SharedSession | undefined;

  constructor(socket: FramedSocket, hostKey: Uint8Array, options: SharedSessionOptions) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    this.#resolveClosed = resolve;
    this.#socket = socket;
    this.hostKey = hostKey;
    this.#options = options;
    this.#next = socket.next();
    this.#next.then((frame) => frame?.type === FrameType.opening || resolve(), resolve);
  }

  async start(request: SessionRequest): Promise<RemoteSession | undefined> {
    const payload = encodeRequest(request);
    if (payload === undefined || !await this.#isHeard(payload)) {
      this.abort();
      return undefined;
    }
    // From here on only the holder knows what was begun.
    let frame: Frame | undefined;
    try {
      await this.#socket.send(FrameType.start);
      frame = await this.#socket.next();
    } catch (error) {
      this.abort();
      if (!(error instanceof ExpectedError)) throw error;
      throw lost(HOLDER_GONE.message, error);
    }
    if (frame?.type === FrameType.started) {
      const { tasks } = this.#options;
      const session = new SharedSession(this.#socket, this.#options);
      this.#session = session;
      tasks.add(session.run().finally(this.#resolveClosed));
      return session;
    }
    const error = frame?.type === FrameType.refused
      ? refusalFrom(frame.payload)
      : lost(HOLDER_GONE.message, undefined);
    this.abort();
    throw error;
  }

  abort(): void {
    if (this.#session !== undefined) return this.#session.abort();
    this.#socket.close();
    this.#resolveClosed();
  }

  /** Whether the holder has the request and is not stopped: the start, which is the next frame, finds it awake. */
  async #isHeard(request: Uint8Array): Promise<boolean> {
    const { clock } = this.#options.place;
    try {
      return await within({ clock, ms: HEARD_MS, who: HOLDER }, async (late) => {
        await untilAborted(this.#socket.send(FrameType.request, request), late);
        const frame = await untilAborted(this.#next, late);
        return frame?.type === FrameType.opening;
      });
    } catch (error) {
      if (!(error instanceof ExpectedError)) throw error;
      return false;
    }
  }
}

function refusalFrom(payload: Uint8Array): UserError {
  const { message, hint, isLost } = decodeRefusal(payload);
  const more = hint === "" ? {} : { hint };
  return isLost
    ? new SshLostError(message, { cause: undefined, ...more })
    : new UserError(message, more);
}

function lost(hint: string, cause: unknown): SshLostError {
  return new SshLostError(CONNECTION_LOST_TEXT, { cause, hint });
}

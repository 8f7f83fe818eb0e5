/** One session: a shell or a command, its streams, and how it ended. */
import type { RemoteSession, SessionEnd, SessionRequest } from "../base/session.ts";
import { type StreamEnd, StreamError } from "../base/stream.ts";
import type { ConnectionEnd } from "./ends.ts";
import type { TerminalSize } from "./host.ts";
import type { SshChannel } from "./ssh2_channel.ts";

export interface PreparedSessionOptions {
  readonly connectionClosed: Promise<ConnectionEnd>;
  /** What to tell of a step that failed. */
  readonly failure: (what: string, error: unknown) => Promise<Error>;
}

/** A session in which nothing runs yet. */
export class PreparedSession {
  readonly #channel: SshChannel;
  readonly #options: PreparedSessionOptions;

  constructor(channel: SshChannel, options: PreparedSessionOptions) {
    this.#channel = channel;
    this.#options = options;
  }

  /** Resolves when it is over, with whatever runs in it; never rejects. */
  get closed(): Promise<StreamEnd> {
    return this.#channel.closed;
  }

  /**
   * Starts the shell or command, once. Rejects with `UserError` when the workspace refuses a part. Requests travel together, so a
   * shell costs one round trip; only variables are waited for before the start.
   */
  async start(request: SessionRequest): Promise<SshSession> {
    const channel = this.#channel;
    const { connectionClosed, failure } = this.#options;
    const step = async (name: string, asked: Promise<void>) => {
      try {
        await asked;
      } catch (error) {
        throw await failure(name, error);
      }
    };
    try {
      const env = request.env ?? [];
      await Promise.all(
        env.map(([name, value]) => step(`setenv ${name}`, channel.requestEnv(name, value))),
      );
      await Promise.all([
        ...request.forwardAgent === true
          ? [step("request agent forwarding failed", channel.requestAgentForwarding())]
          : [],
        ...request.pty === undefined
          ? []
          : [step("request pty", channel.requestPty(request.pty.term, request.pty.size))],
        request.command === undefined
          ? step("start shell", channel.requestShell())
          : step("run command", channel.requestExec(request.command)),
      ]);
    } catch (error) {
      channel.abort();
      throw error;
    }
    return new SshSession(channel, connectionClosed);
  }

  /** Closes it at once. Idempotent. */
  abort(): void {
    this.#channel.abort();
  }
}

export class SshSession implements RemoteSession {
  /** Resolves once the program has ended and its output was read, or the connection is gone; never rejects. */
  readonly ended: Promise<SessionEnd>;
  readonly #channel: SshChannel;

  constructor(channel: SshChannel, connectionClosed: Promise<ConnectionEnd>) {
    this.#channel = channel;
    this.ended = channel.closed.then(async (end): Promise<SessionEnd> => {
      if (channel.programEnd !== undefined) return channel.programEnd;
      if (end.kind === "aborted") return { kind: "aborted" };
      if (end.kind === "closed") {
        return { kind: "lost", message: "The workspace ended the session without an exit status" };
      }
      const connection = await connectionClosed;
      return {
        kind: "lost",
        message: connection.kind === "closed" ? "The connection was closed" : connection.message,
      };
    });
  }

  /** Reads standard output, all output with a terminal. As `ByteStream.read`; the end comes as `null` however it came. */
  readStdout(into: Uint8Array): Promise<number | null> {
    return nullWhenBroken(this.#channel.read(into));
  }

  /** Reads standard error. Both outputs must be read, or the session stalls: they share one window. */
  readStderr(into: Uint8Array): Promise<number | null> {
    return nullWhenBroken(this.#channel.stderr.read(into));
  }

  /** Writes to standard input. Rejects with `StreamError` when the session is over. */
  write(bytes: Uint8Array): Promise<void> {
    return this.#channel.write(bytes);
  }

  /** The end of standard input. */
  closeStdin(): Promise<void> {
    return this.#channel.closeWrite();
  }

  resize(size: TerminalSize): void {
    this.#channel.resize(size);
  }

  /** Delivers a signal; `name` without `SIG`, one of RFC 4254 §6.10. */
  signal(name: string): void {
    this.#channel.signal(name);
  }

  sendBreak(): void {
    this.#channel.sendBreak();
  }

  /** Closes the channel at once. Idempotent. */
  abort(): void {
    this.#channel.abort();
  }
}

/** Readers of a session's output want all of it and then the end; why it ended is told by `ended`. */
async function nullWhenBroken(reading: Promise<number | null>): Promise<number | null> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof StreamError) return null;
    throw error;
  }
}

/**
 * One session: a shell or a command, its streams, and how it ended.
 */
import { StreamError } from "../base/stream.ts";
import type { ConnectionEnd, SessionEnd } from "./ends.ts";
import type { TerminalSize } from "./host.ts";
import type { SshChannel } from "./ssh2_channel.ts";

export interface SessionRequest {
  /** The command line for the user's shell there. @default a login shell */
  readonly command?: string;
  /** @default no terminal: stderr stays separate and the end of input reaches the program */
  readonly pty?: { readonly term: string; readonly size: TerminalSize };
  /** Variables, in order. */
  readonly env?: readonly (readonly [name: string, value: string])[];
  /** Needs `dialAgent` of the connection. @default false */
  readonly forwardAgent?: boolean;
}

/** What a terminal needs of what runs in the workspace. */
export interface RemoteSession {
  /** Resolves once it is over and its output was read, or the way to it is gone; never rejects. */
  readonly ended: Promise<SessionEnd>;
  /** As `ByteStream.read`; the end comes as `null` however it came. */
  readStdout(into: Uint8Array): Promise<number | null>;
  readStderr(into: Uint8Array): Promise<number | null>;
  /** Rejects with `StreamError` when the session is over. */
  write(bytes: Uint8Array): Promise<void>;
  closeStdin(): Promise<void>;
  resize(size: TerminalSize): void;
  /** `name` without `SIG`. */
  signal(name: string): void;
  sendBreak(): void;
  /** Gives it up at once. Idempotent. */
  abort(): void;
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

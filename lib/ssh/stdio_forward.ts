/** `-W host:port`: standard input and output joined to a TCP connection made by the workspace. */
import { untilAborted } from "../base/abort.ts";
import { messageOf, UserError } from "../base/errors.ts";
import { type ByteStream, StreamError } from "../base/stream.ts";
import type { SshConnection } from "./connection.ts";
import { CONNECTION_LOST_CODE, CONNECTION_LOST_TEXT, type SessionOutcome } from "./ends.ts";
import { formatHostPort, type SessionInput, type SessionOutput } from "./host.ts";

const COPY_BYTES = 64 * 1024;

export interface StdioForwardHost {
  readonly stdin: SessionInput;
  readonly stdout: SessionOutput;
}

export interface StdioForwardOptions {
  /** A name or an address in the workspace. */
  readonly host: string;
  readonly port: number;
  /** Gives the connection up: rejects with `signal.reason`. */
  readonly signal?: AbortSignal;
}

/**
 * Resolves when the other side has ended its direction. Rejects with `UserError` when it cannot be reached, and with what the
 * standard streams reject with.
 */
export async function runStdioForward(
  connection: SshConnection,
  host: StdioForwardHost,
  target: StdioForwardOptions,
): Promise<SessionOutcome> {
  const name = formatHostPort(target.host, target.port);
  const { signal } = target;
  signal?.throwIfAborted();
  let channel: ByteStream;
  try {
    channel = await connection.openTcp(target.host, target.port);
  } catch (error) {
    signal?.throwIfAborted();
    throw new UserError(`Cannot connect to ${name} in the workspace: ${messageOf(error)}`, {
      exitCode: CONNECTION_LOST_CODE,
      cause: error,
    });
  }
  const onAbort = () => channel.abort();
  signal?.addEventListener("abort", onAbort, { once: true });
  if (signal?.aborted) onAbort();
  const failed = Promise.withResolvers<never>();
  // The input may outlive the connection by the one read that is pending: it cannot be called back.
  const sending = send(host.stdin, channel).catch((error: unknown) => failed.reject(error));
  try {
    // Whoever does not read our output keeps nobody from leaving.
    await untilAborted(Promise.race([receive(channel, host.stdout), failed.promise]), signal);
    return { exitCode: 0 };
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof StreamError)) throw error;
    return { exitCode: CONNECTION_LOST_CODE, message: CONNECTION_LOST_TEXT, detail: error.message };
  } finally {
    channel.abort();
    signal?.removeEventListener("abort", onAbort);
    await Promise.race([sending, channel.closed]);
  }
}

async function receive(channel: ByteStream, stdout: SessionOutput): Promise<void> {
  const buffer = new Uint8Array(COPY_BYTES);
  for (let count = await channel.read(buffer); count !== null; count = await channel.read(buffer)) {
    await stdout.write(buffer.subarray(0, count));
  }
}

/** Rejects when the input cannot be read. */
async function send(stdin: SessionInput, channel: ByteStream): Promise<void> {
  const buffer = new Uint8Array(COPY_BYTES);
  try {
    for (let count = await stdin.read(buffer); count !== null; count = await stdin.read(buffer)) {
      await channel.write(buffer.subarray(0, count));
    }
    await channel.closeWrite();
  } catch (error) {
    // What reads the channel tells how it ended.
    if (!(error instanceof StreamError)) throw error;
  }
}

/** A command in a workspace from its start to its end: input, outputs within a bound, and how it ended. */
import { concatBytes } from "../base/bytes.ts";
import { assertNever } from "../base/core.ts";
import { UserError } from "../base/errors.ts";
import { StreamError } from "../base/stream.ts";
import type { SshConnection } from "../ssh/connection.ts";
import type { SshSession } from "../ssh/session.ts";

export interface RunCommandOptions {
  /** Bytes, or UTF-8 text, for its standard input. @default none: the input is empty */
  readonly input?: Uint8Array | string;
  /** Variables, where the agent takes them. */
  readonly env?: Readonly<Record<string, string>>;
  /** Of standard output and of standard error each. @default 16 MiB */
  readonly maxOutputBytes?: number;
  /** Gives the command up. */
  readonly signal?: AbortSignal;
}

export interface RunCommandResult {
  /** Exit status, 255 for a signal that agents do not name; `undefined` when one is named. */
  readonly code: number | undefined;
  /** Name of the signal that ended it, without `SIG`, where the agent says so. */
  readonly signal: string | undefined;
  readonly stdout: Uint8Array<ArrayBuffer>;
  readonly stderr: Uint8Array<ArrayBuffer>;
}

const DEFAULT_MAX_OUTPUT_BYTES = 16 * 1024 * 1024;
const CHUNK_BYTES = 64 * 1024;

/** Rejects as `WorkspaceConnection.run` says. */
export async function runCommand(
  connection: SshConnection,
  command: string,
  options: RunCommandOptions,
): Promise<RunCommandResult> {
  const { input = "", env = {}, maxOutputBytes = DEFAULT_MAX_OUTPUT_BYTES, signal } = options;
  const session = await connection.openSession({ command, env: Object.entries(env) });
  const onAbort = () => session.abort();
  signal?.addEventListener("abort", onAbort, { once: true });
  if (signal?.aborted === true) session.abort();
  try {
    const limit = { maxBytes: maxOutputBytes, session };
    const [stdout, stderr] = await Promise.all([
      readAll((into) => session.readStdout(into), limit),
      readAll((into) => session.readStderr(into), limit),
      feed(session, typeof input === "string" ? new TextEncoder().encode(input) : input),
    ]);
    const end = await session.ended;
    signal?.throwIfAborted();
    if (stdout === undefined || stderr === undefined) {
      throw new UserError(`The command wrote more than ${maxOutputBytes} bytes`);
    }
    switch (end.kind) {
      case "exit":
        return { code: end.code, signal: undefined, stdout, stderr };
      case "signal":
        return { code: undefined, signal: end.name, stdout, stderr };
      case "lost":
        throw new UserError(end.message);
      case "aborted":
        throw new UserError("The command was given up");
      default:
        return assertNever(end);
    }
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
}

/** A program that ends without reading its input has not failed. */
async function feed(session: SshSession, input: Uint8Array): Promise<void> {
  try {
    if (input.length > 0) await session.write(input);
    await session.closeStdin();
  } catch (error) {
    if (!(error instanceof StreamError)) throw error;
  }
}

/** To the end; `undefined`, and the session given up, when that is too much. */
async function readAll(
  read: (into: Uint8Array) => Promise<number | null>,
  { maxBytes, session }: { readonly maxBytes: number; readonly session: SshSession },
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const chunks: Uint8Array[] = [];
  const buffer = new Uint8Array(CHUNK_BYTES);
  let length = 0;
  for (let count = await read(buffer); count !== null; count = await read(buffer)) {
    length += count;
    if (length > maxBytes) {
      session.abort();
      return undefined;
    }
    chunks.push(buffer.slice(0, count));
  }
  return concatBytes(...chunks);
}

/** One command of the workspace, run to its end, and what it wrote. */
import { ExpectedError, UserError } from "../base/errors.ts";
import type { SshConnection } from "./connection.ts";
import type { SessionRequest } from "../base/session.ts";
import type { SshSession } from "./session.ts";

const MAX_OUTPUT_BYTES = 64 * 1024;

export interface RemoteResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command in the workspace to its end; each output is kept up to 64 KiB. */
export async function runRemote(
  connection: SshConnection,
  command: string,
  options: {
    /** @default none */
    readonly stdin?: Uint8Array;
    /** @default none */
    readonly env?: SessionRequest["env"];
  } = {},
): Promise<RemoteResult> {
  const { stdin = new Uint8Array(0), env = [] } = options;
  const session = await connection.openSession({ command, env });
  const [stdout, stderr] = [new Gathered(), new Gathered()];
  const feeding = feed(session, stdin);
  const [end] = await Promise.all([
    session.ended,
    stdout.drain((into) => session.readStdout(into)),
    stderr.drain((into) => session.readStderr(into)),
    feeding,
  ]);
  if (end.kind === "exit") {
    return { code: end.code, stdout: stdout.text(), stderr: stderr.text() };
  }
  throw new UserError(`\`${command}\` failed: ${end.kind === "lost" ? end.message : end.kind}`);
}

async function feed(session: SshSession, stdin: Uint8Array): Promise<void> {
  try {
    await session.write(stdin);
    await session.closeStdin();
  } catch (error) {
    // A program that ended before it read everything: its exit status tells the story.
    if (!(error instanceof ExpectedError)) throw error;
  }
}

type Read = (into: Uint8Array) => Promise<number | null>;

/** Reads to the end for nobody. */
export async function dropOutput(read: Read): Promise<void> {
  const buffer = new Uint8Array(4 * 1024);
  while (await read(buffer) !== null);
}

/** Reads up to `mark`, or to the end where it does not come; what follows it in the same read is dropped. */
export async function readPast(read: Read, mark: string): Promise<void> {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(4 * 1024);
  let text = "";
  for (let count = await read(buffer); count !== null; count = await read(buffer)) {
    text += decoder.decode(buffer.subarray(0, count), { stream: true });
    if (text.includes(mark)) return;
    text = text.slice(-mark.length);
  }
}

/** Text up to a bound; what comes after it is read and dropped. */
export class Gathered {
  readonly #decoder = new TextDecoder();
  #text = "";

  async drain(read: Read): Promise<void> {
    const buffer = new Uint8Array(4 * 1024);
    for (let count = await read(buffer); count !== null; count = await read(buffer)) {
      if (this.#text.length >= MAX_OUTPUT_BYTES) continue;
      this.#text += this.#decoder.decode(buffer.subarray(0, count), { stream: true });
    }
  }

  text(): string {
    return this.#text.trim();
  }
}

/** Real programs for `TestSshServer`: each session runs its command with `sh -c`, as the agent does. */
import type { ServerChannel, TestSession } from "./ssh_server.ts";
import { serverStream } from "./ssh_forwarding.ts";
import { exitAfterEof } from "./ssh_server.ts";

/** Runs the session's command with `env` added to ours; resolves when it has ended. */
export async function runProgram(
  session: TestSession,
  env: Readonly<Record<string, string>>,
): Promise<void> {
  const { channel } = session;
  const child = new Deno.Command("sh", {
    args: ["-c", session.command ?? "exit 0"],
    env: { ...env, ...Object.fromEntries(session.env) },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const feeding = feed(channel, child.stdin);
  await Promise.all([
    pour(child.stdout, (bytes) => writeTo(channel, bytes)),
    pour(child.stderr, (bytes) => writeTo(channel.stderr, bytes)),
  ]);
  const { code } = await child.status;
  channel.eof();
  exitAfterEof(channel, code);
  channel.close();
  await feeding;
}

async function feed(channel: ServerChannel, stdin: WritableStream<Uint8Array>): Promise<void> {
  const stream = serverStream(channel);
  const writer = stdin.getWriter();
  const buffer = new Uint8Array(64 * 1024);
  try {
    for (let count = await stream.read(buffer); count !== null; count = await stream.read(buffer)) {
      await writer.write(buffer.slice(0, count));
    }
    await writer.close();
  } catch (error) {
    // The program has ended before its input.
    if (!(error instanceof Error)) throw error;
  }
}

async function pour(
  from: ReadableStream<Uint8Array>,
  write: (bytes: Uint8Array) => Promise<void>,
): Promise<void> {
  for await (const bytes of from) await write(bytes);
}

function writeTo(
  node: { write(bytes: Uint8Array, done: (error?: Error | null) => void): boolean },
  bytes: Uint8Array,
): Promise<void> {
  return new Promise((resolve) => node.write(bytes, () => resolve()));
}

/** A sandbox for a test, and the ordinary client pieces that connect to it. */
import { strictEqual } from "node:assert/strict";
import { concatBytes } from "../../lib/base/bytes.ts";
import { SystemClock } from "../../lib/io/clock.ts";
import { createHost } from "../../lib/io/host.ts";
import {
  AGENT_SSH_PORT,
  type ByteStream,
  derpMapFromJson,
  type DialAgentOptions,
  startAgent,
} from "../../lib/mod.ts";
import { Sandbox, type SandboxAgent, type SandboxOptions } from "../../lib/sandbox/mod.ts";
import { connectSsh, type SshConnection } from "../../lib/ssh/connection.ts";
import type { SessionEnd, SessionRequest } from "../../lib/base/session.ts";

/** A test that has not come further in this time hangs. */
export const LIMIT_MS = 20_000;

export type Json = Readonly<Record<string, unknown>>;

export interface ApiResult {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly json: unknown;
}

/** A test with a sandbox of its own. */
export function sandboxTest(
  name: string,
  run: (sandbox: Sandbox) => Promise<void>,
  options: SandboxOptions = {},
): void {
  Deno.test(name, async () => {
    await using sandbox = await Sandbox.start(options);
    const { promise, reject } = Promise.withResolvers<never>();
    const limit = setTimeout(() => {
      const calls = sandbox.api.requests.map(({ route }) => route).join(", ");
      reject(new Error(`Hangs after these requests: ${calls}`));
    }, 2 * LIMIT_MS);
    await Promise.race([run(sandbox), promise]).finally(() => clearTimeout(limit));
  });
}

/** One request to the API with the token, on a connection of its own. */
export async function call(
  sandbox: Sandbox,
  route: string,
  init: { readonly body?: unknown; readonly headers?: Readonly<Record<string, string>> } = {},
): Promise<ApiResult> {
  const [method = "GET", path = ""] = route.split(" ");
  using client = Deno.createHttpClient({});
  const response = await fetch(
    new URL(/^\/derp(\/|$)/.test(path) ? path : `/api/v2${path}`, sandbox.url),
    {
      method,
      client,
      redirect: "manual",
      headers: { "Coder-Session-Token": sandbox.token, ...init.headers },
      ...(init.body === undefined ? {} : { body: JSON.stringify(init.body) }),
      signal: AbortSignal.timeout(LIMIT_MS),
    },
  );
  const text = await response.text();
  const isJson = response.headers.get("content-type")?.startsWith("application/json") ?? false;
  return {
    status: response.status,
    headers: response.headers,
    text,
    json: isJson ? JSON.parse(text) : undefined,
  };
}

/** The body's fields. */
export function fields(value: unknown): Json {
  if (typeof value !== "object" || value === null) throw new TypeError("Expected an object");
  return { ...value };
}

/** The ordinary client of one agent; dispose it before the sandbox. */
export function dialTo(
  sandbox: Sandbox,
  options: { readonly agent?: SandboxAgent; readonly changes?: Partial<DialAgentOptions> } = {},
) {
  const agent = options.agent ?? sandbox.workspace.agent();
  return startAgent({
    agentId: agent.id,
    deploymentUrl: sandbox.url,
    token: sandbox.token,
    derpMap: sandbox.coordinator.derpMap,
    env: () => undefined,
    ...options.changes,
  });
}

export { derpMapFromJson };

/** An SSH connection to the agent, and what is to be disposed with it. */
export interface SshAccess extends AsyncDisposable {
  readonly ssh: SshConnection;
  run(request: SessionRequest & { readonly stdin?: string | Uint8Array }): Promise<RunResult>;
}

export interface RunResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly end: SessionEnd;
}

export async function openSsh(
  sandbox: Sandbox,
  options: { readonly port?: number; readonly dialAgent?: () => Promise<ByteStream> } = {},
): Promise<SshAccess> {
  const { port = AGENT_SSH_PORT, dialAgent } = options;
  const tunnel = dialTo(sandbox);
  const stream = await tunnel.openTcp(port, AbortSignal.timeout(LIMIT_MS));
  const ssh = await connectSsh(stream, {
    clock: new SystemClock(),
    ...(dialAgent === undefined ? {} : { dialAgent }),
  });
  return {
    ssh,
    run: async ({ stdin, ...request }) => {
      const session = await ssh.openSession(request);
      const output = Promise.all([
        readAll((into) => session.readStdout(into)),
        readAll((into) => session.readStderr(into)),
      ]);
      if (stdin !== undefined) {
        await session.write(typeof stdin === "string" ? new TextEncoder().encode(stdin) : stdin);
      }
      await session.closeStdin();
      const [stdout, stderr] = await output;
      return { stdout: decode(stdout), stderr: decode(stderr), end: await session.ended };
    },
    async [Symbol.asyncDispose]() {
      await ssh.close();
      await tunnel.close();
    },
  };
}

export async function readAll(
  read: (into: Uint8Array) => Promise<number | null>,
): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = [];
  const buffer = new Uint8Array(65_536);
  for (let n = await read(buffer); n !== null; n = await read(buffer)) {
    parts.push(buffer.slice(0, n));
  }
  return concatBytes(...parts);
}

/** Exactly so many bytes of the stream, or fewer at its end. */
export async function readBytes(stream: ByteStream, count: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(count);
  let at = 0;
  while (at < count) {
    const n = await stream.read(bytes.subarray(at));
    if (n === null) break;
    at += n;
  }
  return bytes.subarray(0, at);
}

export function decode(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

export function encode(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

/** Says something each way, half-closes one way, then the other. */
export async function converse(a: ByteStream, b: ByteStream): Promise<void> {
  await a.write(encode("question"));
  strictEqual(decode(await readBytes(b, 8)), "question");
  await a.closeWrite();
  strictEqual((await readBytes(b, 1)).length, 0);
  await b.write(encode("answer after the end"));
  await b.closeWrite();
  strictEqual(decode(await readAll((into) => a.read(into))), "answer after the end");
}

/** The next line, without its end. */
export async function readLine(
  read: (into: Uint8Array) => Promise<number | null>,
): Promise<string> {
  const byte = new Uint8Array(1);
  for (let line = "";;) {
    const count = await read(byte);
    if (count === null || byte[0] === 10) return line;
    line += decode(byte);
  }
}

/** The path to a field: `latest_build.job.status`. */
export function at(value: unknown, path: string): unknown {
  let found: unknown = value;
  for (const name of path.split(".")) found = fields(found)[name];
  return found;
}

/** Text messages of a websocket of the API, parsed. */
export async function* messages(sandbox: Sandbox, path: string): AsyncGenerator<unknown> {
  const url = new URL(`/api/v2${path}`, sandbox.url);
  url.protocol = "ws:";
  const result = await createHost().network({}).openTextStream({
    url: url.href,
    headers: [["Coder-Session-Token", sandbox.token]],
    maxMessageBytes: 1_048_576,
    signal: AbortSignal.timeout(LIMIT_MS),
  });
  if (result.kind !== "open") throw new Error(`Refused with ${result.response.status}`);
  try {
    for await (const text of result.stream.messages) yield JSON.parse(text);
  } finally {
    result.stream.close();
  }
}

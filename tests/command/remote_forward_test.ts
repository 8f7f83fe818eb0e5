/**
 * Remote and agent forwards through the whole `hawser ssh` (upstream cli/ssh_test.go, the Forward rows). Deno names each path
 * of a unix socket in its permissions, so that tests, which may use 127.0.0.1 only, run those in a process of their own.
 */
import {
  deepStrictEqual,
  match,
  notStrictEqual,
  ok,
  rejects,
  strictEqual,
} from "node:assert/strict";
import type { ByteStream } from "../../lib/base/stream.ts";
import { SystemClock } from "../../lib/io/clock.ts";
import { SYSTEM_SOCKETS } from "../../lib/io/local_sockets.ts";
import { connectSsh } from "../../lib/ssh/connection.ts";
import { isInstalled } from "../live/check.ts";
import { createBytePipe } from "../support/byte_pipe.ts";
import { type CommandRun, within } from "../support/command_host.ts";
import { untilRefused } from "../support/until_refused.ts";
import { commandTestAtEach, type Desk, TERMINAL } from "./support.ts";
import { MAY_USE_SOCKETS, runWithSockets } from "../support/socket_process.ts";

const IS_WINDOWS = Deno.build.os === "windows";

/** A shell with these flags, whose prompt is there. */
async function startShell(desk: Desk, flags: readonly string[]): Promise<CommandRun> {
  const run = desk.start([...flags, "myworkspace"], { terminal: TERMINAL });
  await run.stdout.waitFor(/[$#] $/);
  return run;
}

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "hawser-forward-" });
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

commandTestAtEach("TestSSH/RemoteForward: HTTP from the workspace to here", async (desk) => {
  await using here = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => new Response("hello world", { headers: { connection: "close" } }),
  );
  const flags = ["--remote-forward", `0:127.0.0.1:${here.addr.port}`];
  await using run = await startShell(desk, flags);
  const [, port] = await run.stderr.waitFor(/Allocated port (\d+) for remote forward/);
  const answer = await fetch(`http://127.0.0.1:${port}/`);
  strictEqual(await answer.text(), "hello world");
  run.raise("SIGINT");
  notStrictEqual((await run.result()).code, 0);
  const gone = await untilRefused(() =>
    Deno.connect({ hostname: "127.0.0.1", port: Number(port) })
  );
  ok(gone instanceof Deno.errors.ConnectionRefused, String(gone));
});

/** A socket here that gives back what it is sent, each time under its own name. */
async function startEcho(path: string, name = ""): Promise<AsyncDisposable> {
  const listener = await SYSTEM_SOCKETS.listen({ kind: "unix", path });
  const running = new Set<Promise<void>>();
  const accepting = (async () => {
    for (let stream = await listener.accept(); stream; stream = await listener.accept()) {
      running.add(echo(stream, name));
    }
  })();
  return {
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting;
      await Promise.all(running);
    },
  };
}

async function echo(stream: ByteStream, name: string): Promise<void> {
  const buffer = new Uint8Array(1_024);
  const encoder = new TextEncoder();
  const decoder = new TextDecoder();
  try {
    for (let n = await stream.read(buffer); n !== null; n = await stream.read(buffer)) {
      await stream.write(encoder.encode(name + decoder.decode(buffer.subarray(0, n))));
    }
    await stream.closeWrite();
  } catch (error) {
    // Whoever is at the other end may be killed.
    if (!(error instanceof Error)) throw error;
  }
  stream.abort();
}

/** Says `text` and checks what comes back. */
async function ask(stream: ByteStream, text: string, expected: string): Promise<void> {
  await stream.write(new TextEncoder().encode(text));
  const buffer = new Uint8Array(1_024);
  const decoder = new TextDecoder();
  let answer = "";
  while (answer.length < expected.length) {
    const n = await stream.read(buffer);
    if (n === null) break;
    answer += decoder.decode(buffer.subarray(0, n), { stream: true });
  }
  strictEqual(answer, expected);
}

async function connect(path: string): Promise<ByteStream> {
  return await SYSTEM_SOCKETS.connect({ kind: "unix", path });
}

/** One connection that is heard and ended. */
async function visit(path: string, text: string, expected: string): Promise<void> {
  const stream = await connect(path);
  await ask(stream, text, expected);
  await stream.closeWrite();
  strictEqual(await stream.read(new Uint8Array(1)), null);
  stream.abort();
}

/** The agent hears over the network that a client is gone, some time after the client. */
async function untilGone(folder: string, path: string): Promise<void> {
  const watching = Deno.watchFs(folder);
  const waiting = async () => {
    while (await isThere(path)) await watching[Symbol.asyncIterator]().next();
  };
  await within(waiting(), () => `the end of ${path}`).finally(() => watching.close());
}

async function isThere(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function unixTests(): void {
  commandTestAtEach(
    "TestSSH/RemoteForwardUnixSocket: the listener here may come after the connection",
    (desk) =>
      inFolder(async (folder) => {
        const [remote, local] = [`${folder}/remote.sock`, `${folder}/local.sock`];
        await using run = await startShell(desk, ["--remote-forward", `${remote}:${local}`]);
        await using _echo = await startEcho(local);
        await visit(remote, "over there", "over there");
        await run.type("exit\r");
        strictEqual((await run.result()).code, 0);
        await rejects(Deno.lstat(remote), Deno.errors.NotFound);
      }),
  );

  commandTestAtEach(
    "TestSSH/RemoteForwardMultipleUnixSockets: each leads to its own",
    (desk) =>
      inFolder(async (folder) => {
        await using _one = await startEcho(`${folder}/local1.sock`, "one ");
        await using _two = await startEcho(`${folder}/local2.sock`, "two ");
        const flags = [1, 2].flatMap((n) => [
          "--remote-forward",
          `${folder}/remote${n}.sock:${folder}/local${n}.sock`,
        ]);
        await using run = await startShell(desk, flags);
        await visit(`${folder}/remote1.sock`, "a", "one a");
        await visit(`${folder}/remote2.sock`, "b", "two b");
        await run.type("exit\r");
        strictEqual((await run.result()).code, 0);
      }),
  );

  commandTestAtEach(
    "TestSSH/RemoteForwardUnixSocketMultipleSessionsOverwrite: the newer session takes the socket over",
    (desk) =>
      inFolder(async (folder) => {
        const remote = `${folder}/remote.sock`;
        await using _one = await startEcho(`${folder}/local1.sock`, "one ");
        await using _two = await startEcho(`${folder}/local2.sock`, "two ");
        const flag = (n: number) => ["--remote-forward", `${remote}:${folder}/local${n}.sock`];
        await using _first = await startShell(desk, flag(1));
        const open = await connect(remote);
        await ask(open, "a", "one a");
        await using _second = await startShell(desk, flag(2));
        await visit(remote, "b", "two b");
        await ask(open, "c", "one c");
        open.abort();
      }),
  );

  commandTestAtEach(
    "TestSSH/RemoteForward_Unix_Signal: a signal is an error, and the socket is gone each time",
    (desk) =>
      inFolder(async (folder) => {
        const [remote, local] = [`${folder}/remote.sock`, `${folder}/local.sock`];
        await using _echo = await startEcho(local);
        for (let round = 0; round < 2; round++) {
          await using run = await startShell(desk, ["--remote-forward", `${remote}:${local}`]);
          await visit(remote, "hello", "hello");
          run.raise("SIGTERM");
          strictEqual((await run.result()).code, 143);
          await rejects(Deno.lstat(remote), Deno.errors.NotFound);
        }
      }),
  );

  commandTestAtEach(
    "TestSSH/Stdio_RemoteForward_Signal: ends with 0, and the outer client's socket is gone",
    (desk) =>
      inFolder(async (folder) => {
        const remote = `${folder}/remote.sock`;
        const [outer, inner] = createBytePipe();
        await using run = desk.start(["--stdio", "myworkspace"], { pipe: inner });
        run.exitCode.then(() => inner.abort("The process is over"));
        const ssh = await connectSsh(outer, {
          clock: new SystemClock(),
          verifyHostKey: () => Promise.resolve(),
        });
        const echoes: Promise<void>[] = [];
        await ssh.listenUnix(remote, (incoming) => void echoes.push(echo(incoming.accept(), "")));
        await visit(remote, "hello", "hello");
        const gone = untilGone(folder, remote);
        run.raise("SIGTERM");
        const { code, stderr } = await run.result();
        deepStrictEqual({ code, stderr }, { code: 0, stderr: "" });
        await ssh.closed;
        await Promise.all(echoes);
        outer.abort();
        await gone;
      }),
  );
}

function agentTest(): void {
  commandTestAtEach(
    "TestSSH/ForwardAgent: the workspace's SSH_AUTH_SOCK leads to the agent here",
    (desk) =>
      inFolder(async (folder) => {
        const [key, socket] = [`${folder}/key`, `${folder}/agent.sock`];
        await using _agent = await startSshAgent(socket);
        await runHere("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "hawser", "-f", key]);
        await runHere("ssh-add", ["-q", key], { SSH_AUTH_SOCK: socket });
        const flags = ["--forward-agent", "--identity-agent", socket, "myworkspace"];
        const { code, stdout, stderr } = await desk.run([
          ...flags,
          "echo $SSH_AUTH_SOCK; ssh-add -L",
        ]);
        strictEqual(code, 0, stderr);
        const [path, listed] = stdout.split("\n");
        match(path ?? "", /^\/.+/);
        notStrictEqual(path, socket);
        strictEqual(listed, (await Deno.readTextFile(`${key}.pub`)).trimEnd());
      }),
  );
}

async function runHere(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  const { code, stderr } = await new Deno.Command(program, { args: [...args], env }).output();
  strictEqual(code, 0, new TextDecoder().decode(stderr));
}

/** A real one, which listens. */
async function startSshAgent(socket: string): Promise<AsyncDisposable> {
  const child = new Deno.Command("ssh-agent", {
    args: ["-D", "-a", socket],
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const reader = child.stdout.getReader();
  await reader.read(); // it says where it listens when it does
  return {
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await child.status;
      await reader.cancel();
    },
  };
}

if (MAY_USE_SOCKETS && !IS_WINDOWS) {
  unixTests();
  if (isInstalled("ssh-agent")) agentTest();
  else {
    Deno.test({
      name: "TestSSH/ForwardAgent (skipped: no ssh-agent)",
      ignore: true,
      fn: () => {},
    });
  }
}

const inner = !IS_WINDOWS && !MAY_USE_SOCKETS;
Deno.test({
  name: inner
    ? "Rows of forwards with unix sockets, in a process that may use them"
    : "Rows of forwards with unix sockets (skipped: no unix, or run right here)",
  ignore: !inner,
  fn: async () => {
    const said = await runWithSockets(import.meta.url);
    match(said, /RemoteForward_Unix_Signal/);
  },
});

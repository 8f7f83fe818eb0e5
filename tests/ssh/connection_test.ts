import assert from "node:assert/strict";
import { concatBytes, equalBytes } from "../../lib/base/bytes.ts";
import { connectSsh, type SshConnection } from "../../lib/ssh/connection.ts";
import { outcomeOf } from "../../lib/ssh/ends.ts";
import type { SessionRequest } from "../../lib/base/session.ts";
import type { SshSession } from "../../lib/ssh/session.ts";
import { UserError } from "../../lib/base/errors.ts";
import { ManualClock } from "../support/manual_clock.ts";
import {
  exitAfterEof,
  readAll,
  type TestSession,
  TestSshServer,
  type TestSshServerOptions,
} from "../support/ssh_server.ts";

const decoder = new TextDecoder();
const encoder = new TextEncoder();

async function withServer(
  options: TestSshServerOptions,
  use: (connection: SshConnection, server: TestSshServer, clock: ManualClock) => Promise<void>,
): Promise<void> {
  const clock = new ManualClock();
  const server = await TestSshServer.start(options);
  const connection = await connectSsh(server.stream, { clock });
  try {
    await use(connection, server, clock);
  } finally {
    await connection.close();
  }
}

/** Runs one session to its end with nothing on its input. */
async function run(connection: SshConnection, request: SessionRequest) {
  const session = await connection.openSession(request);
  await session.closeStdin();
  return await drain(session);
}

async function drain(session: SshSession) {
  const [stdout, stderr, end] = await Promise.all([
    readAll((into) => session.readStdout(into)),
    readAll((into) => session.readStderr(into)),
    session.ended,
  ]);
  return { stdout: decoder.decode(stdout), stderr: decoder.decode(stderr), end };
}

Deno.test("SshConnection runs a command with its streams apart and its exit status", async () => {
  const onSession = ({ command, channel }: TestSession) => {
    channel.write(`out of ${command}`);
    channel.stderr.write("err");
    channel.exit(7);
    channel.close();
  };
  await withServer({ onSession }, async (connection) => {
    const result = await run(connection, { command: "make tea" });
    assert.deepEqual(result, {
      stdout: "out of make tea",
      stderr: "err",
      end: { kind: "exit", code: 7 },
    });
  });
});

Deno.test("SshConnection passes the end of input on and keeps the exit status that comes after the output's end", async () => {
  const onSession = ({ channel }: TestSession) => {
    let bytes = 0;
    channel.on("data", (chunk: Uint8Array) => bytes += chunk.length);
    channel.on("end", () => {
      channel.write(String(bytes));
      channel.eof(); // end of output first, status later, as a program does that closes its output early
      queueMicrotask(() => {
        exitAfterEof(channel, 3);
        channel.close();
      });
    });
  };
  await withServer({ onSession }, async (connection) => {
    const session = await connection.openSession({ command: "wc -c" });
    await session.write(encoder.encode("one two"));
    await session.closeStdin();
    const result = await drain(session);
    assert.equal(result.stdout, "7");
    assert.deepEqual(result.end, { kind: "exit", code: 3 });
  });
});

Deno.test("SshConnection asks for variables, terminal and size before the shell, then tells resize, signal and break", async () => {
  let seen: TestSession | undefined;
  const started = Promise.withResolvers<void>();
  const onSession = (session: TestSession) => {
    seen = session;
    started.resolve();
  };
  await withServer({ onSession }, async (connection) => {
    const session = await connection.openSession({
      pty: { term: "screen-256color", size: { columns: 101, rows: 31 } },
      env: [["A", "1"], ["B", "two, three"]],
    });
    await started.promise;
    session.resize({ columns: 80, rows: 24 });
    session.signal("INT");
    session.sendBreak();
    seen?.channel.exit("KILL", false, "");
    seen?.channel.close();
    const { end } = await drain(session);
    assert.equal(seen?.pty?.term, "screen-256color");
    assert.deepEqual([seen?.pty?.cols, seen?.pty?.rows], [101, 31]);
    assert.deepEqual([...seen?.env ?? []], [["A", "1"], ["B", "two, three"]]);
    assert.deepEqual(end, { kind: "signal", name: "KILL" });
    assert.deepEqual(outcomeOf(end), { exitCode: 137 });
  });
});

Deno.test("SshConnection delivers window changes and signals to a running session", async () => {
  const onSession = (session: TestSession) => {
    session.channel.on("data", () => {
      session.channel.write(JSON.stringify([session.windowChanges, session.signals]));
      session.channel.exit(0);
      session.channel.close();
    });
  };
  await withServer({ onSession }, async (connection) => {
    const session = await connection.openSession({
      pty: { term: "x", size: { columns: 1, rows: 1 } },
    });
    session.resize({ columns: 80, rows: 24 });
    session.signal("TERM");
    await session.write(encoder.encode("go"));
    const { stdout } = await drain(session);
    const [changes, signals] = JSON.parse(stdout);
    assert.deepEqual([changes[0].cols, changes[0].rows], [80, 24]);
    assert.deepEqual(signals, ["TERM"]);
  });
});

Deno.test("SshConnection says which request the workspace refused", async (t) => {
  const rows = [
    {
      name: "variable",
      options: { acceptEnv: (name: string) => name !== "B" },
      request: { command: "x", env: [["A", "1"], ["B", "2"]] as const },
      message: "setenv B: request refused",
    },
    {
      name: "terminal",
      options: { acceptPty: false },
      request: { pty: { term: "x", size: { columns: 1, rows: 1 } } },
      message: "request pty: request refused",
    },
  ];
  for (const row of rows) {
    await t.step(row.name, () =>
      withServer(row.options, async (connection) => {
        await assert.rejects(connection.openSession(row.request), (error) => {
          assert(error instanceof UserError);
          assert.equal(error.message, row.message);
          return true;
        });
        // The connection is none the worse for it.
        assert.deepEqual((await run(connection, { command: "y" })).end, { kind: "exit", code: 0 });
      }));
  }
});

Deno.test("SshConnection ends a session as lost when the network goes away, after what had arrived", async () => {
  const onSession = ({ channel }: TestSession) => void channel.write("half of it");
  await withServer({ onSession }, async (connection, server) => {
    const session = await connection.openSession({ command: "x" });
    const first = new Uint8Array(4);
    assert.equal(await session.readStdout(first), 4);
    server.stream.lose("path is gone");
    const { stdout, end } = await drain(session);
    assert.equal(decoder.decode(first) + stdout, "half of it");
    assert.deepEqual(end, { kind: "lost", message: "path is gone" });
    assert.deepEqual(outcomeOf(end), {
      exitCode: 255,
      message: "SSH connection ended unexpectedly",
      detail: "path is gone",
    });
    assert.deepEqual(await connection.closed, { kind: "lost", message: "path is gone" });
    await assert.rejects(connection.openSession({ command: "y" }), {
      message: "SSH connection ended unexpectedly",
      exitCode: 255,
    });
  });
});

Deno.test("SshConnection ends a session as lost when the agent closes it without a status", async () => {
  const onSession = ({ channel }: TestSession) => channel.close();
  await withServer({ onSession }, async (connection) => {
    const { end } = await run(connection, { command: "x" });
    assert.equal(end.kind, "lost");
  });
});

Deno.test("SshConnection.close() gives up a server that does not answer after two seconds", async () => {
  await withServer({}, async (connection, server, clock) => {
    // The server's end is never read again: no goodbye can come.
    const peer = server.stream.peer;
    assert(peer !== undefined);
    peer.closeWrite = () => Promise.resolve();
    const closing = connection.close();
    while (clock.sleeperCount === 0) await Promise.resolve();
    clock.advance(2_000);
    await closing;
    assert.deepEqual(await connection.closed, { kind: "closed" });
  });
});

Deno.test("connectSsh() rejects with what the host key verifier threw", async () => {
  const server = await TestSshServer.start();
  const refusal = new UserError("changed");
  let seen: Uint8Array | undefined;
  await assert.rejects(
    connectSsh(server.stream, {
      clock: new ManualClock(),
      verifyHostKey: (key) => {
        seen = key;
        return Promise.reject(refusal);
      },
    }),
    (error) => error === refusal,
  );
  assert.equal(seen?.toBase64(), server.publicKey.split(" ")[1]);
});

Deno.test("connectSsh() gives up a server that says nothing, and on request", async () => {
  const clock = new ManualClock();
  const silent = { ...(await TestSshServer.start()).stream };
  const never = new Promise<never>(() => {});
  const aborted = Promise.withResolvers<void>();
  const stream = {
    ...silent,
    read: () => never,
    write: () => Promise.resolve(),
    closeWrite: () => Promise.resolve(),
    abort: () => aborted.resolve(),
    closed: never,
  };
  const connecting = connectSsh(stream, { clock, handshakeTimeoutMs: 5_000 });
  while (clock.sleeperCount === 0) await new Promise((resolve) => queueMicrotask(() => resolve(0)));
  clock.advance(5_000);
  await assert.rejects(connecting, { message: "ssh client: No SSH handshake within 5 s" });
  await aborted.promise;

  const controller = new AbortController();
  const second = connectSsh(stream, { clock, signal: controller.signal });
  controller.abort(new Error("user said no"));
  await assert.rejects(second, { message: "user said no" });
});

Deno.test("connectSsh() refuses what is no SSH server", async () => {
  const { createBytePipe } = await import("../support/byte_pipe.ts");
  const [client, other] = createBytePipe();
  await other.write(encoder.encode("HTTP/1.1 400 Bad Request\r\n\r\n".repeat(2000)));
  await other.closeWrite();
  await assert.rejects(connectSsh(client, { clock: new ManualClock() }), UserError);
});

const MIB = 1024 * 1024;

function pattern(bytes: number): Uint8Array<ArrayBuffer> {
  const made = new Uint8Array(bytes);
  for (let i = 0; i < made.length; i++) made[i] = (i * 31 + (i >> 9)) & 0xff;
  return made;
}

Deno.test("SshConnection carries bulk both ways at once, split anyhow", async (t) => {
  for (const maxReadBytes of [1_000, 65_536]) {
    await t.step(`reads of ${maxReadBytes} bytes at most`, async () => {
      const onSession = ({ channel }: TestSession) => {
        channel.pipe(channel, { end: false });
        channel.on("end", () => {
          channel.exit(0);
          channel.end();
        });
      };
      await withServer({ onSession, pipe: { maxReadBytes } }, async (connection) => {
        const session = await connection.openSession({ command: "cat" });
        const sent = pattern(6 * MIB);
        const sending = (async () => {
          for (let at = 0; at < sent.length; at += 100_000) {
            await session.write(sent.subarray(at, at + 100_000));
          }
          await session.closeStdin();
        })();
        const received = await readAll((into) => session.readStdout(into));
        await sending;
        assert(equalBytes(received, sent));
        assert.deepEqual(await session.ended, { kind: "exit", code: 0 });
      });
    });
  }
});

Deno.test("SshConnection goes on sending through the re-keys that the agent asks for (RFC 4253 §9)", async () => {
  const received: Uint8Array[] = [];
  const onSession = ({ channel }: TestSession) => {
    channel.on("data", (chunk: Uint8Array) => received.push(new Uint8Array(chunk)));
    channel.on("end", () => {
      channel.exit(0);
      channel.end();
    });
  };
  await withServer({ onSession }, async (connection, server) => {
    const session = await connection.openSession({ command: "cat >x" });
    const sent = pattern(6 * MIB);
    for (let at = 0; at < sent.length; at += 100_000) {
      await session.write(sent.subarray(at, at + 100_000));
      if (at === 1_000_000 || at === 4_000_000) (await server.connected).rekey();
    }
    await session.closeStdin();
    const { end } = await drain(session);
    assert.deepEqual(end, { kind: "exit", code: 0 });
    assert(equalBytes(concatBytes(...received), sent));
  });
});

Deno.test("SshSession holds the sender back while nobody reads (RFC 4254 §5.2)", async () => {
  let taken = 0;
  const onSession = ({ channel }: TestSession) => {
    const chunk = new Uint8Array(64 * 1024);
    const more = () => {
      channel.write(chunk, () => {
        taken += chunk.length;
        if (taken < 64 * 1024 * 1024) more();
      });
    };
    more();
  };
  await withServer({ onSession }, async (connection) => {
    const session = await connection.openSession({ command: "yes" });
    for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setTimeout(resolve, 0));
    assert(taken <= 4 * 1024 * 1024, `${taken} bytes were taken from a sender nobody reads`);
    session.abort();
    assert.deepEqual(await session.ended, { kind: "aborted" });
  });
});

Deno.test("SshConnection ends with the keepalive limit as its reason, and not while anything answers", async () => {
  const clock = new ManualClock();
  const server = await TestSshServer.start({});
  const connection = await connectSsh(server.stream, {
    clock,
    keepalive: { intervalMs: 15_000, countMax: 2 },
  });
  const settle = async () => {
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setTimeout(resolve, 0));
  };
  for (let round = 0; round < 5; round++) {
    clock.advance(15_000);
    await settle(); // the refusal of the request is an answer
  }
  const peer = server.stream.peer;
  assert(peer !== undefined);
  peer.write = () => Promise.resolve(); // from here on the server is mute
  for (let round = 0; round < 3; round++) {
    clock.advance(15_000);
    await settle();
  }
  assert.deepEqual(await connection.closed, {
    kind: "dead",
    message: "No answer from the workspace for 45s (2 keepalives, one each 15s)",
  });
});

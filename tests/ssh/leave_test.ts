/** Leaving a workspace that does not answer: whatever still waits for it is broken after a few round trips, each kind of wait. */
import assert from "node:assert/strict";
import { connectSsh, type SshConnection } from "../../lib/ssh/connection.ts";
import type { SshSession } from "../../lib/ssh/session.ts";
import { joinStreams } from "../../lib/ssh/join.ts";
import { createBytePipe } from "../support/byte_pipe.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { type TestSession, TestSshServer } from "../support/ssh_server.ts";

interface Scene {
  readonly connection: SshConnection;
  readonly session: SshSession;
}

const WAITS: Readonly<Record<string, (scene: Scene) => Promise<unknown>>> = {
  "the output of a session": ({ session }) => session.readStdout(new Uint8Array(10)),
  "the errors of a session": ({ session }) => session.readStderr(new Uint8Array(10)),
  "the end of a session": ({ session }) => session.ended,
  "a session that reads nothing": async ({ session }) => {
    for (;;) await session.write(new Uint8Array(1024 * 1024));
  },
  "room for the end of input": async ({ session }) => {
    session.write(new Uint8Array(4 * 1024 * 1024)).catch(() => {}); // more than the window
    await session.closeStdin();
  },
  "a new session": ({ connection }) => connection.openSession({ command: "true" }),
  "a TCP connection there": ({ connection }) => connection.openTcp("db", 5432),
  "a unix socket there": ({ connection }) => connection.openUnix("/run/db"),
  "a forward": ({ connection }) => connection.listenTcp("127.0.0.1", 8080, () => {}),
  "a forward of a socket": ({ connection }) => connection.listenUnix("/tmp/sock", () => {}),
  "the end of a forward": ({ connection }) => connection.unlistenTcp("127.0.0.1", 8080),
  "an orderly end": ({ connection }) => connection.waitToClose(new Promise(() => {})),
  "the goodbye": ({ connection }) => connection.close(),
};

for (const [name, wait] of Object.entries(WAITS)) {
  Deno.test(`leave() breaks a wait for ${name} when the workspace says nothing`, async () => {
    const clock = new ManualClock();
    const server = await TestSshServer.start({ onSession: () => {} });
    const connection = await connectSsh(server.stream, { clock });
    const session = await connection.openSession({ command: "sleep" });
    server.stream.freeze();
    const [settled] = [Promise.allSettled([wait({ connection, session })])];
    connection.leave();
    connection.leave(); // idempotent
    clock.advance(100);
    await settled;
    await connection.closed;
  });
}

Deno.test("leave() lets a workspace that answers hear the goodbye", async () => {
  const clock = new ManualClock();
  const ended = Promise.withResolvers<void>();
  const onSession = ({ channel }: TestSession) =>
    void channel.on("close", () => ended.resolve()).resume();
  const server = await TestSshServer.start({ onSession });
  const connection = await connectSsh(server.stream, { clock });
  const session = await connection.openSession({ command: "sleep" });
  connection.leave();
  session.abort();
  await connection.close();
  await ended.promise;
  assert.deepEqual(await connection.closed, { kind: "closed" });
});

Deno.test("leave() waits longer for a workspace that is far away, two seconds at most", async (t) => {
  for (
    const { roundTripMs, limitMs } of [
      { roundTripMs: 10, limitMs: 100 },
      { roundTripMs: 200, limitMs: 800 },
      { roundTripMs: 5_000, limitMs: 2_000 },
    ]
  ) {
    await t.step(`${roundTripMs} ms`, async () => {
      const clock = new ManualClock();
      const server = await TestSshServer.start({ onSession: () => {} });
      const connection = await connectSsh(server.stream, { clock });
      const opening = connection.openSession({ command: "sleep" });
      clock.advance(roundTripMs);
      await opening;
      server.stream.freeze();
      connection.leave();
      let isOver = false;
      connection.closed.then(() => isOver = true);
      clock.advance(limitMs - 1);
      await new Promise((resolve) => setTimeout(resolve));
      assert(!isOver);
      clock.advance(1);
      await connection.closed;
    });
  }
});

Deno.test("A signal given to connectSsh() makes the connection leave later on", async () => {
  const clock = new ManualClock();
  const server = await TestSshServer.start({ onSession: () => {} });
  const stop = new AbortController();
  const connection = await connectSsh(server.stream, { clock, signal: stop.signal });
  const session = await connection.openSession({ command: "sleep" });
  server.stream.freeze();
  const reading = session.readStderr(new Uint8Array(10));
  stop.abort();
  clock.advance(100);
  assert.equal(await reading, null);
});

Deno.test("An aborted channel ends what waits for it at once, both outputs and a write that has no room", async () => {
  const server = await TestSshServer.start({ onSession: () => {} });
  const connection = await connectSsh(server.stream, { clock: new ManualClock() });
  const session = await connection.openSession({ command: "sleep" });
  server.stream.freeze();
  const writing = (async () => {
    for (;;) await session.write(new Uint8Array(1024 * 1024));
  })();
  const waits = [
    session.readStdout(new Uint8Array(10)),
    session.readStderr(new Uint8Array(10)),
    assert.rejects(writing),
  ];
  session.abort();
  await Promise.all(waits);
  server.stream.lose();
  await connection.closed;
});

Deno.test("A forwarded stream whose connection is left breaks on the other side as well", async () => {
  const clock = new ManualClock();
  const server = await TestSshServer.start({ onTcp: (_, { accept }) => void accept?.() });
  const connection = await connectSsh(server.stream, { clock });
  const [near, far] = createBytePipe();
  const joined = joinStreams(near, await connection.openTcp("db", 5432));
  server.stream.freeze();
  connection.leave();
  clock.advance(100);
  assert.match((await joined)?.error.message ?? "", /closed/);
  assert.equal((await far.closed).kind, "reset");
});

/** What leaves without waiting for an answer: from afar each wait is a round trip. Answers are held back; what is asked for must come all the same. */
import assert from "node:assert/strict";
import { connectSsh } from "../../lib/ssh/connection.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { readAll, type TestSession, TestSshServer } from "../support/ssh_server.ts";

const onSession = ({ command, channel }: TestSession) => {
  channel.write(`ran ${command}`);
  channel.exit(3);
  channel.close();
};

/** Holds back what the server says once keys are exchanged. */
async function heldAfterKeys(server: TestSshServer): Promise<void> {
  const connection = await server.connected;
  await new Promise<void>((resolve) => {
    connection.on("handshake", () => {
      server.stream.hold();
      resolve();
    });
  });
}

async function heard(server: TestSshServer, event: "authentication" | "session"): Promise<void> {
  const connection = await server.connected;
  await new Promise<void>((resolve) => connection.on(event, () => resolve()));
}

Deno.test("Authentication is asked for with its service, and a session behind it, before any answer", async () => {
  const server = await TestSshServer.start({ onSession });
  const held = heldAfterKeys(server);
  const asked = Promise.all([heard(server, "authentication"), heard(server, "session")]);
  const ready: string[] = [];
  const connecting = connectSsh(server.stream, { clock: new ManualClock(), opensSession: true });
  connecting.then(() => ready.push("ready"));
  await held;
  await asked;
  assert.deepEqual(ready, []);
  server.stream.letGo();
  await using connection = await connecting;
  const session = await connection.openSession({ command: "make tea" });
  await session.closeStdin();
  const [stdout, end] = await Promise.all([
    readAll((into) => session.readStdout(into)),
    session.ended,
    readAll((into) => session.readStderr(into)),
  ]);
  assert.equal(new TextDecoder().decode(stdout), "ran make tea");
  assert.deepEqual(end, { kind: "exit", code: 3 });
});

Deno.test("Without a session to open authentication is asked for with its service, and nothing else", async () => {
  const server = await TestSshServer.start({ onSession });
  let sessions = 0;
  server.connected.then((connection) => connection.on("session", () => sessions++));
  const held = heldAfterKeys(server);
  const asked = heard(server, "authentication");
  const connecting = connectSsh(server.stream, { clock: new ManualClock() });
  await Promise.all([held, asked]);
  server.stream.letGo();
  await using connection = await connecting;
  assert.equal(sessions, 0);
  (await connection.prepareSession()).abort();
  assert.equal(sessions, 1);
});

Deno.test("The session that was asked for ahead is the first only: each other has a channel of its own", async () => {
  const server = await TestSshServer.start({ onSession });
  const clock = new ManualClock();
  await using connection = await connectSsh(server.stream, { clock, opensSession: true });
  for (const command of ["one", "two", "three"]) {
    const session = await connection.openSession({ command });
    const [stdout] = await Promise.all([
      readAll((into) => session.readStdout(into)),
      readAll((into) => session.readStderr(into)),
    ]);
    assert.equal(new TextDecoder().decode(stdout), `ran ${command}`);
  }
});

Deno.test("A refused authentication is told as such, although more was asked for behind it", async () => {
  const server = await TestSshServer.start({ onSession, refusesAuthentication: true });
  await assert.rejects(
    connectSsh(server.stream, { clock: new ManualClock(), opensSession: true }),
    { message: "ssh client: All configured authentication methods failed" },
  );
});

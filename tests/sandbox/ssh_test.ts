/** The agent's SSH server, by the ordinary client: commands, status, signals, variables, forwards, agent forwarding. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { randomBytes } from "../../lib/base/core.ts";
import { equalBytes } from "../../lib/base/bytes.ts";
import type { ByteStream } from "../../lib/base/stream.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { untilStreamRefused } from "../support/until_refused.ts";
import { converse, decode, openSsh, readAll, readLine, sandboxTest } from "./support.ts";

const IS_UNIX = Deno.build.os !== "windows";
const SHELL = { workspaces: [{ agents: [{ shell: "/bin/sh" }] }] };

if (IS_UNIX) {
  sandboxTest("a command has its own output, errors, input and status", async (sandbox) => {
    await using access = await openSsh(sandbox);
    const result = await access.run({
      command: "cat; echo out; echo err >&2; exit 7",
      stdin: "in\n",
    });
    deepStrictEqual(result, {
      stdout: "in\nout\n",
      stderr: "err\n",
      end: { kind: "exit", code: 7 },
    });
  }, SHELL);

  sandboxTest("a megabyte there and back, on port 22", async (sandbox) => {
    await using access = await openSsh(sandbox, { port: 22 });
    const blob = randomBytes(new SeededRandom(5), 1_000_000);
    const session = await access.ssh.openSession({ command: "cat" });
    const reading = readAll((into) => session.readStdout(into));
    const errors = readAll((into) => session.readStderr(into));
    await session.write(blob);
    await session.closeStdin();
    ok(equalBytes(await reading, blob));
    strictEqual((await errors).length, 0);
  }, SHELL);

  sandboxTest("output and errors that are both large do not block each other", async (sandbox) => {
    await using access = await openSsh(sandbox);
    const half = "head -c 4000000 /dev/zero";
    const { stdout, stderr } = await access.run({ command: `${half} >&2 & ${half}; wait` });
    deepStrictEqual([stdout.length, stderr.length], [4_000_000, 4_000_000]);
  }, SHELL);

  sandboxTest("a login shell without a command reads its input", async (sandbox) => {
    await using access = await openSsh(sandbox);
    const { stdout, end } = await access.run({ stdin: "echo $((6 * 7))\nexit 3\n" });
    match(stdout, /42/);
    deepStrictEqual(end, { kind: "exit", code: 3 });
  }, SHELL);

  sandboxTest("a command that begins with #! runs under that interpreter", async (sandbox) => {
    await using access = await openSsh(sandbox);
    const { stdout } = await access.run({
      command: "#!/bin/sh -e\necho with an interpreter; false; echo not",
    });
    strictEqual(stdout, "with an interpreter\n");
  }, SHELL);

  sandboxTest(
    "variables of the agent and of the client; the session's type stays out",
    async (sandbox) => {
      await using access = await openSsh(sandbox);
      const { stdout } = await access.run({
        command:
          "echo $CODER $CODER_WORKSPACE_NAME $CODER_WORKSPACE_OWNER_NAME $CODER_WORKSPACE_AGENT_NAME " +
          "$MINE $OWN [$CODER_SSH_SESSION_TYPE]",
        env: [["MINE", "yes"], ["CODER_SSH_SESSION_TYPE", "vscode"]],
      });
      strictEqual(stdout, "true dev demo main yes agent []\n");
    },
    { workspaces: [{ agents: [{ shell: "/bin/sh", env: { OWN: "agent" } }] }] },
  );

  sandboxTest("a signal reaches the program; killed by one is 255", async (sandbox) => {
    await using access = await openSsh(sandbox);
    const session = await access.ssh.openSession({
      command: "trap 'echo got it; exit 4' USR1; echo ready; while :; do sleep 0.05; done",
    });
    strictEqual(await readLine((into) => session.readStdout(into)), "ready");
    session.signal("USR1");
    strictEqual(decode(await readAll((into) => session.readStdout(into))), "got it\n");
    await readAll((into) => session.readStderr(into));
    deepStrictEqual(await session.ended, { kind: "exit", code: 4 });
    const killed = await access.run({ command: "kill -9 $$" });
    deepStrictEqual(killed.end, { kind: "exit", code: 255 });
  }, SHELL);

  sandboxTest("a shell that cannot be started is status 229", async (sandbox) => {
    await using access = await openSsh(sandbox);
    const { end, stderr } = await access.run({ command: "true" });
    deepStrictEqual(end, { kind: "exit", code: 229 });
    match(stderr, /no\/such\/shell/);
  }, { workspaces: [{ agents: [{ shell: "/no/such/shell" }] }] });

  sandboxTest("fifty sessions at once on one connection", async (sandbox) => {
    await using access = await openSsh(sandbox);
    const results = await Promise.all(
      Array.from({ length: 50 }, (_, at) => access.run({ command: `echo ${at}; exit ${at}` })),
    );
    for (const [at, { stdout, end }] of results.entries()) {
      deepStrictEqual([stdout, end], [`${at}\n`, { kind: "exit", code: at }]);
    }
  }, SHELL);

  sandboxTest("stopping the sandbox ends programs, children too", async (sandbox) => {
    const access = await openSsh(sandbox);
    const session = await access.ssh.openSession({ command: "sleep 600 & echo $!; sleep 600" });
    const pid = Number(await readLine((into) => session.readStdout(into)));
    strictEqual(sandbox.workspace.agent().programCount, 1);
    await sandbox.stop();
    await access[Symbol.asyncDispose]();
    ok(pid > 1);
    // The child is gone, or a zombie that somebody is about to collect.
    const state = await Deno.readTextFile(`/proc/${pid}/stat`).then(
      (text) => text.split(" ")[2],
      () => "gone",
    );
    ok(state === "gone" || state === "Z", state);
  }, SHELL);
}

sandboxTest("direct-tcpip and tcpip-forward, each end by itself", async (sandbox) => {
  await using access = await openSsh(sandbox);
  const incoming = Promise.withResolvers<ByteStream>();
  const port = await access.ssh.listenTcp(
    "127.0.0.1",
    0,
    (connection) => incoming.resolve(connection.accept()),
  );
  const outgoing = await access.ssh.openTcp("127.0.0.1", port);
  await converse(outgoing, await incoming.promise);
  await access.ssh.unlistenTcp("127.0.0.1", port);
  ok(await untilStreamRefused(() => access.ssh.openTcp("127.0.0.1", port)) instanceof Error);
});

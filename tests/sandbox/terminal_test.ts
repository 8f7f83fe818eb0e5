/** Pseudo-terminals of the sandbox's agent: size, resize, Ctrl-C, what is typed, and their end. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import type { SshSession } from "../../lib/ssh/session.ts";
import { PtyMaker } from "../../lib/sandbox/ssh/pty.ts";
import { decode, encode, LIMIT_MS, openSsh, readAll, sandboxTest } from "./support.ts";

const IS_UNIX = Deno.build.os !== "windows";
const SHELL = {
  workspaces: [{
    agents: [{ shell: "/bin/sh", banner: "Welcome\nto the demo" }],
  }],
};
const PTY = { term: "xterm-256color", size: { columns: 91, rows: 17 } };

/** Reads until what was read holds `wanted`; all of it. */
async function readUntil(session: SshSession, wanted: RegExp): Promise<string> {
  const buffer = new Uint8Array(4_096);
  let text = "";
  while (!wanted.test(text)) {
    const limit = setTimeout(() => session.abort(), LIMIT_MS);
    const count = await session.readStdout(buffer);
    clearTimeout(limit);
    if (count === null) throw new Error(`Ended without ${wanted}: ${JSON.stringify(text)}`);
    text += decode(buffer.subarray(0, count));
  }
  return text;
}

async function finish(session: SshSession): Promise<string> {
  const rest = decode(await readAll((into) => session.readStdout(into)));
  await readAll((into) => session.readStderr(into));
  return rest;
}

if (IS_UNIX) {
  sandboxTest(
    "a command in a terminal: size, TERM, a controlling terminal, its status",
    async (sandbox) => {
      await using access = await openSsh(sandbox);
      const session = await access.ssh.openSession({
        pty: PTY,
        command:
          'stty size; echo $TERM; test -t 0 -a -t 1 -a -t 2 && echo tty; [ "$(tty)" = "$SSH_TTY" ] && echo same; : </dev/tty && echo ctty; exit 9',
      });
      strictEqual(
        await finish(session),
        ["17 91", "xterm-256color", "tty", "same", "ctty", ""].join("\r\n"),
      );
      deepStrictEqual(await session.ended, { kind: "exit", code: 9 });
    },
    SHELL,
  );

  sandboxTest("a shell in a terminal: banner, resize, Ctrl-C, Ctrl-D", async (sandbox) => {
    await using access = await openSsh(sandbox);
    const session = await access.ssh.openSession({ pty: PTY });
    await session.write(encode("echo start $((1+0))\r"));
    match(await readUntil(session, /start 1/), /^Welcome\r\nto the demo\r\n\r\n/);
    session.resize({ columns: 100, rows: 40 });
    await session.write(
      encode(
        "trap 'echo resized' WINCH; while [ \"$(stty size)\" != '40 100' ]; do sleep 0.02; done; echo done $((1+1))\r",
      ),
    );
    await readUntil(session, /done 2/);
    // A program that has shown that it reads: a shell on its way to a program may lose the interrupt meant for it (dash does).
    await session.write(encode("cat\rping\r"));
    await readUntil(session, /ping[^]*ping\r\n/);
    await session.write(Uint8Array.of(3));
    // What is typed before the prompt is back goes with the interrupt.
    await readUntil(session, /\^C[^]*[#$] $/);
    await session.write(encode("echo after $?\r"));
    await readUntil(session, /after 130/);
    await session.write(encode("exit 6\r"));
    await finish(session);
    deepStrictEqual(await session.ended, { kind: "exit", code: 6 });
  }, SHELL);

  sandboxTest(
    "a program that leaves a child in its terminal ends all the same",
    async (sandbox) => {
      await using access = await openSsh(sandbox);
      const session = await access.ssh.openSession({
        pty: PTY,
        command: "trap '' HUP; sleep 5 & echo bye",
      });
      strictEqual(await finish(session), "bye\r\n");
      deepStrictEqual(await session.ended, { kind: "exit", code: 0 });
    },
    SHELL,
  );

  sandboxTest("a terminal whose client goes away is hung up", async (sandbox) => {
    await using access = await openSsh(sandbox);
    const session = await access.ssh.openSession({ pty: PTY, command: "echo ready; sleep 600" });
    await readUntil(session, /ready/);
    const agent = sandbox.workspace.agent();
    strictEqual(agent.programCount, 1);
    session.abort();
    await sandbox.workspace.agent().whenIdle();
    strictEqual(agent.programCount, 0);
  }, SHELL);

  sandboxTest("much output through a terminal", async (sandbox) => {
    await using access = await openSsh(sandbox);
    const session = await access.ssh.openSession({ pty: PTY, command: "seq 1 50000" });
    const lines = (await finish(session)).split("\r\n");
    deepStrictEqual([lines.length, lines[0], lines[49_999]], [50_001, "1", "50000"]);
  }, SHELL);

  Deno.test("Pty: what is typed comes back, and closing ends its thread", async () => {
    using maker = new PtyMaker();
    const pty = maker.open();
    ok(pty.path.startsWith("/dev/"));
    const reading = pty.read();
    // A terminal that nobody opened echoes by itself.
    await pty.write(encode("hi\r"));
    strictEqual(decode(await reading ?? new Uint8Array(0)), "hi\r\n");
    pty.close();
    await pty.ended;
    strictEqual(await pty.read(), null);
  });
}

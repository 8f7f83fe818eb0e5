import assert from "node:assert/strict";
import { connectSsh, type SshConnection } from "../../lib/ssh/connection.ts";
import { HostError } from "../../lib/base/host.ts";
import { runTerminalSession, wantsPty } from "../../lib/ssh/terminal_session.ts";
import { FakeTerminal } from "../support/fake_terminal.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { type TestSession, TestSshServer } from "../support/ssh_server.ts";

async function withSession(
  onSession: (session: TestSession) => void,
  use: (connection: SshConnection, server: TestSshServer) => Promise<void>,
): Promise<void> {
  const server = await TestSshServer.start({ onSession });
  const connection = await connectSsh(server.stream, { clock: new ManualClock() });
  try {
    await use(connection, server);
  } finally {
    await connection.close();
  }
}

/** Says who it is, echoes, and exits with 7 on `exit`. */
function shell(session: TestSession): void {
  const { channel, pty } = session;
  channel.write(`${pty === undefined ? "no pty" : `${pty.term} ${pty.cols}x${pty.rows}`}$ `);
  let typed = "";
  channel.on("data", (chunk: Uint8Array) => {
    const text = new TextDecoder().decode(chunk);
    typed += text;
    channel.write(text);
    if (typed.includes("size")) {
      typed = "";
      channel.write(JSON.stringify(session.windowChanges.map((to) => [to.cols, to.rows])));
    }
    if (typed.includes("exit")) {
      channel.exit(7);
      channel.close();
    }
  });
  channel.on("end", () => {
    channel.write("bye");
    channel.exit(0);
    channel.end();
  });
}

Deno.test("terminal session has a shell with TERM and size from the first request, raw mode and resize", async () => {
  await withSession(shell, async (connection) => {
    const terminal = new FakeTerminal({ size: { columns: 132, rows: 50 } });
    const running = runTerminalSession(connection, terminal, { term: "tmux-256color" });
    await terminal.stdout.waitFor("tmux-256color 132x50$ ");
    assert(terminal.isRaw);
    terminal.resize({ columns: 90, rows: 20 });
    await terminal.type("size\r");
    await terminal.stdout.waitFor("[[90,20]]");
    await terminal.type("exit\r");
    assert.deepEqual(await running, { exitCode: 7 });
    assert.deepEqual(terminal.modes, ["raw", "cooked"]);
    assert.equal(terminal.resizeHandlerCount, 0);
    await terminal.typeEnd();
  });
});

Deno.test("terminal session of a command keeps the terminal as it is and ends its input", async () => {
  await withSession(shell, async (connection) => {
    const terminal = new FakeTerminal({ isStdinTerminal: false });
    const running = runTerminalSession(connection, terminal, { command: "cat" });
    await terminal.type("~.\nline\n");
    await terminal.typeEnd();
    assert.deepEqual(await running, { exitCode: 0 });
    assert.equal(terminal.stdout.text, "no pty$ ~.\nline\nbye");
    assert.deepEqual(terminal.modes, []);
  });
});

Deno.test("terminal session's raw mode follows standard input and the terminal over there, as OpenSSH's", async (t) => {
  for (const isStdinTerminal of [true, false]) {
    for (const isStdoutTerminal of [true, false]) {
      for (const pty of [true, false]) {
        const name = `stdin ${isStdinTerminal}, stdout ${isStdoutTerminal}, remote ${pty}`;
        await t.step(name, () =>
          withSession(shell, async (connection) => {
            const terminal = new FakeTerminal({ isStdinTerminal, isStdoutTerminal });
            const running = runTerminalSession(connection, terminal, { pty });
            await terminal.stdout.waitFor(pty ? "80x24$ " : "no pty$ ");
            await terminal.type("exit\n");
            assert.deepEqual(await running, { exitCode: 7 });
            assert.deepEqual(terminal.modes, isStdinTerminal && pty ? ["raw", "cooked"] : []);
          }));
      }
    }
  }
});

Deno.test("terminal session has the terminal's size when its output goes elsewhere, and its changes", async () => {
  await withSession(shell, async (connection) => {
    const size = { columns: 132, rows: 50 };
    const terminal = new FakeTerminal({ size, isStdoutTerminal: false });
    const running = runTerminalSession(connection, terminal);
    await terminal.stdout.waitFor("132x50$ ");
    terminal.resize({ columns: 90, rows: 20 });
    await terminal.type("size\r");
    await terminal.stdout.waitFor("[[90,20]]");
    await terminal.type("exit\r");
    await running;
  });
});

Deno.test("wantsPty() gives a shell one only at a terminal, a command only when asked", () => {
  const [tty, pipe] = [
    new FakeTerminal().stdin,
    new FakeTerminal({ isStdinTerminal: false }).stdin,
  ];
  assert(wantsPty({ tty: false, stdin: tty }));
  assert(!wantsPty({ tty: false, stdin: pipe }));
  assert(!wantsPty({ command: "ls", tty: false, stdin: tty }));
  assert(wantsPty({ command: "ls", tty: true, stdin: pipe }));
});

Deno.test("terminal session restores the terminal and says so when ~. ends it", async () => {
  await withSession(shell, async (connection) => {
    const terminal = new FakeTerminal();
    const running = runTerminalSession(connection, terminal);
    await terminal.stdout.waitFor("$ ");
    await terminal.type("~.");
    assert.deepEqual(await running, { exitCode: 255, message: "Connection closed." });
    assert.deepEqual(terminal.modes, ["raw", "cooked"]);
    assert.equal(terminal.stderr.text, "~.\r\n");
  });
});

Deno.test("terminal session answers ~? and ~#, sends ~~ once and stops itself on ~^Z", async () => {
  await withSession(shell, async (connection) => {
    const terminal = new FakeTerminal();
    const running = runTerminalSession(connection, terminal, {
      listForwards: () => ["forward 127.0.0.1:8080"],
    });
    await terminal.stdout.waitFor("$ ");
    await terminal.type("~?~#~B");
    await terminal.stderr.waitFor("~B\r\n");
    assert.match(terminal.stderr.text, /Supported escape sequences:\r\n/);
    assert.match(
      terminal.stderr.text,
      /connections are open:\r\n {2}#0 session\r\n {2}#1 forward 127/,
    );
    terminal.size = { columns: 40, rows: 10 };
    await terminal.type("~\x1a");
    await terminal.type("~~size\r");
    await terminal.stdout.waitFor("[[40,10]]");
    assert.match(terminal.stdout.text, /\$ ~size\r/);
    assert.deepEqual(terminal.modes, ["raw", "cooked", "stopped", "raw"]);
    await terminal.type("exit");
    await running;
    assert.equal(terminal.modes.at(-1), "cooked");
  });
});

Deno.test("terminal session without escapes sends them all", async () => {
  await withSession(shell, async (connection) => {
    const terminal = new FakeTerminal();
    const running = runTerminalSession(connection, terminal, { escapeChar: "none" });
    await terminal.stdout.waitFor("$ ");
    await terminal.type("~.exit");
    assert.deepEqual(await running, { exitCode: 7 });
    assert.match(terminal.stdout.text, /~\.exit/);
  });
});

Deno.test("terminal session hears ~. even when the program reads nothing", async () => {
  const deaf = ({ channel }: TestSession) => void channel.write("$ ");
  await withSession(deaf, async (connection) => {
    const terminal = new FakeTerminal();
    const running = runTerminalSession(connection, terminal);
    await terminal.stdout.waitFor("$ ");
    for (let mib = 0; mib < 2.5; mib += 1 / 16) await terminal.type("x".repeat(64 * 1024));
    await terminal.type("\r~.");
    assert.equal((await running).exitCode, 255);
    assert(!terminal.isRaw);
  });
});

Deno.test("terminal session is restored when the network goes away", async () => {
  await withSession(shell, async (connection, server) => {
    const terminal = new FakeTerminal();
    const running = runTerminalSession(connection, terminal);
    await terminal.stdout.waitFor("$ ");
    server.stream.lose("no path to the workspace");
    assert.deepEqual(await running, {
      exitCode: 255,
      message: "SSH connection ended unexpectedly",
      detail: "no path to the workspace",
    });
    assert(!terminal.isRaw);
  });
});

Deno.test("terminal session given up rejects with the reason, and signals a program without a terminal", async () => {
  const seen: TestSession[] = [];
  const onSession = (session: TestSession) => {
    seen.push(session);
    shell(session);
  };
  await withSession(onSession, async (connection) => {
    const controller = new AbortController();
    const terminal = new FakeTerminal();
    const running = runTerminalSession(connection, terminal, {
      command: "sleep 1000",
      signal: controller.signal,
      interruptedBy: () => "TERM",
    });
    await terminal.stdout.waitFor("$ ");
    controller.abort(new Error("terminated"));
    await assert.rejects(running, { message: "terminated" });
    while (seen[0]?.signals.length === 0) await new Promise((resolve) => setTimeout(resolve, 0));
    assert.deepEqual(seen[0]?.signals, ["TERM"]);
    assert(!terminal.isRaw);
  });
});

const BROKEN_PIPE = new HostError("broken-pipe", "write to standard output: broken pipe");
const FULL = new HostError("no-space", "write to standard output: no space left on device");
const UNREADABLE = new HostError("other", "read standard input: input/output error");

/** Writes to both outputs, to one for ever, and reads. */
function yes({ channel }: TestSession): void {
  const more = () => void channel.write("y\n".repeat(1_000), more);
  more();
  channel.stderr.write("warning\n");
  channel.resume();
}

const PIPES = { isStdinTerminal: false, isStdoutTerminal: false };

for (const stream of ["stdout", "stderr"] as const) {
  Deno.test(`terminal session ends the program when nobody reads its ${stream} any more`, async () => {
    await withSession(yes, async (connection) => {
      const terminal = new FakeTerminal(PIPES);
      terminal[stream].failure = BROKEN_PIPE;
      const running = runTerminalSession(connection, terminal, { command: "yes" });
      assert.deepEqual(await running, { exitCode: 141 });
    });
  });

  Deno.test(`terminal session tells that its ${stream} cannot be written for another reason`, async () => {
    await withSession(yes, async (connection) => {
      const terminal = new FakeTerminal(PIPES);
      terminal[stream].failure = FULL;
      await assert.rejects(runTerminalSession(connection, terminal, { command: "yes" }), FULL);
    });
  });

  Deno.test(`terminal session ends at its signal, though nobody reads its ${stream}`, async () => {
    await withSession(yes, async (connection) => {
      const terminal = new FakeTerminal(PIPES);
      terminal[stream].gate = new Promise(() => {});
      const stop = new AbortController();
      const options = { command: "yes", signal: stop.signal, onStarted: () => stop.abort() };
      await assert.rejects(runTerminalSession(connection, terminal, options), stop.signal.reason);
    });
  });
}

Deno.test("terminal session tells that its input cannot be read, and ends the program there", async () => {
  const ended = Promise.withResolvers<void>();
  const onSession = (session: TestSession) => {
    session.channel.on("close", () => ended.resolve());
    yes(session);
  };
  await withSession(onSession, async (connection) => {
    const terminal = new FakeTerminal(PIPES);
    const running = runTerminalSession(connection, terminal, { command: "cat >file" });
    await terminal.type("half of it");
    terminal.breakInput(UNREADABLE);
    await assert.rejects(running, UNREADABLE);
    await ended.promise;
  });
});

Deno.test("terminal session takes a terminal that was hung up, and a reset connection, for the end of input", async (t) => {
  for (
    const [name, options, error] of [
      ["terminal", {}, UNREADABLE],
      [
        "socket",
        PIPES,
        new HostError("broken-pipe", "read standard input: connection reset by peer"),
      ],
    ] as const
  ) {
    await t.step(name, () =>
      withSession(shell, async (connection) => {
        const terminal = new FakeTerminal(options);
        const running = runTerminalSession(connection, terminal);
        await terminal.stdout.waitFor("$ ");
        terminal.breakInput(error);
        assert.deepEqual(await running, { exitCode: 0 });
      }));
  }
});

/** Draws as an editor does, and ends with 0 when it is told to, leaving everything on. */
function editor({ channel }: TestSession): void {
  channel.write("$ vim\r\n\x1b[?1049h\x1b[?1000h\x1b[?2004h\x1b[?25l~ drawn");
  channel.on("data", (chunk: Uint8Array) => {
    if (!new TextDecoder().decode(chunk).includes("quit")) return;
    channel.exit(0);
    channel.close();
  });
}

const RESTORED = "\x1b[?1000l\x1b[?2004l\x1b[?25h\x1b[?1049l";

const CUTS: Readonly<
  Record<string, (terminal: FakeTerminal, server: TestSshServer, stop: AbortController) => unknown>
> = {
  "a signal": (_terminal, _server, stop) => stop.abort(),
  "the loss of the connection": (_terminal, server) => server.stream.lose(),
  "~.": (terminal) => terminal.type("\r~."),
};

for (const [name, cut] of Object.entries(CUTS)) {
  Deno.test(`terminal session leaves the terminal whole after ${name}`, async () => {
    await withSession(editor, async (connection, server) => {
      const terminal = new FakeTerminal();
      const stop = new AbortController();
      const running = runTerminalSession(connection, terminal, { signal: stop.signal });
      await terminal.stdout.waitFor("drawn");
      await cut(terminal, server, stop);
      await running.catch((error: unknown) => assert.equal(error, stop.signal.reason));
      assert(
        terminal.stdout.text.endsWith(`drawn${RESTORED}`),
        JSON.stringify(terminal.stdout.text),
      );
      assert(!terminal.isRaw);
    });
  });
}

Deno.test("terminal session that is cut off at a prompt leaves the next line to the local one", async () => {
  await withSession(shell, async (connection, server) => {
    const terminal = new FakeTerminal();
    const running = runTerminalSession(connection, terminal);
    await terminal.stdout.waitFor("$ ");
    server.stream.lose();
    await running;
    assert(terminal.stdout.text.endsWith("$ \r\n"));
  });
});

Deno.test("terminal session touches nothing after a program that ended, and in no file", async () => {
  await withSession(editor, async (connection) => {
    const terminal = new FakeTerminal();
    const running = runTerminalSession(connection, terminal);
    await terminal.stdout.waitFor("drawn");
    await terminal.type("quit");
    await running;
    assert(terminal.stdout.text.endsWith("drawn"));
  });
  await withSession(editor, async (connection, server) => {
    const terminal = new FakeTerminal({ isStdoutTerminal: false });
    const running = runTerminalSession(connection, terminal);
    await terminal.stdout.waitFor("drawn");
    server.stream.lose();
    await running;
    assert(terminal.stdout.text.endsWith("drawn"));
  });
});

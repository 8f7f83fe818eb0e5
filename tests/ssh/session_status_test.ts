/** A line of ours in a session's terminal: when it is there, and that whatever else is written finds it gone. */
import assert from "node:assert/strict";
import { connectSsh } from "../../lib/ssh/connection.ts";
import { runTerminalSession, type TerminalSessionOptions } from "../../lib/ssh/terminal_session.ts";
import { FakeTerminal, type FakeTerminalOptions } from "../support/fake_terminal.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { TestSshServer } from "../support/ssh_server.ts";
import { TinyScreen } from "../support/tiny_screen.ts";

interface Scene {
  readonly terminal: FakeTerminal;
  readonly show: (text: string | undefined) => void;
  /** Whether the line is still to be told of. */
  readonly isAsked: () => boolean;
  /** The program writes; resolves when the terminal has it. */
  readonly say: (text: string) => Promise<void>;
}

async function withShell(
  options: FakeTerminalOptions & { readonly session?: TerminalSessionOptions },
  use: (scene: Scene) => Promise<void>,
): Promise<FakeTerminal> {
  let write = (_text: string) => {};
  const server = await TestSshServer.start({
    onSession: ({ channel }) => {
      write = (text) => void channel.write(text);
      channel.write("$ ");
      channel.resume();
      channel.on("end", () => {
        channel.exit(0);
        channel.end();
      });
    },
  });
  const connection = await connectSsh(server.stream, { clock: new ManualClock() });
  const terminal = new FakeTerminal(options);
  let show: Scene["show"] | undefined;
  try {
    const running = runTerminalSession(connection, terminal, {
      statusLine: (given) => {
        show = given;
        return () => show = undefined;
      },
      ...options.session,
    });
    await terminal.stdout.waitFor("$ ");
    await use({
      terminal,
      show: (text) => show?.(text),
      isAsked: () => show !== undefined,
      say: async (text) => {
        write(text);
        await terminal.stdout.waitFor(text);
      },
    });
    await terminal.typeEnd();
    await running;
    assert.equal(show, undefined, "is told after the session's end");
  } finally {
    await connection.close();
  }
  return terminal;
}

/** What a terminal of that text shows. */
function screenOf(text: string): TinyScreen {
  const screen = new TinyScreen({ rows: 6, columns: 40 });
  screen.print(text);
  return screen;
}

Deno.test("session's status line is shown under the prompt, and gone before the next output and at the end", async () => {
  const terminal = await withShell({}, async ({ terminal, show, say }) => {
    show("no answer (3s)");
    assert.deepEqual(screenOf(terminal.stdout.text).text.slice(0, 3), ["$", "no answer (3s)", ""]);
    show("no answer (4s)");
    assert.deepEqual(screenOf(terminal.stdout.text).text.slice(0, 3), ["$", "no answer (4s)", ""]);
    await say("ls\r\nfile\r\n$ ");
    const after = ["$ ls", "file", "$", "", "", ""];
    assert.deepEqual(screenOf(terminal.stdout.text).text, after);
    show("no answer (5s)");
    show(undefined);
    assert.deepEqual(screenOf(terminal.stdout.text).text, after);
    show("no answer (6s)");
  });
  assert.deepEqual(screenOf(terminal.stdout.text).text, ["$ ls", "file", "$", "", "", ""]);
});

Deno.test("session's status line keeps out of the alternate screen, and is there again behind it", async () => {
  await withShell({}, async ({ terminal, show, say }) => {
    await say("\x1b[?1049h");
    const before = terminal.stdout.text;
    show("no answer");
    assert.equal(terminal.stdout.text, before);
    await say("\x1b[?1049l");
    show("no answer");
    assert(terminal.stdout.text.includes("no answer"));
  });
});

Deno.test("session's status line is clipped to the terminal, and not drawn on a tiny one", async () => {
  await withShell({ size: { columns: 24, rows: 10 } }, ({ terminal, show }) => {
    show("x".repeat(100));
    const [run = ""] = /x+.?/u.exec(terminal.stdout.text) ?? [];
    assert(run.length <= 24 && run.length >= 20, run);
    return Promise.resolve();
  });
  for (const size of [{ columns: 19, rows: 10 }, { columns: 80, rows: 2 }]) {
    await withShell({ size }, ({ terminal, show }) => {
      show("no answer");
      assert.equal(terminal.stdout.text, "$ ");
      return Promise.resolve();
    });
  }
});

Deno.test("session's status line is asked for where the output is seen, whatever the program has", async (t) => {
  const rows: Record<string, Parameters<typeof withShell>[0] & { readonly isSeen: boolean }> = {
    "stdout is a pipe": { isStdoutTerminal: false, isSeen: false },
    "stdin is a pipe": { isStdinTerminal: false, session: { pty: true }, isSeen: true },
    "the program has no terminal": { session: { command: "make", pty: false }, isSeen: true },
  };
  for (const [name, { isSeen, ...options }] of Object.entries(rows)) {
    await t.step(name, async () => {
      await withShell(options, ({ isAsked }) => {
        assert.equal(isAsked(), isSeen);
        return Promise.resolve();
      });
    });
  }
});

Deno.test("session's status line makes way for what an escape prints, and for a new size", async () => {
  await withShell({}, async ({ terminal, show }) => {
    show("no answer");
    await terminal.type("\r~#");
    await terminal.stderr.waitFor("#0 session");
    assert.deepEqual(screenOf(terminal.stdout.text).text.slice(0, 2), ["$", ""]);
    show("no answer");
    terminal.resize({ columns: 100, rows: 30 });
    assert.deepEqual(screenOf(terminal.stdout.text).text.slice(0, 2), ["$", ""]);
  });
});

Deno.test("session's status line waits while the terminal takes nothing", async () => {
  await withShell({}, async ({ terminal, show, say }) => {
    const gate = Promise.withResolvers<void>();
    terminal.stdout.gate = gate.promise;
    const said = say("more");
    // The write is under way: what it leaves the terminal in is not known yet.
    await terminal.stdout.waitForWrite();
    show("no answer");
    assert.equal(terminal.stdout.text, "$ ");
    terminal.stdout.gate = undefined;
    gate.resolve();
    await said;
    show("no answer");
    assert(terminal.stdout.text.includes("no answer"));
  });
});

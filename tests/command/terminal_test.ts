/** The whole program as a process: in a real pseudo-terminal, and without the permissions it needs. */
import { doesNotMatch, match, strictEqual } from "node:assert/strict";
import { PtyMaker, type PtySize } from "../../lib/sandbox/ssh/pty.ts";
import { type Program, startInTerminal } from "../../lib/sandbox/ssh/program.ts";
import { within } from "../support/command_host.ts";
import { commandTest, type Desk } from "./support.ts";

const IS_UNIX = Deno.build.os !== "windows";
const MAIN = new URL("../../main.ts", import.meta.url).pathname;
const SIZE: PtySize = { columns: 97, rows: 31 };
/** What the terminal is like before and after; the shell outlives a signal to the whole group. */
const AROUND =
  'trap : TERM; echo "[before $(stty -a)]"; "$@"; echo "[code $?]"; echo "[after $(stty -a)]"';

/** Somebody at a terminal. */
class Seat {
  readonly #program: Program;
  readonly #decoder = new TextDecoder();
  text = "";

  constructor(program: Program) {
    this.#program = program;
  }

  async waitFor(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(this.text);
      if (found !== null) return found;
      const bytes = await within(
        this.#program.readOutput(),
        () => `${pattern} in ${JSON.stringify(this.text)}`,
      );
      if (bytes === null) throw new Error(`The end came before ${pattern}: ${this.text}`);
      this.text += this.#decoder.decode(bytes, { stream: true });
    }
  }

  async type(text: string): Promise<void> {
    await this.#program.write(new TextEncoder().encode(text));
  }

  raise(name: string): void {
    this.#program.signal(name);
  }
}

/** `hawser ssh` in a terminal, whose shell's prompt is there; checks its exit code and that the terminal is as before. */
async function inTerminal(
  desk: Desk,
  body: (seat: Seat) => Promise<void>,
  exitCode: number,
): Promise<void> {
  const folder = await desk.sandbox.folder();
  using maker = new PtyMaker();
  const hawser = [Deno.execPath(), "run", "--no-check", "--no-prompt", "--allow-all", MAIN];
  const program = startInTerminal({
    argv: ["/bin/sh", "-c", AROUND, "sh", ...hawser, "ssh", "myworkspace"],
    env: { ...desk.env, HOME: folder, CODER_CONFIG_DIR: folder, CODER_NO_VERSION_WARNING: "true" },
    directory: folder,
  }, { maker, size: SIZE, term: "xterm-256color" });
  try {
    const seat = new Seat(program);
    const [, before] = await seat.waitFor(/\[before ([^\]]+)\]/);
    await seat.waitFor(/\][^]*[$#] $/);
    await body(seat);
    const [, code] = await seat.waitFor(/\[code (\d+)\]/);
    strictEqual(Number(code), exitCode, seat.text);
    const [, after] = await seat.waitFor(/\[after ([^\]]+)\]/);
    strictEqual(after, before);
  } finally {
    program.kill();
    await program.ended;
  }
}

if (IS_UNIX) {
  commandTest("A real terminal: its size and type arrive, and ~. ends with 255", async (desk) => {
    await inTerminal(desk, async (seat) => {
      await seat.type("stty size; echo $TERM\r");
      await seat.waitFor(/\r\n31 97\r\nxterm-256color\r\n[^]*[$#] $/);
      await seat.type("\r~.");
    }, 255);
  });

  commandTest("A real terminal: SIGTERM ends with 143 and restores it", async (desk) => {
    await inTerminal(desk, (seat) => {
      seat.raise("TERM");
      return Promise.resolve();
    }, 143);
  });
}

for (
  const { name, flags, says } of [
    { name: "none at all", flags: [], says: /^error: You are not logged in/m },
    {
      name: "no network",
      flags: ["--allow-env", "--allow-read", "--allow-write"],
      says: /--allow-net/,
    },
  ]
) {
  commandTest(`Refused permissions (${name}): a clear message, no stack, 1`, async (desk) => {
    const folder = await desk.sandbox.folder();
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-check", "--no-prompt", ...flags, MAIN, "ssh", "myworkspace"],
      env: { ...desk.env, HOME: folder, CODER_CONFIG_DIR: folder, NO_COLOR: "1" },
      stdin: "null",
    }).output();
    const said = new TextDecoder().decode(stderr);
    strictEqual(code, 1, said);
    strictEqual(stdout.length, 0);
    match(said, says);
    doesNotMatch(said, /^\s+at /m);
    doesNotMatch(said, /Uncaught/);
  });
}

/** The whole program as a process: in a real pseudo-terminal, and without the permissions it needs. */
import { doesNotMatch, match, strictEqual } from "node:assert/strict";
import { PtyMaker, type PtySize } from "../../lib/sandbox/ssh/pty.ts";
import { type Program, startInTerminal } from "../../lib/sandbox/ssh/program.ts";
import { within } from "../support/command_host.ts";
import { denoDir } from "../support/deno_dir.ts";
import { commandTest, commandTestAtEach, type Desk, FAR_RELEASES } from "./support.ts";

const IS_UNIX = Deno.build.os !== "windows";
const MAIN = new URL("../../main.ts", import.meta.url).pathname;
const SIZE: PtySize = { columns: 97, rows: 31 };
/** What the terminal is like before and after; the shell outlives a signal to the whole group. */
const around = (line: string) =>
  `trap : TERM INT; echo "[before $(stty -a)]"; ${line}; echo "[code $?]"; echo "[after $(stty -a)]"`;

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

interface SeatOptions {
  /** What the shell around it does with `hawser`, which is `"$@"`. @default runs it */
  readonly line?: string;
  /** Behind `ssh`. @default the workspace */
  readonly args?: readonly string[];
  readonly term?: string;
}

/** `hawser ssh` in a terminal, whose shell's prompt is there; checks its exit code and that the terminal is as before. */
async function inTerminal(
  desk: Desk,
  body: (seat: Seat) => Promise<void>,
  exitCode: number,
  options: SeatOptions = {},
): Promise<void> {
  const { line = '"$@"', args = ["myworkspace"], term = "xterm-256color" } = options;
  const folder = await desk.sandbox.folder();
  using maker = new PtyMaker();
  const hawser = [Deno.execPath(), "run", "--no-check", "--no-prompt", "--allow-all", MAIN];
  const program = startInTerminal({
    argv: ["/bin/sh", "-c", around(line), "sh", ...hawser, "ssh", ...args],
    env: {
      ...desk.env,
      HOME: folder,
      DENO_DIR: denoDir(),
      CODER_CONFIG_DIR: folder,
      CODER_NO_VERSION_WARNING: "true",
    },
    directory: folder,
  }, { maker, size: SIZE, term });
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
  commandTestAtEach(
    "A real terminal: its size and type arrive, and ~. ends with 255",
    async (desk) => {
      await inTerminal(desk, async (seat) => {
        await seat.type("stty size; echo $TERM\r");
        await seat.waitFor(/\r\n31 97\r\nxterm-256color\r\n[^]*[$#] $/);
        await seat.type("\r~.");
      }, 255);
    },
    {},
    FAR_RELEASES,
  );

  for (
    const { term, args = [], shows } of [
      { term: "xterm-ghostty", shows: "xterm-256color" },
      { term: "tmux-256color", shows: "tmux-256color" },
      { term: "", shows: "xterm-256color" },
      { term: "xterm-ghostty", args: ["-e", "TERM=xterm-ghostty"], shows: "xterm-ghostty" },
      { term: "xterm", args: ["--env", "A=1,TERM=vt100"], shows: "vt100" },
    ]
  ) {
    commandTest(
      `A real terminal: TERM=${term} ${args.join(" ")} is ${shows} over there`,
      async (desk) => {
        await inTerminal(
          desk,
          async (seat) => {
            await seat.type("echo T=$TERM; exit 4\r");
            await seat.waitFor(new RegExp(`\nT=${RegExp.escape(shows)}\r\n`));
          },
          4,
          { args: [...args, "myworkspace"], term },
        );
      },
    );
  }

  for (const line of ['"$@" | cat', '"$@" 2>&1 | cat']) {
    commandTest(
      `A real terminal at ${line}: no echo but the remote one, and its size`,
      async (desk) => {
        await inTerminal(
          desk,
          async (seat) => {
            await seat.type("echo A$((1+1))B\r");
            await seat.waitFor(/A2B\r+\n[^]*[$#] $/);
            strictEqual(seat.text.split("echo A$((1+1))B").length - 1, 1, seat.text);
            await seat.type("stty -echo; printf PW:; read X; stty echo; echo read ${#X}\r");
            await seat.waitFor(/\nPW:$/);
            await seat.type("hunter2\r");
            await seat.waitFor(/PW:[\r\n]*read 7\r+\n[^]*[$#] $/);
            doesNotMatch(seat.text, /hunter2/);
            // A program that has shown that it reads: a shell on its way to a program may lose the interrupt meant for it.
            await seat.type("cat\rping\r");
            await seat.waitFor(/ping[^]*ping\r+\n/);
            await seat.type("\x03");
            await seat.waitFor(/\^C[^]*[$#] $/);
            await seat.type("stty size\r");
            await seat.waitFor(/\n31 97\r+\n[^]*[$#] $/);
            await seat.type("exit 3\r");
          },
          0,
          { line },
        );
      },
    );
  }

  commandTest("A real terminal: what was drawn goes when SIGTERM ends it", async (desk) => {
    await inTerminal(desk, async (seat) => {
      await seat.type("printf '\\033[?1049h\\033[?1000hdra''wn'; cat\r");
      await seat.waitFor(/drawn$/);
      seat.raise("TERM");
      // deno-lint-ignore no-control-regex -- the terminal's own language
      await seat.waitFor(/drawn[^]*\x1b\[\?1000l[^]*\x1b\[\?1049l(\r\n)?\[code/);
    }, 143);
  });

  commandTestAtEach(
    "A real terminal: SIGTERM ends with 143 and restores it",
    async (desk) => {
      await inTerminal(desk, (seat) => {
        seat.raise("TERM");
        return Promise.resolve();
      }, 143);
    },
    {},
    FAR_RELEASES,
  );
}

for (
  const { name, flags, says } of [
    { name: "none at all", flags: [], says: /--allow-env/ },
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
      env: {
        ...desk.env,
        HOME: folder,
        DENO_DIR: denoDir(),
        CODER_CONFIG_DIR: folder,
        NO_COLOR: "1",
      },
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

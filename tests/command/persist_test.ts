/** `ssh --persist`: shells that outlive the connection, kept by a tmux of the workspace or by its agent. */
import { doesNotMatch, match, strictEqual } from "node:assert/strict";
import { Sandbox } from "../../lib/sandbox/mod.ts";
import type { CommandRun } from "../support/command_host.ts";
import { Toolbox } from "../support/fake_tmux.ts";
import { commandTest, Desk, FAR_RELEASES, TERMINAL } from "./support.ts";

const IS_UNIX = Deno.build.os !== "windows";

interface Keeping {
  readonly desk: Desk;
  readonly tools: Toolbox;
}

/** Tests with a workspace that has a tmux, or none. */
function keptTest(
  name: string,
  keeper: "tmux" | "agent",
  body: (keeping: Keeping) => Promise<void>,
): void {
  if (!IS_UNIX) return;
  for (const version of FAR_RELEASES) keptTestAt(version, { name, keeper, body });
}

function keptTestAt(
  version: string,
  { name, keeper, body }: {
    readonly name: string;
    readonly keeper: "tmux" | "agent";
    readonly body: (keeping: Keeping) => Promise<void>;
  },
): void {
  Deno.test(`${version}: --persist by ${keeper}: ${name}`, async () => {
    await using tools = new Toolbox({ hasTmux: keeper === "tmux" });
    await using sandbox = await Sandbox.start({
      user: "myuser",
      settings: { version },
      workspaces: [{
        name: "myworkspace",
        agents: [{ name: "dev", shell: "/bin/sh", env: tools.env }],
      }],
    });
    await body({ desk: new Desk(sandbox), tools });
  });
}

const start = (desk: Desk, ...flags: readonly string[]) =>
  desk.start([...flags, "myworkspace"], { terminal: TERMINAL });

/** Types a line into the shell, and waits for what it answers. */
async function say(run: CommandRun, line: string, answer: RegExp): Promise<void> {
  await run.type(`${line}\r`);
  await run.stdout.waitFor(answer);
}

/** The shell is there and has a mark of its own. */
async function mark(run: CommandRun, value: number): Promise<void> {
  await run.stdout.waitFor(/[$#] $/);
  await say(run, `X=${value}; echo set$((X+0))`, new RegExp(`set${value}\\r?\\n`));
}

async function leave(run: CommandRun): Promise<void> {
  await run.type("\r~.");
  const { code, stderr } = await run.result();
  strictEqual(code, 255, stderr);
  match(
    stderr,
    /The shell goes on in the workspace(, for five minutes after its last client left)?: hawser ssh --persist myworkspace returns to it\nConnection closed\.\n$/,
  );
}

for (const graceful of [true, false]) {
  keptTest(`an agent that restarts (graceful: ${graceful})`, "tmux", async ({ desk }) => {
    await using run = start(desk, "--persist");
    await mark(run, 41);
    await desk.sandbox.workspace.agent().restart({ graceful });
    await run.stderr.waitFor(
      /The shell is kept by tmux: connecting again\. Enter tries at once, Ctrl-C gives up\n/,
    );
    // The screen that tmux drew is gone before anything is said.
    // deno-lint-ignore no-control-regex -- the terminal's own language
    match(run.stdout.text, /\x1b\[\?1049l(\r\n)?$/);
    await run.type("\r");
    await run.stderr.waitFor("Back in the same shell\n");
    await say(run, "echo same$((X+1))", /same42\r?\n/);
    await run.type("exit\r");
    const { code, stdout } = await run.result();
    strictEqual(code, 0);
    match(stdout, /\[exited\]\r+\n$/);
    doesNotMatch(stdout, /hawser;/);
    strictEqual(run.modes.join(" "), "raw cooked raw cooked");
  });
}

keptTest(
  "~. leaves it running, another command returns, exit ends it",
  "tmux",
  async ({ desk }) => {
    {
      await using run = start(desk, "--persist");
      await mark(run, 5);
      await leave(run);
    }
    const list = await desk.run(["--list-persistent", "myworkspace"]);
    match(
      list.stdout,
      /^NAME {2}KEPT BY {2}CLIENTS {2}SINCE +\nmain {2}tmux {5}1 {8}2023-11-1\d .*\n$/,
    );
    await using again = start(desk, "--persist=main");
    await again.stderr.waitFor('Back in the shell "main", which tmux keeps\n');
    await again.stdout.waitFor(/set5/);
    await say(again, "echo same$((X+1))", /same6\r?\n/);
    await again.type("exit\r");
    strictEqual((await again.result()).code, 0);
    const after = await desk.run(["--list-persistent", "myworkspace"]);
    strictEqual(after.stdout, "");
    match(after.stderr, /No shell is kept there\n/);
  },
);

keptTest("two names are two shells, two terminals are one", "tmux", async ({ desk }) => {
  await using first = start(desk, "--persist=a");
  await mark(first, 1);
  await using other = start(desk, "--persist=b");
  await mark(other, 2);
  await using second = start(desk, "--persist=a");
  await second.stderr.waitFor('Back in the shell "a", which tmux keeps\n');
  await say(second, "echo both$X", /both1\r?\n/);
  await first.stdout.waitFor(/both1\r?\n/);
  await first.type("exit\r");
  strictEqual((await first.result()).code, 0);
  strictEqual((await second.result()).code, 0);
  await say(other, "echo alone$X", /alone2\r?\n/);
  await other.type("exit\r");
  strictEqual((await other.result()).code, 0);
});

keptTest(
  "a workspace that is stopped meanwhile is waited for, not started",
  "tmux",
  async (keeping) => {
    const { desk, tools } = keeping;
    const { workspace } = desk.sandbox;
    await using run = start(desk, "--persist");
    await mark(run, 7);
    workspace.build("stop");
    await run.stderr.waitFor(
      'Workspace "myworkspace" was stopped: waiting until it is started again\n',
    );
    tools.endShells();
    strictEqual(workspace.latestBuild.transition, "stop");
    workspace.build("start");
    await run.stderr.waitFor("The former shell is gone: this is a new one\n");
    await run.stdout.waitFor(/[$#] $/);
    await say(run, "echo new$((X+1))", /new1\r?\n/);
    await run.type("exit\r");
    strictEqual((await run.result()).code, 0);
  },
);

keptTest("Ctrl-C while a workspace is stopped promises no shell", "tmux", async ({ desk }) => {
  await using run = start(desk, "--persist");
  await mark(run, 7);
  desk.sandbox.workspace.build("stop");
  await run.stderr.waitFor(/waiting until it is started again/);
  run.raise("SIGINT");
  const { code, stderr } = await run.result();
  strictEqual(code, 130, stderr);
  doesNotMatch(stderr, /goes on/);
});

keptTest("Ctrl-C while it waits gives up with 130", "tmux", async ({ desk }) => {
  await using run = start(desk, "--persist");
  await mark(run, 7);
  await desk.sandbox.workspace.agent().disconnect({ graceful: true });
  await run.stderr.waitFor(/connecting again/);
  run.raise("SIGINT");
  const { code, stderr } = await run.result();
  strictEqual(code, 130, stderr);
  match(
    stderr,
    /The shell goes on in the workspace: hawser ssh --persist myworkspace returns to it\n$/,
  );
});

keptTest("~. and back, its end and its status", "agent", async ({ desk }) => {
  {
    await using run = start(desk, "--persist");
    await run.stderr.waitFor(
      "The workspace has no tmux, screen or zellij: its agent keeps this shell, for five minutes after its last client left\n",
    );
    await mark(run, 5);
    await leave(run);
  }
  const list = await desk.run(["--list-persistent", "myworkspace"]);
  match(list.stdout, /\nmain {2}agent {4}- {8}- +\n$/);
  await using again = start(desk, "--persist");
  await again.stderr.waitFor('Back in the shell "main", which the workspace agent keeps\n');
  await again.stdout.waitFor(/set5/); // what it showed is shown again
  await say(again, "echo same$((X+1)) ü", /same6 ü\r\n/);
  again.resize({ columns: 101, rows: 33 });
  await say(
    again,
    "while [ \"$(stty size)\" != '33 101' ]; do sleep 0.02; done; echo sized$X",
    /sized5/,
  );
  await again.type("exit 7\r");
  const { code, stdout } = await again.result();
  strictEqual(code, 7);
  doesNotMatch(stdout, /hawser;/);
});

keptTest("two terminals are one", "agent", async ({ desk }) => {
  await using first = start(desk, "--persist");
  await mark(first, 1);
  await using second = start(desk, "--persist");
  await second.stderr.waitFor('Back in the shell "main", which the workspace agent keeps\n');
  await say(second, "echo both$X", /both1\r\n/);
  await first.stdout.waitFor(/both1\r\n/);
  await first.type("exit 3\r");
  strictEqual((await first.result()).code, 3);
  strictEqual((await second.result()).code, 3);
});

keptTest(
  "an agent that restarts has lost it: said, and a new one begins",
  "agent",
  async ({ desk }) => {
    await using run = start(desk, "--persist");
    await mark(run, 7);
    await desk.sandbox.workspace.agent().restart({ graceful: true });
    await run.stderr.waitFor(
      /The workspace agent keeps the shell for five minutes: connecting again\. Enter tries at once/,
    );
    await run.type("\r");
    await run.stderr.waitFor("The former shell is gone: this is a new one\n");
    await run.stdout.waitFor(/[$#] $/);
    await say(run, "echo new$((X+1))", /new1\r\n/);
    await run.type("exit\r");
    strictEqual((await run.result()).code, 0);
  },
);

keptTest("one that nobody had open for five minutes is gone", "agent", async ({ desk }) => {
  {
    await using run = start(desk, "--persist");
    await mark(run, 7);
    await leave(run);
  }
  await desk.sandbox.workspace.agent().expireTerminals();
  const list = await desk.run(["--list-persistent", "myworkspace"]);
  strictEqual(list.stdout, "");
  await using again = start(desk, "--persist");
  await again.stderr.waitFor(/its agent keeps this shell/);
  await again.stdout.waitFor(/[$#] $/);
  await say(again, "echo new$((X+1))", /new1\r\n/);
  await again.type("exit\r");
  strictEqual((await again.result()).code, 0);
});

keptTest(
  "nothing is listed of a workspace that does not run, nor is it started",
  "tmux",
  async ({ desk }) => {
    const { workspace } = desk.sandbox;
    workspace.build("stop");
    await workspace.changes.until(() => workspace.latestBuild.jobStatus === "succeeded");
    const { code, stderr } = await desk.run(["--list-persistent", "myworkspace"]);
    strictEqual(code, 0);
    match(stderr, /^Workspace "myworkspace" does not run: no shell is kept there\n$/);
    strictEqual(workspace.latestBuild.transition, "stop");
  },
);

for (
  const { args, says, hint } of [
    { args: ["--persist", "--stdio"], says: "--persist cannot go with --stdio", hint: "tmux" },
    {
      args: ["--persist", "-N"],
      says: "--persist cannot go with --no-command (-N)",
      hint: "Leave",
    },
    {
      args: ["--persist", "-W", "localhost:80"],
      says: "--persist cannot go with --stdio-forward (-W)",
      hint: "Leave",
    },
    { args: ["--persist"], words: ["make"], says: "--persist takes no command", hint: "Start it" },
    {
      args: ["--list-persistent"],
      words: ["ls"],
      says: "--list-persistent takes no command",
      hint: "",
    },
  ].map((row) => ({ ...row, args: [...row.args, "myworkspace", ...row.words ?? []] }))
) {
  commandTest(`--persist is refused: ${args.join(" ")}`, async (desk) => {
    await using run = desk.start(args, { terminal: TERMINAL });
    const { code, stderr } = await run.result();
    strictEqual(code, 1);
    match(stderr, new RegExp(`error: ${RegExp.escape(says)}\n.*${hint}.*\n$`));
    strictEqual(desk.sandbox.api.requests.length, 0);
  });
}

commandTest("--persist without a terminal is refused, a variable is not heard", async (desk) => {
  const refused = await desk.run(["--persist", "myworkspace"]);
  match(refused.stderr, /error: --persist needs a terminal\n.*leave --persist out\n$/);
  strictEqual(refused.code, 1);
  const heard = await desk.run(["myworkspace", "echo in"], { env: { HAWSER_SSH_PERSIST: "work" } });
  strictEqual(heard.stdout, "in\n");
});

for (const name of ["a b", "a;b", "$(id)", "-x", "a.b", "a:b", "é", "'", "a\nb", "x".repeat(33)]) {
  commandTest(`--persist=${JSON.stringify(name)} is no name`, async (desk) => {
    await using run = desk.start([`--persist=${name}`, "myworkspace"], { terminal: TERMINAL });
    const { code, stderr } = await run.result();
    strictEqual(code, 1);
    match(stderr, /for "--persist" flag: a name has at most 32 letters, digits, - and _/);
    match(stderr, /\nName it like --persist=work\n$/);
    strictEqual(desk.sandbox.api.requests.length, 0);
  });
}

/** `ssh` where the deployment's API alone can be reached: a shell goes through its web terminal, and nothing else does. */
import { deepStrictEqual, doesNotMatch, match, ok, strictEqual } from "node:assert/strict";
import type { SandboxOptions } from "../../lib/sandbox/mod.ts";
import type { CommandOptions, CommandRun } from "../support/command_host.ts";
import { HurryingClock } from "../support/hurrying_clock.ts";
import { commandTest, commandTestAtEach, type Desk, FAR_RELEASES, TERMINAL } from "./support.ts";

const IS_UNIX = Deno.build.os !== "windows";
const PTY = "GET /workspaceagents/{workspaceagent}/pty";
const INSTEAD =
  /^Cannot reach the relay "[^"]*": .*\nThe workspace network cannot be reached from here, so this shell goes through the deployment's web terminal\nIt has no forwards, no agents and no host key, and the deployment can read along\n/m;

/** Nothing but the API is let through. */
function block(desk: Desk): void {
  desk.sandbox.faults.relay = { kind: "refuse", status: 403 };
}

function shellTest(
  name: string,
  body: (desk: Desk) => Promise<void>,
  options: SandboxOptions = {},
): void {
  if (IS_UNIX) commandTestAtEach(name, body, options, FAR_RELEASES);
}

const start = (desk: Desk, ...flags: readonly string[]) =>
  desk.start([...flags, "myworkspace"], { terminal: TERMINAL, clock: new HurryingClock(20) });

async function say(run: CommandRun, line: string, answer: RegExp): Promise<void> {
  await run.type(`${line}\r`);
  await run.stdout.waitFor(answer);
}

/** The shell is there and has a mark of its own. */
async function mark(run: CommandRun, value: number): Promise<void> {
  await run.stdout.waitFor(/[$#] $/);
  await say(run, `X=${value}; echo set$((X+0))`, new RegExp(`set${value}\\r?\\n`));
}

shellTest("A shell goes through the web terminal when no relay is reached", async (desk) => {
  block(desk);
  await using run = start(desk);
  await mark(run, 4);
  await say(run, "stty size; echo $TERM", /24 80\r?\nxterm-256color\r?\n/);
  run.resize({ columns: 101, rows: 33 });
  await say(run, "stty size", /33 101\r?\n/);
  await run.type("exit 7\r");
  const { code, stdout, stderr } = await run.result();
  strictEqual(code, 7, stderr);
  match(stderr, INSTEAD);
  doesNotMatch(stdout, /hawser;/);
  strictEqual(run.modes.join(" "), "raw cooked");
});

shellTest("A cut ends nothing: the same shell, told once", async (desk) => {
  await using run = start(desk, "--web-terminal");
  await mark(run, 41);
  for (const [count, value] of [[1, 42], [2, 43]] as const) {
    desk.sandbox.workspace.agent().terminals?.cutWebClients();
    await run.stderr.waitFor(new RegExp(`(Back in the same shell\n[^]*){${count}}$`));
    await say(run, `X=$((X+1)); echo same$X`, new RegExp(`same${value}\r?\n`));
  }
  match(
    run.stderr.text,
    /\nThe way through the web terminal was lost: .*\nThe workspace agent keeps the shell for five minutes: connecting again\. Enter tries at once, Ctrl-C gives up\n/,
  );
  await run.type("exit\r");
  const { code, stdout } = await run.result();
  strictEqual(code, 0);
  doesNotMatch(stdout, /hawser;/);
  strictEqual(run.modes.join(" "), "raw cooked raw cooked raw cooked");
  const ids = desk.sandbox.api.requestsTo(PTY).map(({ target }) =>
    new URL(target, desk.sandbox.url).searchParams.get("reconnect")
  );
  strictEqual(ids.length, 3);
  strictEqual(new Set(ids).size, 1);
});

shellTest("An agent that restarts meanwhile has a new shell, and says so", async (desk) => {
  await using run = start(desk, "--web-terminal");
  await mark(run, 1);
  await desk.sandbox.workspace.agent().restart({ graceful: true });
  await run.stderr.waitFor("The former shell is gone: this is a new one\n");
  await run.stdout.waitFor(/[$#] $/);
  await say(run, "echo none${X}none", /nonenone\r?\n/);
  await run.type("exit 3\r");
  strictEqual((await run.result()).code, 3);
});

shellTest("~. leaves, and the terminal is as it was", async (desk) => {
  await using run = start(desk, "--web-terminal");
  await mark(run, 1);
  await run.type("\r~.");
  const { code, stderr } = await run.result();
  strictEqual(code, 255);
  match(
    stderr,
    /\nThe shell in the workspace ends five minutes after we left it\nConnection closed\.\n$/,
  );
  strictEqual(run.modes.join(" "), "raw cooked");
});

shellTest("Ctrl-C while there is no connection gives up", async (desk) => {
  await using run = start(desk, "--web-terminal");
  await mark(run, 1);
  desk.sandbox.faults.webTerminal = { kind: "refuse", status: 503 };
  desk.sandbox.workspace.agent().terminals?.cutWebClients();
  await run.stderr.waitFor(/connecting again/);
  run.raise("SIGINT");
  const { code, stderr } = await run.result();
  strictEqual(code, 130);
  match(stderr, /\nThe shell in the workspace ends five minutes after we left it\n$/);
});

shellTest("A workspace that is stopped is waited for, not started", async (desk) => {
  const { workspace } = desk.sandbox;
  await using run = start(desk, "--web-terminal");
  await mark(run, 1);
  workspace.build("stop");
  await run.stderr.waitFor(
    'Workspace "myworkspace" was stopped: waiting until it is started again\n',
  );
  workspace.build("start");
  await run.stderr.waitFor("The former shell is gone: this is a new one\n");
  await run.type("exit\r");
  strictEqual((await run.result()).code, 0);
});

shellTest("Any bytes and any amount pass both ways", async (desk) => {
  await using run = start(desk, "--web-terminal");
  await mark(run, 1);
  await run.type("stty -echo -icanon; printf 'r%s\\n' eady; head -c 60000 | cksum\r");
  await run.stdout.waitFor(/ready\r?\n/);
  const typed = "åß∂ƒ ~. \x01\x02\x1b[A".repeat(2_000);
  const bytes = new TextEncoder().encode(typed);
  await run.type(typed + "x".repeat(60_000 - bytes.length));
  await run.stdout.waitFor(/\d+ 60000\r?\n/);
  await say(run, "head -c 300000 /dev/zero | tr '\\0' y; echo d''one", /ydone\r?\n/);
  ok(run.stdout.text.split("y").length > 300_000);
  await run.type("exit\r");
  strictEqual((await run.result()).code, 0);
});

commandTest("--web-terminal dials nothing but the deployment's API", async (desk) => {
  if (!IS_UNIX) return;
  await using run = start(desk, "--web-terminal");
  await mark(run, 1);
  await run.type("exit\r");
  strictEqual((await run.result()).code, 0);
  const { requests } = desk.sandbox.api;
  deepStrictEqual(requests.filter(({ route }) => /derp|coordinate|connection$/.test(route)), []);
  const [pty] = desk.sandbox.api.requestsTo(PTY);
  strictEqual(pty?.headers.get("coder-session-token"), desk.sandbox.token);
  doesNotMatch(pty?.target ?? "", new RegExp(desk.sandbox.token));
  const usage = desk.sandbox.api.requestsTo("POST /workspaces/{workspace}/usage");
  match(new TextDecoder().decode(usage[0]?.body), /"reconnecting-pty"/);
});

commandTest("What is no shell at a terminal is never changed by it", async (desk) => {
  block(desk);
  const failure = /error: dial agent: Cannot reach the relay "[^"]*": .*\n.*\n$/;
  const terminal = { terminal: TERMINAL };
  const env = { HAWSER_SSH_WEB_TERMINAL: "yes" };
  const rows = [
    desk.run(["myworkspace", "true"]),
    desk.run(["myworkspace", "true"], { ...terminal, env }),
    desk.run(["-t", "myworkspace", "true"], terminal),
    desk.run(["myworkspace"]),
    desk.run(["-N", "myworkspace"], terminal),
    desk.run(["-W", "localhost:1", "myworkspace"], terminal),
    desk.run(["--web-terminal=no", "myworkspace"], terminal),
  ];
  for (const { code, stdout, stderr } of await Promise.all(rows)) {
    strictEqual(code, 1);
    strictEqual(stdout, "");
    match(stderr, failure);
    doesNotMatch(stderr, /web terminal/);
  }
  const stdio = await desk.run(["--stdio", "myworkspace"], { env });
  doesNotMatch(stdio.stderr, /web terminal/);
  strictEqual(stdio.stdout, "");
  deepStrictEqual(desk.sandbox.api.requestsTo(PTY), []);
});

commandTest("What was asked for besides a shell is not left out in silence", async (desk) => {
  block(desk);
  const rows: readonly (readonly [flags: readonly string[], need: string])[] = [
    [["-L", "0:localhost:1"], "--local-forward (-L)"],
    [["-D", "0"], "--dynamic-forward (-D)"],
    [["-R", "9:localhost:1"], "--remote-forward (-R)"],
    [["-e", "SECRET=abc"], "--env (-e)"],
    [["--host-key-check=yes"], "--host-key-check=yes"],
    [["-G"], "--forward-gpg (-G)"],
    [["-A"], "--forward-agent (-A)"],
    [["--persist"], "--persist"],
  ];
  const results = rows.map(async ([flags, need]) => {
    const run = await desk.run([...flags, "myworkspace"], { terminal: TERMINAL });
    return { ...run, need };
  });
  for (const { code, stderr, need } of await Promise.all(results)) {
    strictEqual(code, 1, need);
    const words = `The deployment's web terminal could carry this shell, but not ${need}\n`;
    ok(stderr.includes(words), stderr);
    match(stderr, /\nerror: dial agent: Cannot reach the relay/);
  }
  for (const [flags, need] of rows) {
    const { code, stderr } = await desk.run(["--web-terminal", ...flags, "myworkspace"], {
      terminal: TERMINAL,
    });
    strictEqual(code, 1);
    ok(
      stderr.includes(
        `error: --web-terminal cannot go with ${need}\nIt carries a shell and nothing else: leave it out, or --web-terminal\n`,
      ),
      stderr,
    );
  }
  deepStrictEqual(desk.sandbox.api.requestsTo(PTY), []);
});

commandTest("--web-terminal says what it cannot go with before it asks anybody", async (desk) => {
  const rows: readonly (readonly [args: readonly string[], words: RegExp, terminal?: boolean])[] = [
    [["myworkspace", "ls"], /--web-terminal takes no command\nStart it in the shell\n$/],
    [["--stdio", "myworkspace"], /--web-terminal cannot go with --stdio\n/],
    [["-N", "myworkspace"], /--web-terminal cannot go with --no-command \(-N\)\n/],
    [["-W", "a:1", "myworkspace"], /--web-terminal cannot go with --stdio-forward \(-W\)\n/],
    [["--persist", "myworkspace"], /--web-terminal cannot go with --persist\n/],
    [["--list-persistent", "myworkspace"], /--web-terminal cannot go with --list-persistent\n/],
    [["myworkspace"], /--web-terminal needs a terminal\n/, false],
  ];
  for (const [args, words, terminal = true] of rows) {
    const { code, stderr } = await desk.run(
      ["--web-terminal", ...args],
      terminal ? { terminal: TERMINAL } : {},
    );
    strictEqual(code, 1);
    match(stderr, words);
  }
  const wrong = await desk.run(["--web-terminal=perhaps", "myworkspace"]);
  match(wrong.stderr, /invalid choice: perhaps, should be one of \[yes, no, auto\]/);
  deepStrictEqual(desk.sandbox.api.requests, []);
});

commandTest("A coordinator that does not want us is not gone around", async (desk) => {
  desk.sandbox.faults.coordinator = {
    kind: "refuse",
    status: 409,
    message: "Non-browser connections are disabled for your deployment.",
  };
  const { code, stderr } = await desk.run(["myworkspace"], { terminal: TERMINAL });
  strictEqual(code, 1);
  match(stderr, /Non-browser connections are disabled/);
  doesNotMatch(stderr, /web terminal/);
  deepStrictEqual(desk.sandbox.api.requestsTo(PTY), []);
});

commandTest("A web terminal that does not open either is told in a line", async (desk) => {
  const rows: readonly (readonly [status: number, words: RegExp])[] = [
    [
      403,
      /error: The deployment's web terminal does not open: it answered 403\nCheck that websockets pass/,
    ],
    [404, /\nThe deployment does not reach the workspace agent\n$/],
  ];
  for (const [status, words] of rows) {
    desk.sandbox.faults.webTerminal = { kind: "refuse", status, message: "<html>".repeat(99) };
    const { stderr } = await desk.run(["--web-terminal", "myworkspace"], { terminal: TERMINAL });
    match(stderr, words);
    doesNotMatch(stderr, /<html>/);
  }
});

shellTest("An agent that the deployment lost is gone back to when it returns", async (desk) => {
  const agent = desk.sandbox.workspace.agent();
  await using run = start(desk, "--web-terminal");
  await mark(run, 6);
  // The watch has begun: what it has not seen it cannot miss.
  await desk.sandbox.api.waitFor("GET /workspaces/{workspace}/watch");
  agent.setStatus("disconnected");
  await run.stderr.waitFor("The deployment has lost the workspace agent: waiting for it\n");
  agent.setStatus(undefined);
  await run.stderr.waitFor(/The workspace agent is back\n[^]*Back in the same shell\n$/);
  await say(run, "echo same$((X+1))", /same7\r?\n/);
  await run.type("exit\r");
  strictEqual((await run.result()).code, 0);
});

commandTest(
  "A network that let nobody in lately is tried for two seconds, for a day",
  async (desk) => {
    if (!IS_UNIX) return;
    const homeDir = await Deno.makeTempDir({ prefix: "hawser-web-" });
    const SAID = "The workspace network cannot be reached from here";
    const shell = async (options: CommandOptions = {}) => {
      await using run = desk.start(["myworkspace"], { terminal: TERMINAL, homeDir, ...options });
      await mark(run, 1);
      await run.type("exit\r");
      const { code, stderr } = await run.result();
      strictEqual(code, 0, stderr);
      return stderr;
    };
    const HASTY = 'Cannot reach the relay "[^"]*": no answer within 2s, nor lately\n';
    block(desk);
    const first = await shell();
    ok(first.includes(SAID), first);
    doesNotMatch(first, /nor lately/);
    // What is no shell is tried as ever.
    const { stderr } = await desk.run(["myworkspace", "true"], { homeDir });
    match(stderr, /error: dial agent: Cannot reach the relay/);
    doesNotMatch(stderr, /nor lately/);
    // Nothing answers at all: that would be waited for for long.
    desk.sandbox.faults.relay = { kind: "mute" };
    match(await shell(), new RegExp(`${HASTY}${SAID}`));
    desk.sandbox.faults.relay = undefined;
    // By a clock of which two seconds are enough for a machine with other things to do.
    doesNotMatch(await shell({ clock: new HurryingClock(0.2) }), /cannot be reached/);
    block(desk);
    const again = await shell();
    ok(again.includes(SAID), again);
    doesNotMatch(again, /nor lately/);
    await Deno.remove(homeDir, { recursive: true });
  },
);

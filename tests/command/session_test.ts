/** Shells and commands through the whole `hawser ssh` (upstream cli/ssh_test.go). */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { failureAnswer } from "../../lib/sandbox/mod.ts";
import { isAtLeast } from "../../lib/base/version.ts";
import { AWAITS_AGENT, commandTestAtEach, SHELL, STARTING_RELEASES, TERMINAL } from "./support.ts";

commandTestAtEach(
  "TestSSH/ImmediateExit: waits for the agent, and exit ends the shell",
  async (desk) => {
    await using run = desk.start(["myworkspace"], { terminal: TERMINAL });
    await run.stderr.waitFor(AWAITS_AGENT);
    desk.sandbox.workspace.agent().connect();
    await run.stdout.waitFor(/[$#] $/);
    await run.type("exit\r");
    const { code } = await run.result();
    strictEqual(code, 0);
    deepStrictEqual(run.modes, ["raw", "cooked"]);
  },
  { workspaces: [{ name: "myworkspace", agents: [{ ...SHELL, connects: false }] }] },
);

const NAMES = [
  "myworkspace",
  "myworkspace.dev",
  "myuser/myworkspace",
  "myuser--myworkspace",
  "myuser/myworkspace--dev",
  "myuser/myworkspace.dev",
  "myuser--myworkspace--dev",
  "myuser--myworkspace.dev",
  "dev.myworkspace.myuser",
];

commandTestAtEach("TestSSH/WorkspaceNameInput: each of the nine forms connects", async (desk) => {
  for (const name of NAMES) {
    const { code, stdout, stderr } = await desk.run([name], { stdin: "echo $CODER\nexit\n" });
    deepStrictEqual({ name, code, stdout, stderr }, {
      name,
      code: 0,
      stdout: "true\n",
      stderr: "",
    });
  }
});

commandTestAtEach(
  "TestSSH/StartStoppedWorkspace: a start build appears and the shell works",
  async (desk) => {
    const { workspace } = desk.sandbox;
    const { code, stdout, stderr } = await desk.run(["myworkspace"], { stdin: "echo up\n" });
    deepStrictEqual({ code, stdout }, { code: 0, stdout: "up\n" });
    match(
      stderr,
      /^Workspace was stopped, starting workspace to allow connecting to "myworkspace"\.\.\.\n/,
    );
    deepStrictEqual(workspace.builds.map(({ transition }) => transition), ["stop", "start"]);
    const { version } = desk.sandbox.settings;
    // Servers before v2.25 know no such reason.
    const reason = isAtLeast(version, "v2.25.0") ? "ssh_connection" : "initiator";
    strictEqual(workspace.latestBuild.reason, reason);
  },
  { workspaces: [{ name: "myworkspace", agents: [SHELL], transition: "stop" }] },
  STARTING_RELEASES,
);

commandTestAtEach(
  "TestSSH/StartStoppedWorkspaceConflict: one start, two are told 409 and go on with it",
  async (desk) => {
    const { sandbox } = desk;
    let posts = 0;
    const allHere = Promise.withResolvers<void>();
    const started = Promise.withResolvers<void>();
    sandbox.workspace.changes.until(() => sandbox.workspace.latestBuild.transition === "start")
      .then(started.resolve);
    sandbox.api.override("POST /workspaces/{workspace}/builds", async () => {
      const isFirst = ++posts === 1;
      if (posts === 3) allHere.resolve();
      await allHere.promise;
      if (isFirst) return undefined;
      await started.promise;
      return failureAnswer(409, "A workspace build is already active.");
    });
    const runs = [1, 2, 3].map(() => desk.run(["myworkspace", "echo in"]));
    const results = await Promise.all(runs);
    for (const { code, stdout, stderr } of results) {
      deepStrictEqual({ code, stdout }, { code: 0, stdout: "in\n" }, stderr);
      match(stderr, /^Workspace was stopped, starting workspace to allow connecting to/);
    }
    const told = results.filter(({ stderr }) =>
      stderr.includes(
        "Unable to start the workspace due to conflict, the workspace may be starting, " +
          "retrying without autostart...\n",
      )
    );
    strictEqual(told.length, 2);
  },
  { workspaces: [{ name: "myworkspace", agents: [SHELL], transition: "stop" }] },
  STARTING_RELEASES,
);

commandTestAtEach(
  "TestSSH/RequireActiveVersion: the start takes the template's new version",
  async (desk) => {
    const { workspace, template } = desk.sandbox;
    workspace.automaticUpdates = "always";
    const { id } = template.addVersion();
    const { code } = await desk.run(["myworkspace", "true"]);
    strictEqual(code, 0);
    strictEqual(workspace.latestBuild.templateVersionId, id);
    ok(!workspace.isOutdated);
  },
  { workspaces: [{ name: "myworkspace", agents: [SHELL], transition: "stop" }] },
  STARTING_RELEASES,
);

for (
  const { name, end, says } of [
    { name: "stop", end: "stop", says: /^Workspace "myworkspace" (was|is being) stopped\n$/ },
    { name: "delete", end: "delete", says: /^Workspace "myworkspace" (was|is being) deleted\n$/ },
    {
      name: "rebuild",
      end: "start",
      says:
        /^Workspace "myworkspace" was started anew, this session belonged to its former build\n$/,
    },
  ] as const
) {
  commandTestAtEach(`TestSSH/ExitOnStop: a shell ends by itself at a ${name}`, async (desk) => {
    await using run = desk.start(["myworkspace"], { terminal: TERMINAL });
    await run.stdout.waitFor(/[$#] $/);
    desk.sandbox.workspace.build(end);
    const { code, stderr } = await run.result();
    strictEqual(code, 255);
    match(stderr, says);
    deepStrictEqual(run.modes, ["raw", "cooked"]);
  });
}

commandTestAtEach("TestSSH/ExitOnStop: an agent that leaves early in a long stop", async (desk) => {
  await using run = desk.start(["myworkspace"], { terminal: TERMINAL });
  await run.stdout.waitFor(/[$#] $/);
  const { workspace } = desk.sandbox;
  workspace.build("stop", { script: (build) => build.start() });
  const { code, stderr } = await run.result();
  deepStrictEqual({ code, stderr }, {
    code: 255,
    stderr: 'Workspace "myworkspace" is being stopped\n',
  });
});

commandTestAtEach("TestSSH/Env: --env takes several in one", async (desk) => {
  const args = ["--env", "foo=bar,baz=qux", "myworkspace", "echo $foo $baz"];
  const { code, stdout } = await desk.run(args);
  deepStrictEqual({ code, stdout }, { code: 0, stdout: "bar qux\n" });
});

commandTestAtEach("TestSSH_CoderConnect/OneShot: output of a command", async (desk) => {
  const { code, stdout, stderr } = await desk.run(["myworkspace", "echo 'hello world'"]);
  deepStrictEqual({ code, stdout, stderr }, { code: 0, stdout: "hello world\n", stderr: "" });
});

for (
  const [name, command, code] of [
    ["TestSSH_CoderConnect/OneShotExitCode/Success", "exit 0", 0],
    ["TestSSH_CoderConnect/OneShotExitCode/Error", "exit 1", 1],
    ["TestSSH_OneShotCommandMode/PropagatesExitCode", "exit 2", 2],
  ] as const
) {
  commandTestAtEach(`${name}: the status is ours, without a word`, async (desk) => {
    const result = await desk.run(["myworkspace", command]);
    deepStrictEqual(result, { code, stdout: "", stderr: "" });
  });
}

commandTestAtEach(
  "TestSSH_OneShotCommandMode/DoesNotRequestPTY: even on a terminal",
  async (desk) => {
    const args = ["myworkspace", "test -t 0 && echo tty || echo not-tty"];
    const { code, stdout } = await desk.run(args, { terminal: TERMINAL });
    deepStrictEqual({ code, stdout }, { code: 0, stdout: "not-tty\n" });
  },
);

commandTestAtEach("TestSSH_OneShotCommandMode/RequestsPTYWithFlag: --tty", async (desk) => {
  const args = ["--tty", "myworkspace", "test -t 0 && echo tty || echo not-tty"];
  const { code, stdout } = await desk.run(args, { terminal: TERMINAL });
  deepStrictEqual({ code, stdout }, { code: 0, stdout: "tty\r\n" });
});

commandTestAtEach(
  "TestSSH_OneShotCommandMode/ClosesStdinOnEOF: wc counts what was piped",
  async (desk) => {
    const { code, stdout } = await desk.run(["myworkspace", "wc -l"], { stdin: "a\nb\nc\n" });
    deepStrictEqual({ code, stdout: stdout.trim() }, { code: 0, stdout: "3" });
  },
);

commandTestAtEach(
  "A command's streams stay apart, and words are joined by one space",
  async (desk) => {
    const args = ["myworkspace", "echo", "out;", "echo", "err", ">&2"];
    deepStrictEqual(await desk.run(args), { code: 0, stdout: "out\n", stderr: "err\n" });
  },
);

commandTestAtEach(
  "A shell has the terminal's type and size, and hears of a new size",
  async (desk) => {
    await using run = desk.start(["myworkspace"], {
      terminal: { columns: 101, rows: 33 },
      env: { TERM: "screen-256color" },
    });
    await run.stdout.waitFor(/[$#] $/);
    await run.type("echo $TERM; stty size\r");
    await run.stdout.waitFor(/screen-256color\r\n33 101\r\n/);
    run.resize({ columns: 77, rows: 22 });
    await run.type("until [ \"$(stty size)\" = '22 77' ]; do sleep 0.02; done; echo re''sized\r");
    await run.stdout.waitFor("resized");
    await run.type("exit 7\r");
    strictEqual((await run.result()).code, 7);
  },
);

commandTestAtEach("Signals end a session, restore the terminal and give 128 + n", async (desk) => {
  for (const [signal, code] of [["SIGTERM", 143], ["SIGHUP", 129]] as const) {
    await using run = desk.start(["myworkspace"], { terminal: TERMINAL });
    await run.stdout.waitFor(/[$#] $/);
    ok(run.raise(signal));
    strictEqual((await run.result()).code, code);
    deepStrictEqual(run.modes, ["raw", "cooked"]);
  }
});

commandTestAtEach(
  "A deployment that goes away does not end a session; an agent that dies does",
  async (desk) => {
    await using run = desk.start(["myworkspace"], { terminal: TERMINAL });
    await run.stdout.waitFor(/[$#] $/);
    const outage = { kind: "hangUp" } as const;
    desk.sandbox.api.override("GET /workspaces/{workspace}/watch-ws", outage);
    desk.sandbox.api.override("GET /workspaces/{workspace}/watch", outage);
    desk.sandbox.api.override("GET /workspaces/{workspace}", outage);
    await run.type("echo still''here\r");
    await run.stdout.waitFor("stillhere");
    await desk.sandbox.workspace.agent().disconnect({ graceful: true });
    const { code, stderr } = await run.result();
    strictEqual(code, 255);
    match(stderr, /^SSH connection ended unexpectedly\n.+\n$/);
    deepStrictEqual(run.modes, ["raw", "cooked"]);
  },
);

/** What surrounds a session: waits, log file, usage, completion, containers (upstream cli/ssh_test.go, cli/cliui/agent_test.go). */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { failureAnswer, StartupFailure } from "../../lib/sandbox/mod.ts";
import { commandTest, commandTestAtEach, SHELL, STARTING_RELEASES, WORKSPACE } from "./support.ts";

const URL_OF_HELP = "https://example.com/help-with-agents";

commandTestAtEach(
  "TestSSH/ShowTroubleshootingURLAfterTimeout, TimeoutWithTroubleshootingURL: and a signal ends the wait silently",
  async (desk) => {
    await using run = desk.start(["myworkspace"]);
    await run.stderr.waitFor(URL_OF_HELP);
    run.raise("SIGINT");
    const { code, stdout, stderr } = await run.result();
    deepStrictEqual({ code, stdout }, { code: 1, stdout: "" });
    ok(stderr.trimEnd().endsWith(URL_OF_HELP), stderr);
  },
  {
    workspaces: [{
      name: "myworkspace",
      agents: [{
        ...SHELL,
        connects: false,
        connectionTimeoutSeconds: 0.1,
        troubleshootingUrl: URL_OF_HELP,
      }],
    }],
  },
);

const BLOCKING = { ...SHELL, blocksLogin: true } as const;

commandTestAtEach(
  "StartErrorExit: a start-up script that fails is told, and the session begins",
  async (desk) => {
    const { code, stdout, stderr } = await desk.run(["myworkspace", "echo in"]);
    deepStrictEqual({ code, stdout }, { code: 0, stdout: "in\n" });
    match(stderr, /=== ✘ Running workspace agent startup scripts.* \[\d+ms\]\n/);
    match(
      stderr,
      /Warning: A startup script exited with an error and your workspace may be incomplete\./,
    );
  },
  {
    workspaces: [{
      name: "myworkspace",
      agents: [{
        ...BLOCKING,
        startup: () => {
          throw new StartupFailure("no");
        },
      }],
    }],
  },
  STARTING_RELEASES,
);

commandTestAtEach("StartupTimeout: told, and the session begins", async (desk) => {
  const { code, stdout, stderr } = await desk.run(["myworkspace", "echo in"]);
  deepStrictEqual({ code, stdout }, { code: 0, stdout: "in\n" });
  match(stderr, /Warning: A startup script timed out and your workspace may be incomplete\./);
}, {
  workspaces: [{
    name: "myworkspace",
    agents: [{
      ...BLOCKING,
      startup: async (agent) => {
        agent.setLifecycle("start_timeout");
        await agent.pause(20_000);
      },
    }],
  }],
}, STARTING_RELEASES);

commandTestAtEach(
  "NoWait, LoginBeforeReadyEnabled: a session beside a script that runs on",
  async (desk) => {
    for (const args of [["--wait=no"], ["--no-wait"]]) {
      const { code, stdout, stderr } = await desk.run([...args, "myworkspace", "echo in"]);
      deepStrictEqual({ code, stdout }, { code: 0, stdout: "in\n" });
      match(stderr, /Running workspace agent startup scripts \(non-blocking\)\n/);
      match(stderr, /Notice: The startup scripts are still running/);
      const warning = "WARN: `--no-wait` is deprecated, please use `--wait` instead.\n\r\n";
      strictEqual(stderr.startsWith("WARN: "), args[0] === "--no-wait");
      strictEqual(stderr.startsWith(warning), args[0] === "--no-wait");
    }
  },
  {
    workspaces: [{
      name: "myworkspace",
      agents: [{ ...BLOCKING, startup: (agent) => agent.pause(20_000) }],
    }],
  },
  STARTING_RELEASES,
);

commandTestAtEach(
  "TestSSH/FileLogging: exactly one file, which tells how it ended",
  async (desk) => {
    const folder = await Deno.makeTempDir();
    const { code } = await desk.run(["-l", folder, "myworkspace", "exit 3"]);
    strictEqual(code, 3);
    const names = [...Deno.readDirSync(folder)].map(({ name }) => name);
    strictEqual(names.length, 1);
    const [name = ""] = names;
    match(name, /^coder-ssh-\d{8}-\d{6}-[a-z]{5}\.log$/);
    const text = await Deno.readTextFile(`${folder}/${name}`);
    match(text, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \[info\]/m);
    ok(!text.includes(desk.sandbox.token), "the log holds the token");
    await Deno.remove(folder, { recursive: true });
  },
);

const USAGE = "POST /workspaces/{workspace}/usage";

commandTest(
  "TestSSH/UpdateUsage/NoExperiment: a server that refuses it costs nothing",
  async (desk) => {
    desk.sandbox.api.override(USAGE, failureAnswer(404, "Route not found."));
    const result = await desk.run(["myworkspace", "true"]);
    deepStrictEqual(result, { code: 0, stdout: "", stderr: "" });
  },
);

commandTest("TestSSH/UpdateUsage: which application is told", async (desk) => {
  const { api } = desk.sandbox;
  for (
    const [flag, app] of [
      ["", "ssh"],
      ["ssh", "ssh"],
      ["jetbrains", "jetbrains"],
      ["vscode", "vscode"],
      ["banana", "ssh"],
    ] as const
  ) {
    api.clear();
    await using run = desk.start([`--usage-app=${flag}`, "myworkspace", "cat"]);
    const [request] = await api.waitFor(USAGE);
    const told = JSON.parse(new TextDecoder().decode(request?.body));
    deepStrictEqual({ flag, app: told.app_name }, { flag, app });
    await run.typeEnd();
    strictEqual((await run.result()).code, 0);
  }
  api.clear();
  await desk.run(["--usage-app=disable", "myworkspace", "true"]);
  strictEqual(api.requestsTo(USAGE).length, 0);
});

commandTestAtEach("TestSSH_Completion: names on standard output, nothing else", async (desk) => {
  const env = { COMPLETION_MODE: "1" };
  deepStrictEqual(await desk.run([""], { env }), {
    code: 0,
    stdout: "many.one\nmany.two\nmyworkspace\n",
    stderr: "",
  });
}, {
  workspaces: [WORKSPACE, {
    name: "many",
    agents: [{ ...SHELL, name: "one" }, { ...SHELL, name: "two" }],
  }],
});

commandTest("TestSSH_Container/NotFound, NotEnabled: one line and 1", async (desk) => {
  const args = ["-c", "ghost", "myworkspace"];
  const none = await desk.run(args);
  deepStrictEqual({ ...none, stderr: none.stderr.trimEnd() }, {
    code: 1,
    stdout: "",
    stderr: "No containers found!",
  });
  desk.sandbox.settings.containers = [{
    id: "abc",
    name: "something_completely_different",
    labels: {},
  }];
  const other = await desk.run(args);
  strictEqual(other.code, 1);
  match(
    other.stderr,
    /Container not found: "ghost"\n.*Available containers: \[something_completely_different\]/,
  );
  desk.sandbox.api.override(
    "GET /workspaceagents/{workspaceagent}/containers",
    failureAnswer(403, "Dev Container feature not enabled."),
  );
  const off = await desk.run(args);
  strictEqual(off.code, 1);
  match(off.stderr, /Dev Container feature not enabled\./);
});

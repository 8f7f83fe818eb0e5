/**
 * What the command of June 2023 said and did, row by row, against the sandbox as a server of v0.24. Waiting in all its states is in `tests/cli/ready/early_agent_wait_test.ts`; what is done otherwise on purpose
 * is in docs/compatibility.md.
 */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { failureAnswer, type SandboxOptions } from "../../lib/sandbox/mod.ts";
import { commandTest, type Desk, SHELL, TERMINAL } from "./support.ts";

const SETTINGS = { version: "v0.24.0" };
const NOT_READY = "\n > Your workspace is still getting ready, it may be in an\n" +
  "   incomplete state.\n\n";

function row(
  name: string,
  body: (desk: Desk) => Promise<void>,
  options: SandboxOptions = {},
): void {
  commandTest(`v0.24: ${name}`, body, { ...options, settings: SETTINGS });
}

/** An agent whose scripts run until `ended` and block the login. */
function slowAgent(ended: Promise<void>): SandboxOptions {
  const agent = { ...SHELL, blocksLogin: true, startup: () => ended };
  return { workspaces: [{ name: "myworkspace", agents: [agent] }] };
}

row("a workspace in a stop transition is refused", async (desk) => {
  const { code, stdout, stderr } = await desk.run(["myworkspace", "true"]);
  deepStrictEqual({ code, stdout }, { code: 1, stdout: "" });
  match(stderr, /\nerror: workspace must be in start transition to ssh\n/);
  deepStrictEqual(desk.sandbox.workspace.builds.map(({ transition }) => transition), ["stop"]);
}, { workspaces: [{ name: "myworkspace", agents: [SHELL], transition: "stop" }] });

row("names: me/ws, ws.agent, owner/ws, owner/ws.agent", async (desk) => {
  for (
    const name of ["myworkspace", "myworkspace.dev", "myuser/myworkspace", "myuser/myworkspace.dev"]
  ) {
    strictEqual((await desk.run([name, "echo in"])).stdout, "in\n", name);
  }
});

row("an agent of another name is not found", async (desk) => {
  const { code, stderr } = await desk.run(["myworkspace.other", "true"]);
  strictEqual(code, 1);
  match(stderr, /\nerror: agent not found by name "other"/);
});

row("an unknown owner is 400 there, and told as it came", async (desk) => {
  desk.sandbox.api.override(
    "GET /users/{user}/workspace/{workspacename}",
    failureAnswer(400, '"user" must be an existing uuid or username.'),
  );
  const { code, stderr } = await desk.run(["nobody/ws", "true"]);
  strictEqual(code, 1);
  match(stderr, /"user" must be an existing uuid or username\./);
});

row("the order of requests: workspace, the way to its agent, coordinator", async (desk) => {
  strictEqual((await desk.run(["myworkspace", "true"])).code, 0);
  const asked = desk.sandbox.api.requests.map(({ route }) => route);
  const at = (route: string) => asked.indexOf(`GET /${route}`);
  const connection = at("workspaceagents/{workspaceagent}/connection");
  ok(connection > at("users/{user}/workspace/{workspacename}"), String(asked));
  ok(at("workspaceagents/{workspaceagent}/coordinate") > connection, String(asked));
  strictEqual(at("workspaceagents/connection"), -1, "there is no such route");
});

row(
  "legacy parameters and an outdated workspace are told on a terminal, in this order",
  async (desk) => {
    const { template, workspace } = desk.sandbox;
    const { id } = template.addVersion({ warnings: ["UNSUPPORTED_WORKSPACES"] });
    workspace.build("start", { templateVersionId: id });
    template.addVersion();
    await using run = desk.start(["myworkspace"], { terminal: TERMINAL });
    await run.stdout.waitFor(/[$#] $/);
    await run.type("exit\r");
    const { stderr } = await run.result();
    const legacy = stderr.indexOf(
      "👋 Your workspace uses legacy parameters which are not supported " +
        "anymore. Contact your administrator for assistance.",
    );
    const outdated = stderr.indexOf("👋 Your workspace is outdated! Update it here: ");
    ok(legacy >= 0 && outdated > legacy, stderr);
  },
);

{
  const ended = Promise.withResolvers<void>();
  row("--no-wait, and its variable, say one thing and go on", async (desk) => {
    try {
      const words = ["myworkspace", "echo in"];
      for (
        const run of [
          await desk.run(["--no-wait", ...words]),
          await desk.run(words, { env: { CODER_SSH_NO_WAIT: "true" } }),
          await desk.run(["--wait=no", ...words]),
        ]
      ) {
        deepStrictEqual({ code: run.code, stdout: run.stdout }, { code: 0, stdout: "in\n" });
        ok(run.stderr.endsWith(NOT_READY), JSON.stringify(run.stderr));
      }
    } finally {
      ended.resolve();
    }
  }, slowAgent(ended.promise));
}

{
  const ended = Promise.withResolvers<void>();
  row(
    "a login that is blocked is let in when the scripts have ended; logs are not shown",
    async (desk) => {
      try {
        await using run = desk.start(["myworkspace", "echo in"], { stdin: "" });
        await run.stderr.waitFor("Waiting for dev to become ready...");
        strictEqual(run.stdout.text, "");
        desk.sandbox.workspace.agent().log("one line");
        ended.resolve();
        const { code, stdout, stderr } = await run.result();
        deepStrictEqual({ code, stdout }, { code: 0, stdout: "in\n" });
        ok(!stderr.includes("==>") && !stderr.includes("one line"), stderr);
      } finally {
        ended.resolve();
      }
    },
    slowAgent(ended.promise),
  );
}

row("login_before_ready: one who may log in is not kept", async (desk) => {
  const { api } = desk.sandbox;
  const { code, stdout, stderr } = await desk.run(["myworkspace", "echo in"]);
  deepStrictEqual({ code, stdout, stderr }, { code: 0, stdout: "in\n", stderr: "" });
  strictEqual(api.requestsTo("GET /workspaceagents/{workspaceagent}/startup-logs").length, 0);
}, {
  workspaces: [{
    name: "myworkspace",
    agents: [{ ...SHELL, startup: (agent) => agent.pause(3_600_000) }],
  }],
});

row("an agent that is shutting down ends it: await agent", async (desk) => {
  desk.sandbox.workspace.agent().setLifecycle("shutting_down");
  const { code, stderr } = await desk.run(["myworkspace", "true"]);
  strictEqual(code, 1);
  match(stderr, /^\n > The workspace is shutting down\.\n\n/);
  match(stderr, /error: await agent: agent is shutting down\n/);
});

row("a login without a token is told how to get one", async (desk) => {
  const { code, stderr } = await desk.run(["myworkspace", "true"], {
    env: { CODER_SESSION_TOKEN: "abcdefghij-0123456789012345678901" },
  });
  strictEqual(code, 1);
  match(stderr, /Try logging in using 'coder login'\./);
});

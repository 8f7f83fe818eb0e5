/**
 * What the command of June 2023 said and did, row by row, against the sandbox as a server of v0.24. docs/compatibility.md lists the
 * rows and where each is tested: here are those that hold at that age alone.
 */
import { deepStrictEqual, doesNotMatch, match, ok, strictEqual } from "node:assert/strict";
import {
  type AgentSpec,
  failureAnswer,
  type SandboxOptions,
  StartupFailure,
} from "../../lib/sandbox/mod.ts";
import { commandTest, type Desk, SHELL, TERMINAL } from "./support.ts";

const SETTINGS = { version: "v0.24.0" };
const NOT_READY = "\n > Your workspace is still getting ready, it may be in an\n" +
  "   incomplete state.\n\n";

/** What a template without a troubleshooting page of its own says. */
const HELP = "Wait for it to (re)connect or restart your workspace.";

/** A wrapped message as it was before. */
function oneLine(message: string): string {
  return message.trim().replaceAll(/\s+/g, " ");
}

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

row("a workspace without agents has none to connect to", async (desk) => {
  const { code, stderr } = await desk.run(["bare", "true"]);
  strictEqual(code, 1);
  match(stderr, /\nerror: workspace "bare" has no agents\n/);
}, { workspaces: [{ name: "bare", agents: [] }] });

row("a workspace that is deleted is in no start transition either", async (desk) => {
  const { code, stderr } = await desk.run(["myworkspace", "true"]);
  strictEqual(code, 1);
  match(stderr, /\nerror: workspace must be in start transition to ssh\n/);
}, {
  workspaces: [{
    name: "myworkspace",
    transition: "delete",
    buildScript: (build) => build.start(),
  }],
});

const BUILD_TOLD = new RegExp(
  "^> ⧗ {2}Queued \\n✔ Queued \\[\\d+ms\\]\\n> ⧗ {2}Running \\n✔ Running \\[\\d+ms\\]\\n" +
    "> ⧗ {2}Starting workspace \\n {2}one line\\n {2}and another\\n",
);

/** A start whose job ends when it is let. */
function building(end: Promise<string>): SandboxOptions {
  return {
    workspaces: [{
      name: "myworkspace",
      agents: [SHELL],
      buildScript: async (build) => {
        build.start();
        build.log("Starting workspace");
        build.log("Starting workspace", "one line\nand another");
        build.log("Starting workspace", "nobody reads this", { level: "debug" });
        const why = await end;
        if (why === "") build.succeed();
        else build.fail(why);
      },
    }],
  };
}

{
  const end = Promise.withResolvers<string>();
  row("a build under way is waited for: its stages, its log without times", async (desk) => {
    try {
      await using run = desk.start(["myworkspace", "echo in"], { stdin: "" });
      await run.stderr.waitFor("and another");
      end.resolve("");
      const { code, stdout, stderr } = await run.result();
      deepStrictEqual({ code, stdout }, { code: 0, stdout: "in\n" });
      match(stderr, BUILD_TOLD);
      match(stderr, /and another\n✔ Starting workspace \[\d+ms\]\n/);
      doesNotMatch(stderr, /nobody reads this|==>|===/);
    } finally {
      end.resolve("");
    }
  }, building(end.promise));
}

{
  const end = Promise.withResolvers<string>();
  row("a build that fails ends the command with its error and a crossed stage", async (desk) => {
    try {
      await using run = desk.start(["myworkspace", "echo in"], { stdin: "" });
      await run.stderr.waitFor("and another");
      end.resolve("no machine left");
      const { code, stdout, stderr } = await run.result();
      deepStrictEqual({ code, stdout }, { code: 1, stdout: "" });
      match(stderr, /and another\n✘ Starting workspace \[\d+ms\]\n/);
      match(stderr, /\nerror: no machine left\n/);
    } finally {
      end.resolve("");
    }
  }, building(end.promise));
}

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

function startsWith(startup: NonNullable<AgentSpec["startup"]>): SandboxOptions {
  const agent = { ...SHELL, blocksLogin: true, troubleshootingUrl: "", startup };
  return { workspaces: [{ name: "myworkspace", agents: [agent] }] };
}

row(
  "StartErrorExit: a start-up script that fails is told, and the session begins",
  async (desk) => {
    const { code, stdout, stderr } = await desk.run(["myworkspace", "echo in"]);
    deepStrictEqual({ code, stdout }, { code: 0, stdout: "in\n" });
    strictEqual(
      oneLine(stderr),
      "> The workspace ran into a problem while getting ready, the agent startup script " +
        `exited with non-zero status. ${HELP}`,
    );
  },
  startsWith(() => {
    throw new StartupFailure("no");
  }),
);

{
  const ended = Promise.withResolvers<void>();
  row(
    "StartupTimeout: told, and waited for until it is ready",
    async (desk) => {
      try {
        await using run = desk.start(["myworkspace", "echo in"], { stdin: "" });
        await run.stderr.waitFor("still executing");
        strictEqual(run.stdout.text, "");
        ended.resolve();
        const { code, stdout, stderr } = await run.result();
        deepStrictEqual({ code, stdout }, { code: 0, stdout: "in\n" });
        strictEqual(
          oneLine(stderr),
          "> The workspace is taking longer than expected to get ready, the agent startup " +
            `script is still executing. ${HELP}`,
        );
      } finally {
        ended.resolve();
      }
    },
    startsWith(async (agent) => {
      agent.setLifecycle("start_timeout");
      await ended.promise;
    }),
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
  match(stderr, /Try logging in using 'hawser login'\./);
});

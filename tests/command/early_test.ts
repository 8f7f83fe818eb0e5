/**
 * What is begun while the deployment is still being asked: the agent's SSH port is open by then, and not a byte passes before the
 * deployment has said that this agent runs and that we are let in.
 */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { failureAnswer } from "../../lib/sandbox/mod.ts";
import type { SandboxAgent } from "../../lib/sandbox/mod.ts";
import { commandTest, commandTestAtEach, type Desk } from "./support.ts";

const BY_NAME = "GET /users/{user}/workspace/{workspacename}";
/** What a client says first, to which a server would answer. */
const HELLO = "SSH-2.0-Test\r\n";

/** A home that remembers the agent of `myworkspace`. */
async function withMemory(
  desk: Desk,
  body: (homeDir: string, agent: SandboxAgent) => Promise<void>,
): Promise<void> {
  const homeDir = await Deno.makeTempDir({ prefix: "hawser-home-" });
  try {
    const { code, stderr } = await desk.run(["myworkspace", "true"], { homeDir });
    strictEqual(code, 0, stderr);
    const agent = desk.sandbox.workspace.agent();
    await agent.untilSshClients(({ open }) => open === 0);
    await body(homeDir, agent);
  } finally {
    await Deno.remove(homeDir, { recursive: true });
  }
}

/** The deployment does not say a word about the workspace until the returned function is called. */
function holdAnswer({ sandbox: { api } }: Desk): () => void {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  api.override(BY_NAME, () => promise, { times: 1 });
  return () => resolve(undefined);
}

commandTestAtEach(
  "--stdio: the port is open before the deployment has answered, and nothing passes until it has",
  async (desk) => {
    await withMemory(desk, async (homeDir, agent) => {
      const { came, bytesIn } = agent.sshClients;
      const answer = holdAnswer(desk);
      await using run = desk.start(["--stdio", "myworkspace"], { homeDir });
      await run.type(HELLO);
      await agent.untilSshClients((clients) => clients.came === came + 1);
      // The agent has said its first line by now, and more can be asked of nobody.
      await desk.sandbox.api.waitFor(BY_NAME, { count: 2 });
      strictEqual(run.stdout.text, "");
      strictEqual(agent.sshClients.bytesIn, bytesIn);
      answer();
      await run.stdout.waitFor(/^SSH-2\.0-/);
      await agent.untilSshClients((clients) => clients.bytesIn >= bytesIn + HELLO.length);
      strictEqual(agent.sshClients.came, came + 1, "the same connection");
    });
  },
);

commandTestAtEach(
  "a session: the port is open before the deployment has answered, and SSH waits until it has",
  async (desk) => {
    await withMemory(desk, async (homeDir, agent) => {
      const { came, bytesIn } = agent.sshClients;
      const answer = holdAnswer(desk);
      await using run = desk.start(["myworkspace", "echo", "hi"], { homeDir });
      await agent.untilSshClients((clients) => clients.came === came + 1);
      strictEqual(agent.sshClients.bytesIn, bytesIn);
      answer();
      await run.stdout.waitFor("hi");
      strictEqual(agent.sshClients.came, came + 1, "the same connection");
    });
  },
);

commandTest("--stdio: at any other answer what is open is closed, unused", async (desk) => {
  const { sandbox } = desk;
  const rows: {
    readonly name: string;
    readonly answer: () => void;
    readonly code: number;
    readonly told: RegExp;
  }[] = [
    {
      name: "no such workspace",
      answer: () => sandbox.api.override(BY_NAME, failureAnswer(404, "Not here"), { times: 1 }),
      code: 1,
      told: /Not here/,
    },
    {
      name: "the session is over",
      answer: () => sandbox.api.override(BY_NAME, failureAnswer(401, "Sign in"), { times: 1 }),
      code: 1,
      told: /Sign in/,
    },
  ];
  for (const { name, answer, code, told } of rows) {
    await withMemory(desk, async (homeDir, agent) => {
      const { came, bytesIn } = agent.sshClients;
      const go = holdAnswer(desk);
      answer();
      await using run = desk.start(["--stdio", "myworkspace"], { homeDir });
      await run.type(HELLO);
      await agent.untilSshClients((clients) => clients.came === came + 1);
      go();
      const result = await run.result();
      deepStrictEqual([result.code, result.stdout], [code, ""], name);
      match(result.stderr, told);
      await agent.untilSshClients(({ open }) => open === 0);
      deepStrictEqual(agent.sshClients, { came: came + 1, open: 0, bytesIn }, name);
    });
  }
});

commandTest(
  "--stdio: an agent that still starts is not let wait with an open port",
  async (desk) => {
    await withMemory(desk, async (homeDir, agent) => {
      const { came, bytesIn } = agent.sshClients;
      agent.setLifecycle("starting");
      const answer = holdAnswer(desk);
      await using run = desk.start(["--stdio", "--wait=yes", "myworkspace"], { homeDir });
      await run.type(HELLO);
      await agent.untilSshClients((clients) => clients.came === came + 1);
      answer();
      await agent.untilSshClients(({ open }) => open === 0);
      deepStrictEqual(agent.sshClients, { came: came + 1, open: 0, bytesIn });
      strictEqual(run.stdout.text, "");
      agent.setLifecycle("ready");
      await run.stdout.waitFor(/^SSH-2\.0-/);
      strictEqual(agent.sshClients.came, came + 2);
    });
  },
);

commandTest("--stdio: a workspace that was stopped meanwhile is not let in by", async (desk) => {
  await withMemory(desk, async (homeDir, agent) => {
    const { came, bytesIn } = agent.sshClients;
    const answer = holdAnswer(desk);
    await using run = desk.start(["--stdio", "--disable-autostart", "myworkspace"], { homeDir });
    await run.type(HELLO);
    await agent.untilSshClients((clients) => clients.came === came + 1);
    strictEqual(agent.sshClients.bytesIn, bytesIn);
    await desk.sandbox.workspace.buildToEnd("stop");
    answer();
    const { code, stdout, stderr } = await run.result();
    deepStrictEqual([code, stdout], [1, ""]);
    ok(stderr.includes("workspace must be started"), stderr);
  });
});

commandTest("--stdio: what was opened and is broken by then is opened again", async (desk) => {
  await withMemory(desk, async (homeDir, agent) => {
    const { came } = agent.sshClients;
    const answer = holdAnswer(desk);
    await using run = desk.start(["--stdio", "myworkspace"], { homeDir });
    await agent.untilSshClients((clients) => clients.came === came + 1);
    agent.cutSshClients();
    await agent.untilSshClients(({ open }) => open === 0);
    answer();
    await run.stdout.waitFor(/^SSH-2\.0-/);
    strictEqual(agent.sshClients.came, came + 2);
  });
});

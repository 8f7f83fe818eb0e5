/** Agents that restart, leave and come back: what ends a session, with which words, and that the next one works. */
import { match, strictEqual } from "node:assert/strict";
import { expectLost, LIMIT_MS, LOST_PIPE, LOST_SESSION, openBoth, OVER } from "./both_sessions.ts";
import { expectNextSession } from "./disturbances.ts";
import { siteTest } from "./site.ts";

siteTest(
  "agent: sessions end with 255 and a line when it restarts with new keys",
  {},
  async (site) => {
    const { desk, peer } = site;
    const { stdio, own } = await openBoth(desk);
    await using _stdio = stdio;
    await using _own = own;
    await peer.command("restart-agent");
    await expectLost(stdio, LOST_PIPE);
    await expectLost(own, LOST_SESSION);
    await expectNextSession(desk);
  },
);

siteTest("agent: --stdio ends with 0 when it shuts down gracefully", {}, async ({ desk, peer }) => {
  const { stdio, own } = await openBoth(desk);
  await using _stdio = stdio;
  await using _own = own;
  await peer.command("restart-agent graceful");
  const exit = await stdio.exit();
  strictEqual(exit.code, 0, exit.stderr);
  await expectLost(own, LOST_SESSION);
  await expectNextSession(desk);
});

siteTest("agent: OpenSSH ends with 255 when it restarts", {}, async ({ desk, peer }) => {
  await using ssh = desk.startSsh(["workspace", "echo up; cat"], { limitMs: LIMIT_MS });
  await ssh.stdout.until(/up\n/);
  await peer.command("restart-agent");
  strictEqual((await ssh.exit()).code, 255);
});

siteTest("workspace: sessions end when it is stopped", {}, async ({ desk, peer }) => {
  const { stdio, own } = await openBoth(desk);
  await using _stdio = stdio;
  await using _own = own;
  await peer.command("stop-workspace");
  strictEqual((await stdio.exit()).code, 0);
  await expectLost(own, OVER);
});

siteTest(
  "workspace: sessions end when it is rebuilt, and the next finds the new agent",
  {},
  async (site) => {
    const { desk, peer } = site;
    const { stdio, own } = await openBoth(desk);
    await using _stdio = stdio;
    await using _own = own;
    await peer.command("new-build");
    strictEqual((await stdio.exit()).code, 0);
    await expectLost(own, OVER);
    await expectNextSession(desk);
  },
);

siteTest(
  "workspace: a stopped one is started, unless that is forbidden",
  {},
  async ({ desk, peer }) => {
    await peer.command("stop-workspace");
    const refused = await desk.runProgram(["--disable-autostart", desk.workspace, "echo up"]);
    strictEqual(refused.code, 1);
    match(refused.stderr, /workspace must be started/);
    const started = await desk.runProgram([desk.workspace, "echo up"]);
    match(started.stderr, /Workspace was stopped, starting workspace to allow connecting to/);
    strictEqual(started.stdout, "up\n");
    strictEqual(started.code, 0);
  },
);

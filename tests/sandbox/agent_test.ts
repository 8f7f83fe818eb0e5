/** The lives of the sandbox's agents as the API tells them: start-up, log, status. */
import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { Sandbox, StartupFailure } from "../../lib/sandbox/mod.ts";
import { at, call, fields, messages, sandboxTest } from "./support.ts";

Deno.test("an agent's start-up: log, life-cycle, and each way it can end", async (t) => {
  const gate = Promise.withResolvers<void>();
  await using sandbox = await Sandbox.start({
    workspaces: [{
      agents: [{
        name: "slow",
        blocksLogin: true,
        startup: async (agent) => {
          agent.log("installing");
          await gate.promise;
          agent.log("almost", "error");
        },
      }, {
        name: "broken",
        startup: (agent) => {
          agent.log("oh no", "error");
          throw new StartupFailure();
        },
      }, {
        name: "lazy",
        startup: (agent) => agent.setLifecycle("start_timeout"),
      }],
    }],
  });
  const { workspace } = sandbox;
  const [slow, broken, lazy] = [
    workspace.agent("slow"),
    workspace.agent("broken"),
    workspace.agent("lazy"),
  ];
  await workspace.changes.until(() => broken.lifecycle === "start_error");
  await t.step("one that runs", async () => {
    await workspace.changes.until(() => slow.lifecycle === "starting");
    const { json } = await call(sandbox, `GET /workspaceagents/${slow.id}`);
    deepStrictEqual(
      [
        at(json, "lifecycle_state"),
        at(json, "startup_script_behavior"),
        "ready_at" in fields(json),
      ],
      ["starting", "blocking", false],
    );
    const following = messages(
      sandbox,
      `/workspaceagents/${slow.id}/logs?follow&after=0&no_compression`,
    );
    const [line] = [(await following.next()).value].flat();
    strictEqual(fields(line)["output"], "installing");
    gate.resolve();
    const [next] = [(await following.next()).value].flat();
    deepStrictEqual([fields(next)["output"], fields(next)["level"]], ["almost", "error"]);
    await following.return(undefined);
    await workspace.changes.until(() => slow.lifecycle === "ready");
  });
  await t.step("one that fails, one that takes too long", async () => {
    match(
      (await call(sandbox, `GET /workspaceagents/${broken.id}`)).text,
      /startup script exited with an error/,
    );
    strictEqual(
      (await call(sandbox, `GET /workspaceagents/${broken.id}/logs?format=text`)).text,
      "oh no\n",
    );
    await workspace.changes.until(() => lazy.lifecycle === "ready");
  });
});

sandboxTest(
  "an agent's status: each of the four, and what a test says instead",
  async (sandbox) => {
    const agent = sandbox.workspace.agent();
    const status = async () =>
      at((await call(sandbox, `GET /workspaceagents/${agent.id}`)).json, "status");
    strictEqual(await status(), "connecting");
    agent.setStatus("timeout");
    strictEqual(await status(), "timeout");
    agent.setStatus(undefined);
    agent.connect();
    await sandbox.workspace.changes.until(() => agent.status === "connected");
    strictEqual(await status(), "connected");
    await agent.disconnect();
    strictEqual(await status(), "disconnected");
    agent.setLifecycle("shutting_down");
    strictEqual(
      at((await call(sandbox, `GET /workspaceagents/${agent.id}`)).json, "lifecycle_state"),
      "shutting_down",
    );
  },
  { workspaces: [{ agents: [{ connects: false }] }] },
);

/** Builds, autostop and dormancy of the sandbox, and how clients see them change. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { Sandbox, type SandboxBuild, slowBuild } from "../../lib/sandbox/mod.ts";
import { createHost } from "../../lib/io/host.ts";
import { at, call, fields, type Json, messages, sandboxTest } from "./support.ts";

async function workspaceOf(sandbox: Sandbox): Promise<Json> {
  return fields((await call(sandbox, `GET /workspaces/${sandbox.workspace.id}`)).json);
}

/** Data frames of the watch stream, parsed. */
async function* events(sandbox: Sandbox): AsyncGenerator<Json> {
  const host = createHost();
  const controller = new AbortController();
  const response = await host.network({}).fetch({
    method: "GET",
    url: new URL(`/api/v2/workspaces/${sandbox.workspace.id}/watch`, sandbox.url).href,
    headers: [["Coder-Session-Token", sandbox.token]],
    signal: controller.signal,
  });
  const decoder = new TextDecoder();
  let text = "";
  try {
    for await (const chunk of response.body) {
      text += decoder.decode(chunk, { stream: true });
      const frames = text.split("\n\n");
      text = frames.pop() ?? "";
      for (const frame of frames) {
        const data = /^event: data\ndata: (.*)$/.exec(frame)?.[1];
        if (data !== undefined) yield fields(JSON.parse(data));
        else strictEqual(frame, "event: ping");
      }
    }
  } finally {
    controller.abort();
    response.cancel();
    host.disconnect();
  }
}

/** A build that does nothing by itself: the test drives it. */
const manual = () => {};

sandboxTest(
  "a build is begun, queued, run, logged and done, and watched on both streams",
  async (sandbox) => {
    const { workspace } = sandbox;
    const seen = { sse: [] as unknown[], ws: [] as unknown[] };
    const status = (value: unknown) => at(value, "latest_build.status");
    const watching = Promise.all([
      (async () => {
        for await (const state of events(sandbox)) {
          if (seen.sse.at(-1) !== status(state)) seen.sse.push(status(state));
          if (status(state) === "stopped") return;
        }
      })(),
      (async () => {
        for await (const message of messages(sandbox, `/workspaces/${workspace.id}/watch-ws`)) {
          const { type, data } = fields(message);
          if (type === "ping") continue;
          if (seen.ws.at(-1) !== status(data)) seen.ws.push(status(data));
          if (status(data) === "stopped") return;
        }
      })(),
    ]);
    await sandbox.api.waitFor("GET /workspaces/{workspace}/watch");
    await sandbox.api.waitFor("GET /workspaces/{workspace}/watch-ws");
    const created = await call(sandbox, `POST /workspaces/${workspace.id}/builds`, {
      body: { transition: "stop", reason: "cli" },
    });
    strictEqual(created.status, 201);
    deepStrictEqual([
      at(created.json, "status"),
      at(created.json, "build_number"),
      at(created.json, "reason"),
    ], ["pending", 2, "cli"]);
    const again = await call(sandbox, `POST /workspaces/${workspace.id}/builds`, {
      body: { transition: "start" },
    });
    deepStrictEqual([again.status, at(again.json, "message")], [
      409,
      "A workspace build is already active.",
    ]);
    const build = workspace.latestBuild;
    build.queue(2, 3);
    const queued = await call(sandbox, `GET /workspacebuilds/${build.id}`);
    deepStrictEqual([at(queued.json, "job.queue_position"), at(queued.json, "job.queue_size")], [
      2,
      3,
    ]);
    const following = messages(sandbox, `/workspacebuilds/${build.id}/logs?follow`);
    build.start();
    build.log("Setting up");
    deepStrictEqual(at((await following.next()).value, "stage"), "Setting up");
    build.log("Stopping workspace", "thing: Destroying...", { level: "warn" });
    const second = fields((await following.next()).value);
    deepStrictEqual([second["output"], second["log_level"], second["log_source"]], [
      "thing: Destroying...",
      "warn",
      "provisioner",
    ]);
    build.succeed();
    ok((await following.next()).done);
    const plain = await call(
      sandbox,
      `GET /workspacebuilds/${build.id}/logs?after=${String(second["id"])}`,
    );
    deepStrictEqual(plain.json, []);
    await watching;
    deepStrictEqual(seen.sse, ["running", "pending", "stopping", "stopped"]);
    deepStrictEqual(seen.ws, seen.sse);
    strictEqual(
      (await call(sandbox, `GET /workspaceagents/${workspace.builds[0]?.agents[0]?.id}`)).status,
      404,
    );
  },
  { workspaces: [{ buildScript: (build) => build.number === 1 ? succeed(build) : undefined }] },
);

function succeed(build: SandboxBuild): void {
  build.start();
  build.succeed();
}

sandboxTest(
  "a rebuild brings a new agent, and takes the old one with its streams",
  async (sandbox) => {
    const { workspace } = sandbox;
    const before = workspace.agent();
    await workspace.buildToEnd("start");
    ok(workspace.agent().id !== before.id);
    await before.disconnect();
    ok(!before.isRunning);
    deepStrictEqual([before.lifecycle, before.status], ["off", "disconnected"]);
  },
);

sandboxTest("a build that fails, one that is cancelled, one that nobody takes", async (sandbox) => {
  const { workspace } = sandbox;
  const failing = workspace.build("start", { script: manual });
  failing.start();
  failing.log("Starting workspace", "Error: no more clouds", { level: "error" });
  failing.fail("terraform apply: exit status 1");
  const failed = await workspaceOf(sandbox);
  deepStrictEqual(
    [
      at(failed, "latest_build.status"),
      at(failed, "latest_build.job.error"),
      at(failed, "latest_build.resources"),
    ],
    ["failed", "terraform apply: exit status 1", []],
  );
  const cancelled = workspace.build("start", { script: manual });
  cancelled.provisioners = { count: 2, available: 0 };
  strictEqual(at(await workspaceOf(sandbox), "latest_build.matched_provisioners.count"), 2);
  const cancel = `PATCH /workspacebuilds/${cancelled.id}/cancel`;
  strictEqual((await call(sandbox, cancel)).status, 200);
  strictEqual(at(await workspaceOf(sandbox), "latest_build.job.status"), "canceled");
  deepStrictEqual(at((await call(sandbox, cancel)).json, "message"), "Job has already completed!");
});

sandboxTest("a template that requires its active version refuses older ones", async (sandbox) => {
  const { workspace, template } = sandbox;
  await workspace.buildToEnd("stop");
  const old = workspace.latestBuild.templateVersionId;
  const version = template.addVersion({ warnings: ["UNSUPPORTED_WORKSPACES"] });
  template.requiresActiveVersion = true;
  ok(at(await workspaceOf(sandbox), "outdated"));
  deepStrictEqual(
    at((await call(sandbox, `GET /templateversions/${version.id}`)).json, "warnings"),
    ["UNSUPPORTED_WORKSPACES"],
  );
  const builds = `POST /workspaces/${workspace.id}/builds`;
  const refused = await call(sandbox, builds, {
    body: { transition: "start", template_version_id: old },
  });
  deepStrictEqual([refused.status, at(refused.json, "message")], [403, "insert workspace build"]);
  const taken = await call(sandbox, builds, {
    body: {
      transition: "start",
      template_version_id: version.id,
      rich_parameter_values: [{ name: "size", value: "xl" }],
    },
  });
  strictEqual(taken.status, 201);
  const parameters = await call(
    sandbox,
    `GET /workspacebuilds/${String(at(taken.json, "id"))}/parameters`,
  );
  deepStrictEqual(parameters.json, [{ name: "size", value: "xl" }]);
  ok(!at(await workspaceOf(sandbox), "outdated"));
});

sandboxTest("deleted workspaces are gone but for who asks for them", async (sandbox) => {
  const { workspace } = sandbox;
  await workspace.buildToEnd("delete");
  strictEqual((await call(sandbox, "GET /users/me/workspace/dev")).status, 404);
  const gone = await call(sandbox, `GET /workspaces/${workspace.id}`);
  deepStrictEqual([gone.status, gone.text.includes("was deleted, you can view this workspace")], [
    410,
    true,
  ]);
  strictEqual(
    (await call(sandbox, `GET /workspaces/${workspace.id}?include_deleted=true`)).status,
    200,
  );
  const start = await call(sandbox, `POST /workspaces/${workspace.id}/builds`, {
    body: { transition: "start" },
  });
  strictEqual(start.status, 410);
});

sandboxTest("dormant workspaces are woken", async (sandbox) => {
  const { workspace } = sandbox;
  workspace.putToSleep();
  ok(at(await workspaceOf(sandbox), "dormant_at") !== null);
  const dormant = `PUT /workspaces/${workspace.id}/dormant`;
  strictEqual((await call(sandbox, dormant, { body: { dormant: true } })).status, 304);
  const woken = await call(sandbox, dormant, { body: { dormant: false } });
  deepStrictEqual([woken.status, at(woken.json, "dormant_at")], [200, null]);
});

sandboxTest("deadlines: from the ttl, moved, extended, limited", async (sandbox) => {
  const { workspace } = sandbox;
  const first = workspace.latestBuild;
  strictEqual(first.deadlineMs, (first.completedAtMs ?? 0) + 3_600_000);
  strictEqual(at(await workspaceOf(sandbox), "ttl_ms"), 3_600_000);
  workspace.setDeadline(Date.UTC(2030, 0, 1));
  workspace.setMaxDeadline(Date.UTC(2030, 0, 2));
  deepStrictEqual(
    at(await workspaceOf(sandbox), "latest_build.deadline"),
    "2030-01-01T00:00:00.000Z",
  );
  const extend = `PUT /workspaces/${workspace.id}/extend`;
  strictEqual(
    (await call(sandbox, extend, { body: { deadline: "2030-01-03T00:00:00Z" } })).status,
    400,
  );
  strictEqual(
    (await call(sandbox, extend, { body: { deadline: "2030-01-01T12:00:00Z" } })).status,
    200,
  );
  strictEqual(workspace.latestBuild.deadlineMs, Date.UTC(2030, 0, 1, 12));
  workspace.setTtl(undefined);
  workspace.setDeadline(undefined);
  const state = await workspaceOf(sandbox);
  deepStrictEqual([at(state, "latest_build.deadline"), "ttl_ms" in state], [null, false]);
}, { workspaces: [{ ttlMs: 3_600_000 }] });

sandboxTest("a scripted build takes its time and says so", async (sandbox) => {
  const build = await sandbox.workspace.buildToEnd("start", { script: slowBuild(1) });
  deepStrictEqual(build.logs.after(0).map(({ stage }) => stage), [
    "Setting up",
    "Starting workspace",
    "Starting workspace",
    "Starting workspace",
    "Cleaning Up",
  ]);
});

Deno.test("a sandbox that is stopped in the middle of a build ends at once", async () => {
  const sandbox = await Sandbox.start({ buildScript: slowBuild(3_600_000) });
  strictEqual(sandbox.workspace.latestBuild.status, "pending");
  await sandbox.stop();
});

sandboxTest("what the official command asks before it starts a workspace", async (sandbox) => {
  const { workspace, template } = sandbox;
  await workspace.buildToEnd("stop");
  const parameters = `/templateversions/${template.activeVersionId}/dynamic-parameters`;
  const empty = { diagnostics: [], parameters: [] };
  const unasked = messages(sandbox, parameters);
  deepStrictEqual((await unasked.next()).value, { id: -1, ...empty });
  await unasked.return(undefined);
  const evaluated = await call(sandbox, `POST ${parameters}/evaluate`, {
    body: { id: 0, inputs: {} },
  });
  deepStrictEqual(evaluated.json, { id: 0, ...empty });
  const nil = "00000000-0000-0000-0000-000000000000";
  const created = await call(sandbox, `POST /workspaces/${workspace.id}/builds`, {
    body: { transition: "start", template_version_id: nil, template_version_preset_id: nil },
  });
  deepStrictEqual([created.status, at(created.json, "template_version_id")], [
    201,
    template.activeVersionId,
  ]);
});

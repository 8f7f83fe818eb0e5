/** Counterparts of the resolution rows of coder/coder `cli/ssh_test.go` and `cli/ssh_internal_test.go`. */
import assert from "node:assert/strict";
import * as v from "valibot";
import { AGENT, type Agent } from "../../../lib/coder/agent_model.ts";
import { ApiError, describe } from "../../../lib/coder/errors.ts";
import { UserError } from "../../../lib/base/errors.ts";
import { chooseAgent, type ChooseAgentOptions } from "../../../lib/cli/ready/choose_agent.ts";
import { resolveTarget, type TargetOptions } from "../../../lib/cli/ready/resolve_workspace.ts";
import {
  apiFailure,
  connectionRefused,
  failing,
  type RecordedRequest,
} from "../../support/fake_coder.ts";
import {
  IDS,
  type Wire,
  wireAgent,
  wireBuild,
  wireJob,
  wireWorkspace,
} from "../../support/fake_coder_objects.ts";
import { fakeSteps, type FakeSurroundings } from "../../support/fake_steps.ts";

const BUILDS = `POST /workspaces/${IDS.workspace}/builds`;
const NEW_BUILD = "b1000000-0000-4000-8000-000000000002";
const STARTED_LINE =
  'Workspace was stopped, starting workspace to allow connecting to "myworkspace"...';
const CONFLICT_LINE =
  "Unable to start the workspace due to conflict, the workspace may be starting, retrying without autostart...";

function stopped(changes: Wire = {}, build: Wire = {}): Wire {
  return wireWorkspace({
    latest_build: wireBuild({ transition: "stop", status: "stopped", resources: [], ...build }),
    ...changes,
  });
}

function started(changes: Wire = {}): Wire {
  return wireBuild({ id: NEW_BUILD, build_number: 2, ...changes });
}

/** A server that takes the start build; what was asked for. */
function acceptBuild(fake: FakeSurroundings, build: Wire = started()): RecordedRequest[] {
  const seen: RecordedRequest[] = [];
  fake.coder.routes.set(BUILDS, (request) => {
    seen.push(request);
    fake.coder.build = build;
    fake.coder.workspace = { ...fake.coder.workspace, latest_build: build };
    return { status: 201, body: build };
  });
  return seen;
}

function resolve(fake: FakeSurroundings, options: Partial<TargetOptions> = {}) {
  return resolveTarget(fake.steps, { input: "myworkspace", ...options });
}

async function failure(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof Error);
    return describe(error);
  }
  assert.fail("did not fail");
}

Deno.test("WorkspaceNameInput/* finds the workspace and the agent", async (t) => {
  const forms = [
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
  for (const input of forms) {
    await t.step(input, async () => {
      using fake = fakeSteps();
      const target = await resolve(fake, { input });
      assert.equal(target.workspace.name, "myworkspace");
      assert.equal(target.agent.name, "dev");
      assert.equal(fake.host.stderr.text, "");
    });
  }
});

Deno.test("A UUID is looked up by id first; a bare one may still be a name (docs/protocol/ssh.md#names)", async () => {
  using fake = fakeSteps();
  await resolve(fake, { input: IDS.workspace });
  assert.deepEqual(fake.coder.calls, [`GET /workspaces/${IDS.workspace}`]);
  const bare = "7f063a8a77994fa18259083cad9fb00f";
  using named = fakeSteps();
  named.coder.workspace = wireWorkspace({ name: bare });
  await resolve(named, { input: bare });
  assert.deepEqual(named.coder.calls.map((call) => call.split("?")[0]), [
    "GET /workspaces/7f063a8a-7799-4fa1-8259-083cad9fb00f",
    `GET /users/me/workspace/${bare}`,
  ]);
});

Deno.test("An unknown workspace is the API's error, with a hint", async () => {
  using fake = fakeSteps();
  await assert.rejects(resolve(fake, { input: "bob/nosuch" }), (error) => {
    assert.ok(error instanceof Error && error.cause instanceof ApiError);
    assert.equal(error.cause.status, 404);
    assert.match(String(Reflect.get(error, "hint")), /"bob\/nosuch" on coder\.example\.com/);
    return true;
  });
});

Deno.test("An unreachable deployment is tried three times in five seconds, shown (issue 3)", async () => {
  using fake = fakeSteps();
  const path = "GET /users/me/workspace/myworkspace";
  fake.coder.routes.set(path, failing(99, {}, connectionRefused()));
  assert.equal(
    await failure(resolve(fake)),
    "Cannot reach https://coder.example.com: dial tcp 192.0.2.1:443: connection refused",
  );
  assert.equal(fake.coder.requests.length, 3);
  assert.ok(fake.host.clock.now() <= 5_000);
  assert.equal(fake.host.stderr.lines.filter((l) => l.endsWith("; trying again in 2s")).length, 2);
});

Deno.test("StartStoppedWorkspace", async () => {
  using fake = fakeSteps();
  fake.coder.workspace = stopped();
  const seen = acceptBuild(fake);
  const target = await resolve(fake);
  assert.equal(target.build.id, NEW_BUILD);
  assert.deepEqual(seen.map(({ body }) => body), [
    { transition: "start", template_version_id: IDS.version, reason: "ssh_connection" },
  ]);
  assert.deepEqual(fake.host.stderr.lines, [STARTED_LINE]);
  assert.equal(fake.host.stdout.text, "");
});

Deno.test("StartStoppedWorkspace waits for the build it made", async () => {
  using fake = fakeSteps();
  fake.coder.workspace = stopped();
  acceptBuild(
    fake,
    started({ job: wireJob({ status: "running", completed_at: null }), resources: [] }),
  );
  fake.host.clock.after(2_500, () => fake.coder.build = started());
  const target = await resolve(fake);
  assert.equal(target.agent.name, "dev");
  assert.ok(fake.host.stderr.lines.includes("==> ⧗ Running"));
});

Deno.test("StartStoppedWorkspaceConflict: another start wins, we go on with it", async () => {
  using fake = fakeSteps();
  fake.coder.workspace = stopped();
  fake.coder.routes.set(BUILDS, () => {
    fake.coder.workspace = { ...fake.coder.workspace, latest_build: started() };
    return apiFailure(409, "A workspace build is already active.");
  });
  const target = await resolve(fake);
  assert.equal(target.build.id, NEW_BUILD);
  assert.deepEqual(fake.host.stderr.lines, [STARTED_LINE, CONFLICT_LINE]);
});

Deno.test("StartStoppedWorkspaceConflict: three at once, one POST let through", async () => {
  const shared = fakeSteps();
  shared.coder.workspace = stopped();
  let posts = 0;
  shared.coder.routes.set(BUILDS, async () => {
    posts++;
    const isFirst = posts === 1;
    await shared.host.clock.sleep(isFirst ? 10 : 20);
    if (!isFirst) return apiFailure(409, "A workspace build is already active.");
    shared.coder.workspace = { ...shared.coder.workspace, latest_build: started() };
    return { status: 201, body: started() };
  });
  using _ = shared;
  const targets = await Promise.all([resolve(shared), resolve(shared), resolve(shared)]);
  assert.ok(targets.every((target) => target.build.id === NEW_BUILD));
  const { lines } = shared.host.stderr;
  assert.equal(lines.filter((line) => line === STARTED_LINE).length, 3);
  assert.equal(lines.filter((line) => line === CONFLICT_LINE).length, 2);
});

Deno.test("StartStoppedWorkspaceConflict: still not started afterwards", async () => {
  using fake = fakeSteps();
  fake.coder.workspace = stopped();
  fake.coder.routes.set(BUILDS, () => apiFailure(409, "A workspace build is already active."));
  assert.equal(await failure(resolve(fake)), "workspace must be started");
});

Deno.test("RequireActiveVersion: automatic updates or the template choose the active version", async () => {
  for (
    const changes of [{ automatic_updates: "always" }, { template_require_active_version: true }]
  ) {
    using fake = fakeSteps();
    fake.coder.workspace = stopped({
      ...changes,
      outdated: true,
      template_active_version_id: IDS.newVersion,
    });
    const seen = acceptBuild(fake);
    await resolve(fake);
    assert.equal(Reflect.get(Object(seen[0]?.body), "template_version_id"), IDS.newVersion);
  }
});

Deno.test("403 on start: again with the active version (docs/protocol/ssh.md#autostart)", async () => {
  using fake = fakeSteps();
  fake.coder.workspace = stopped({ template_active_version_id: IDS.newVersion });
  fake.coder.routes.set(BUILDS, (request) => {
    if (Reflect.get(Object(request.body), "template_version_id") === IDS.version) {
      return apiFailure(403, "insert workspace build");
    }
    fake.coder.workspace = { ...fake.coder.workspace, latest_build: started() };
    return { status: 201, body: started() };
  });
  await resolve(fake);
  assert.deepEqual(fake.host.stderr.lines, [
    STARTED_LINE,
    "Unable to start the workspace with template version from last build. Your workspace has " +
    "been updated to the current active template version.",
  ]);
  fake.coder.workspace = stopped();
  fake.coder.routes.set(BUILDS, () => apiFailure(403, "No."));
  assert.match(
    await failure(resolve(fake)),
    /^start workspace with active template version: POST .* 403: No\.$/,
  );
});

Deno.test("Other errors on start are wrapped; new parameters have a hint (docs/protocol/ssh.md#autostart)", async () => {
  using fake = fakeSteps();
  fake.coder.workspace = stopped();
  fake.coder.routes.set(BUILDS, () => apiFailure(400, 'Unable to validate parameter "region"'));
  await assert.rejects(resolve(fake), (error) => {
    assert.match(
      describe(error),
      /^start workspace with current template version: POST .* 400: Unable to validate/,
    );
    assert.match(String(Reflect.get(Object(error), "hint")), /parameters/);
    return true;
  });
});

Deno.test("A dormant workspace is activated first, in the words of its server (docs/protocol/api.md#other-changes)", async () => {
  const rows = [
    { version: "v2.36.0", path: "dormant", body: { dormant: false } },
    { version: "v2.0.0", path: "lock", body: { lock: false } },
  ];
  for (const row of rows) {
    using fake = fakeSteps();
    fake.coder.version = row.version;
    fake.coder.workspace = stopped({ dormant_at: "2026-07-01T00:00:00Z" });
    const seen: unknown[] = [];
    fake.coder.routes.set(`PUT /workspaces/${IDS.workspace}/${row.path}`, (request) => {
      seen.push(request.body);
      return { status: 304 };
    });
    const builds = acceptBuild(fake);
    await resolve(fake);
    assert.deepEqual(seen, [row.body]);
    assert.deepEqual(fake.host.stderr.lines, [STARTED_LINE, "Activating dormant workspace..."]);
    // Servers before v2.25 refuse a reason they do not know.
    assert.equal(Reflect.has(Object(builds[0]?.body), "reason"), row.version === "v2.36.0");
  }
});

Deno.test("Builds without provisioners are warned of (docs/protocol/ssh.md#autostart)", async () => {
  for (
    const [count, text] of [[0, "there are no provisioners"], [2, "have not responded"]] as const
  ) {
    using fake = fakeSteps();
    fake.coder.workspace = stopped();
    const pending = wireJob({ status: "pending", started_at: null, completed_at: null });
    acceptBuild(
      fake,
      started({
        job: pending,
        resources: [],
        matched_provisioners: { count, available: 0, most_recently_seen: null },
      }),
    );
    fake.host.clock.after(1_500, () => fake.coder.build = started());
    await resolve(fake);
    const { text: shown } = fake.host.stderr;
    assert.ok(shown.includes(text));
    assert.ok(shown.includes(`Provisioner job ID: ${String(pending["id"])}`));
    assert.ok(shown.includes("scope=organization"));
  }
});

Deno.test("Workspaces that cannot be started say why (docs/protocol/ssh.md#autostart, #names)", async (t) => {
  const rows: { name: string; workspace: Wire; options?: Partial<TargetOptions>; out: string }[] = [
    {
      name: "autostart off",
      workspace: stopped(),
      options: { disableAutostart: true },
      out: "workspace must be started",
    },
    {
      name: "deleted",
      workspace: stopped({}, { transition: "delete", status: "deleted" }),
      out: 'workspace "myworkspace" is deleted',
    },
    {
      name: "failed",
      workspace: stopped({}, { status: "failed", job: wireJob({ status: "failed" }) }),
      out: 'workspace "myworkspace" is in failed state, unable to autostart the workspace',
    },
    {
      name: "stopping",
      workspace: stopped({}, { status: "stopping", job: wireJob({ status: "running" }) }),
      out:
        'workspace must be started; was unable to autostart as the last build job is "stopping", expected "stopped"',
    },
    {
      name: "no agents",
      workspace: wireWorkspace({ latest_build: wireBuild({ resources: [{ name: "x" }] }) }),
      out: 'workspace "myworkspace" has no agents',
    },
    {
      name: "failed start",
      workspace: wireWorkspace({
        latest_build: wireBuild({
          status: "failed",
          resources: [],
          job: wireJob({ status: "failed", error: "quota" }),
        }),
      }),
      out: 'workspace "myworkspace" has no agents',
    },
  ];
  for (const row of rows) {
    await t.step(row.name, async () => {
      using fake = fakeSteps();
      fake.coder.workspace = row.workspace;
      assert.equal(await failure(resolve(fake, row.options)), row.out);
      assert.ok(!fake.coder.calls.some((call) => call.startsWith("POST")));
    });
  }
});

function agents(...names: string[]): Agent[] {
  return names.map((name) => v.parse(AGENT, wireAgent({ name })));
}

Deno.test("Test_getWorkspaceAgent", async (t) => {
  const ws: ChooseAgentOptions = { agentName: undefined, workspaceName: "ws", ownerName: "alice" };
  const refusal = (list: Agent[], options: ChooseAgentOptions): string => {
    try {
      chooseAgent(list, options);
    } catch (error) {
      assert.ok(error instanceof UserError);
      return [error.message, ...error.details].join("\n");
    }
    assert.fail("chose one");
  };
  await t.step("SingleAgent_NoNameSpecified", () => {
    assert.equal(chooseAgent(agents("main"), ws).name, "main");
  });
  await t.step("MultipleAgents_NoNameSpecified", () => {
    assert.equal(
      refusal(agents("b", "a"), ws),
      "multiple agents found, please specify the agent name, available agents: [a b]\n" +
        "Try running:\n\t$ ssh b.ws.alice\n\t$ ssh a.ws.alice\n",
    );
  });
  await t.step("MultipleAgents with prefix, with suffix", () => {
    assert.match(
      refusal(agents("b", "a"), { ...ws, hostPrefix: "coder." }),
      /\$ ssh coder\.a\.ws\.alice\n/,
    );
    assert.match(
      refusal(agents("b", "a"), { ...ws, hostPrefix: "coder.", hostnameSuffix: "coder" }),
      /\t\$ ssh a\.ws\.alice\.coder\n/,
    );
  });
  await t.step("AgentNameSpecified_Found", () => {
    assert.equal(chooseAgent(agents("a", "b"), { ...ws, agentName: "b" }).name, "b");
  });
  await t.step("AgentNameSpecified_NotFound, ids are no names", () => {
    for (const agentName of ["c", IDS.agent]) {
      assert.equal(
        refusal(agents("b", "a"), { ...ws, agentName }),
        `agent not found by name "${agentName}", available agents: [a b]`,
      );
    }
  });
  await t.step("a name in another case, unless one is spelt just so", () => {
    const named = (agentName: string, ...names: string[]) =>
      chooseAgent(agents(...names), { ...ws, agentName }).name;
    assert.equal(named("main", "gpu", "Main"), "Main");
    assert.equal(named("MAIN", "main"), "main");
    assert.equal(named("main", "MAIN", "main", "Main"), "main");
    assert.equal(named("Main", "MAIN", "main", "Main"), "Main");
    assert.equal(
      refusal(agents("MAIN", "Main", "x"), { ...ws, agentName: "main" }),
      'several agents differ in case only from "main", available agents: [MAIN Main x]',
    );
  });
  await t.step("NoAgents", () => assert.equal(refusal([], ws), 'workspace "ws" has no agents'));
  await t.step("AvailableAgentNames_SortedCorrectly", () => {
    assert.match(
      refusal(agents("zod", "clark", "krypton"), { ...ws, agentName: "x" }),
      /available agents: \[clark krypton zod\]$/,
    );
  });
});

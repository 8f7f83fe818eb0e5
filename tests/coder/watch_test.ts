import assert from "node:assert/strict";
import * as v from "valibot";
import { WorkspaceWatch } from "../../lib/coder/watch.ts";
import { watchWorkspace } from "../../lib/coder/watch_loop.ts";
import { BUILD, type Build } from "../../lib/coder/workspace_model.ts";
import { FakeQueue } from "../support/fake_coder.ts";
import { IDS, type Wire, wireBuild, wireWorkspace } from "../support/fake_coder_objects.ts";
import { fakeSteps } from "../support/fake_steps.ts";
import { SeededRandom } from "../support/seeded_random.ts";

function build(changes: Wire): Build {
  return v.parse(BUILD, wireBuild(changes));
}

function newWatch(): WorkspaceWatch {
  return new WorkspaceWatch({ buildId: IDS.build, random: new SeededRandom(1) });
}

Deno.test("WorkspaceWatch ends the session on a stopped, rebuilt or deleted workspace only (docs/protocol/ssh.md#watching-the-workspace)", async (t) => {
  const rows: { name: string; in: Wire; out: string | undefined }[] = [
    { name: "same build", in: {}, out: undefined },
    {
      name: "stopping",
      in: { id: IDS.otherBuild, transition: "stop", status: "stopping" },
      out: undefined,
    },
    {
      name: "stopped",
      in: { id: IDS.otherBuild, transition: "stop", status: "stopped" },
      out: "stopped",
    },
    {
      name: "a new start",
      in: { id: IDS.otherBuild, transition: "start", status: "pending" },
      out: "rebuilt",
    },
    {
      name: "failed stop",
      in: { id: IDS.otherBuild, transition: "stop", status: "failed" },
      out: undefined,
    },
    {
      name: "deleting",
      in: { id: IDS.otherBuild, transition: "delete", status: "deleting" },
      out: undefined,
    },
    {
      name: "deleted",
      in: { id: IDS.otherBuild, transition: "delete", status: "deleted" },
      out: "deleted",
    },
    {
      name: "a word nobody knows",
      in: { id: IDS.otherBuild, transition: "hibernate", status: "zzz" },
      out: undefined,
    },
  ];
  for (const row of rows) {
    await t.step(row.name, () => {
      const watch = newWatch();
      watch.start(0);
      assert.deepEqual(watch.pollOutput(), { kind: "connect" });
      watch.handleOpened(1);
      watch.handleBuild(build(row.in), 2);
      const output = watch.pollOutput();
      assert.deepEqual(output, row.out === undefined ? undefined : { kind: "ended", end: row.out });
      assert.equal(watch.isOpen, row.out === undefined);
    });
  }
});

Deno.test("WorkspaceWatch backs off when streams end at once, and starts over after a good one", () => {
  const watch = newWatch();
  watch.start(0);
  let now = 0;
  const gaps: number[] = [];
  for (let i = 0; i < 8; i++) {
    assert.deepEqual(watch.pollOutput(), { kind: "connect" });
    watch.handleOpened(now);
    watch.handleClosed(now);
    const dueAt = watch.pollTimeout();
    assert.ok(dueAt !== undefined);
    gaps.push(dueAt - now);
    now = dueAt;
    watch.handleTimeout(now);
  }
  assert.ok(gaps.every((gap) => gap >= 1_280 && gap <= 18_000), String(gaps));
  assert.ok((gaps[7] ?? 0) > 3 * (gaps[0] ?? 0), String(gaps));
  watch.pollOutput();
  watch.handleOpened(now);
  watch.handleClosed(now + 60_000);
  assert.ok((watch.pollTimeout() ?? 0) - (now + 60_000) <= 1_920);
});

Deno.test("WorkspaceWatch takes 45 s without a sign for death (docs/protocol/api.md#workspace-watch)", () => {
  const watch = newWatch();
  watch.start(0);
  watch.pollOutput();
  watch.handleOpened(0);
  watch.handleSign(30_000);
  watch.handleTimeout(74_999);
  assert.ok(watch.isOpen);
  watch.handleTimeout(75_000);
  assert.deepEqual(watch.pollOutput(), { kind: "disconnect" });
  assert.ok(!watch.isOpen);
  assert.ok((watch.pollTimeout() ?? 0) > 75_000);
});

Deno.test("watchWorkspace() lives through a control plane that is away, and sees the stop it missed", async () => {
  using fake = fakeSteps();
  const { coder, host, steps } = fake;
  const frame = (changes: Wire) =>
    `event: data\ndata: ${JSON.stringify(wireWorkspace({ latest_build: wireBuild(changes) }))}\n\n`;
  let opened = 0;
  coder.routes.set(`GET /workspaces/${IDS.workspace}/watch`, () => {
    opened++;
    const body = new FakeQueue<string>();
    if (opened === 1) { // drops in mid-frame
      body.push("event: ping\n\n", frame({}), "event: da");
      host.clock.after(10_000, () => body.end());
    } else if (opened === 2) {
      return { status: 503, body: { message: "restarting" } };
    } else if (opened === 3) { // says nothing
      return { body };
    } else if (opened === 4) { // nonsense
      body.push("event: data\ndata: {]\n\n");
    } else {
      body.push(
        "event: ping\n\n",
        frame({ id: IDS.otherBuild, transition: "stop", status: "stopped" }),
      );
    }
    return { body };
  });
  const seen: string[] = [];
  const end = await watchWorkspace(steps.client, {
    workspaceId: IDS.workspace,
    buildId: IDS.build,
    clock: host.clock,
    sleep: (ms, signal) => host.clock.sleep(ms, signal),
    random: host.random,
    onWorkspace: (workspace) => seen.push(workspace.latestBuild.status),
    signal: fake.abort.signal,
  });
  assert.equal(end, "stopped");
  assert.equal(opened, 5);
  assert.deepEqual(seen, ["running", "stopped"]);
  assert.ok(host.clock.now() > 45_000);
});

Deno.test("watchWorkspace() ends with the signal's reason", async () => {
  using fake = fakeSteps();
  const { coder, host, steps, abort } = fake;
  coder.routes.set(`GET /workspaces/${IDS.workspace}/watch`, () => ({ body: new FakeQueue() }));
  const reason = new Error("session over");
  host.clock.after(5_000, () => abort.abort(reason));
  await assert.rejects(
    watchWorkspace(steps.client, {
      workspaceId: IDS.workspace,
      buildId: IDS.build,
      clock: host.clock,
      sleep: (ms, signal) => host.clock.sleep(ms, signal),
      random: host.random,
      signal: abort.signal,
    }),
    (error) => error === reason,
  );
});

/** Counterparts of coder/coder `cli/cliui/provisionerjob_test.go`, and what upstream gets wrong (docs/protocol/ssh.md#what-we-do-otherwise). */
import assert from "node:assert/strict";
import { waitForBuild } from "../../../lib/cli/ready/build_wait.ts";
import { CanceledError } from "../../../lib/coder/errors.ts";
import { TransportError } from "../../../lib/base/http.ts";
import { apiFailure, failing, FakeTextStream } from "../../support/fake_coder.ts";
import { IDS, type Wire, wireBuild, wireJob } from "../../support/fake_coder_objects.ts";
import { fakeSteps, type FakeSurroundings } from "../../support/fake_steps.ts";

const LOGS = `/workspacebuilds/${IDS.build}/logs`;

function job(changes: Wire): Wire {
  return wireBuild({
    status: "starting",
    resources: [],
    job: wireJob({ status: "running", completed_at: null, ...changes }),
  });
}

const QUEUED = job({ status: "pending", started_at: null });
const RUNNING = job({ started_at: "2026-07-24T10:00:01Z" });
const DONE = wireBuild({
  job: wireJob({ started_at: "2026-07-24T10:00:01Z", completed_at: "2026-07-24T10:00:09Z" }),
});

function entry(id: number, stage: string, output: string, more: Wire = {}): Wire {
  const created_at = new Date(Date.UTC(2026, 6, 24, 10, 0, 1) + id * 100).toISOString();
  return { id, created_at, log_level: "info", log_source: "provisioner", stage, output, ...more };
}

/** Sets the build's state at moments of the clock, in milliseconds. */
function timetable(fake: FakeSurroundings, states: Record<number, Wire>): void {
  for (const [atMs, state] of Object.entries(states)) {
    if (Number(atMs) === 0) fake.coder.build = state;
    else fake.host.clock.after(Number(atMs), () => fake.coder.build = state);
  }
}

/** A log socket that ends when the build is done, as the server's does. */
function logs(fake: FakeSurroundings, entries: Wire[], endAtMs: number): void {
  fake.coder.sockets.set(LOGS, () => {
    const stream = new FakeTextStream().send(...entries);
    fake.host.clock.after(
      Math.max(0, endAtMs - fake.host.clock.now()),
      () => stream.messages.end(),
    );
    return stream;
  });
}

/** Lines without those that only say that the wait goes on. */
function lines(fake: FakeSurroundings): string[] {
  return fake.host.stderr.lines.filter((line) => !line.startsWith("... "));
}

Deno.test("provisionerjob NoLogs: queue, running, done", async () => {
  using fake = fakeSteps();
  timetable(fake, { 0: QUEUED, 3_500: RUNNING, 9_500: DONE });
  logs(fake, [], 9_600);
  const build = await waitForBuild(fake.steps, IDS.build);
  assert.equal(build.agents[0]?.name, "dev");
  assert.deepEqual(lines(fake), [
    "==> ⧗ Queued",
    "=== ✔ Queued [1000ms]",
    "==> ⧗ Running",
    "=== ✔ Running [8000ms]",
  ]);
});

Deno.test("provisionerjob Stages: from the log, with local times, without debug and terminal escapes", async () => {
  using fake = fakeSteps();
  fake.host.clock.offsetMinutes = 120;
  timetable(fake, { 0: RUNNING, 2_500: DONE });
  logs(fake, [
    entry(1, "Setting up", ""),
    entry(2, "Setting up", "terraform \x1b[33minit\x1b[0m"),
    entry(3, "Setting up", "noise", { log_level: "debug" }),
    entry(4, "Starting workspace", "not printed: it opens the stage"),
    entry(6, "Starting workspace", "box: Creating...", { log_level: "warn" }),
  ], 2_600);
  await waitForBuild(fake.steps, IDS.build);
  assert.deepEqual(lines(fake), [
    "==> ⧗ Queued",
    "=== ✔ Queued [1000ms]",
    "==> ⧗ Running",
    "=== ✔ Running [100ms]",
    "==> ⧗ Setting up",
    "2026-07-24 12:00:01.200+02:00 terraform init",
    "=== ✔ Setting up [300ms]",
    "==> ⧗ Starting workspace",
    "2026-07-24 12:00:01.600+02:00 box: Creating...",
    "=== ✔ Starting workspace [7600ms]",
  ]);
});

Deno.test("provisionerjob Queue Position: printed again at each change but to none, and no part of the name", async () => {
  using fake = fakeSteps();
  timetable(fake, {
    0: job({ status: "pending", started_at: null, queue_position: 3 }),
    1_500: job({ status: "pending", started_at: null, queue_position: 2 }),
    3_500: job({ status: "pending", started_at: null, queue_position: 1 }),
    4_500: job({ status: "pending", started_at: null, queue_position: 0 }),
    5_500: DONE,
  });
  await waitForBuild(fake.steps, IDS.build);
  assert.deepEqual(lines(fake).slice(0, 4), [
    "==> ⧗ Queued (position: 3)",
    "==> ⧗ Queued (position: 2)",
    "==> ⧗ Queued (next)",
    "=== ✔ Queued [1000ms]",
  ]);
});

Deno.test("provisionerjob Cancel: a canceled build ends silently, the build itself is never canceled by us", async () => {
  using fake = fakeSteps();
  timetable(fake, {
    0: RUNNING,
    1_500: wireBuild({ job: wireJob({ status: "canceled" }), resources: [] }),
  });
  await assert.rejects(waitForBuild(fake.steps, IDS.build), CanceledError);
  assert.match(lines(fake).at(-1) ?? "", /^=== ✘ Running/);
  assert.ok(fake.coder.requests.every(({ method }) => method === "GET"));
});

Deno.test("A failed build ends with the job's error", async () => {
  using fake = fakeSteps();
  timetable(fake, {
    0: RUNNING,
    1_500: wireBuild({
      job: wireJob({ status: "failed", error: "terraform apply: exit 1" }),
      resources: [],
    }),
  });
  logs(fake, [entry(1, "Starting workspace", "")], 1_600);
  await assert.rejects(waitForBuild(fake.steps, IDS.build), { message: "terraform apply: exit 1" });
  assert.match(lines(fake).at(-1) ?? "", /^=== ✘ Starting workspace/);
});

Deno.test("A dropped log stream is opened again where it ended, nothing lost or doubled (docs/protocol/ssh.md#what-we-do-otherwise)", async () => {
  using fake = fakeSteps();
  const { clock } = fake.host;
  timetable(fake, { 0: RUNNING, 9_500: DONE });
  const all = [1, 2, 3, 4, 5].map((id) =>
    entry(id, id === 1 ? "Applying" : "Applying", `line ${id}`)
  );
  let dials = 0;
  fake.coder.sockets.set(LOGS, (request) => {
    dials++;
    if (dials === 2) return apiFailure(502, "bad gateway");
    const after = Number(new URL(request.url).searchParams.get("after"));
    // The server repeats one line, which must not show twice.
    const stream = new FakeTextStream().send(...all.slice(Math.max(0, after - 1), after + 2));
    clock.after(100, () => {
      if (dials < 4) stream.messages.fail(new TransportError("reset", "connection reset"));
      else stream.messages.end();
    });
    return stream;
  });
  await waitForBuild(fake.steps, IDS.build);
  assert.deepEqual(
    lines(fake).filter((line) => line.includes("line ")).map((line) => line.slice(-6)),
    ["line 2", "line 3", "line 4", "line 5"],
  );
  assert.ok(dials >= 4);
});

Deno.test("A log that may not be read does not end the wait", async () => {
  using fake = fakeSteps();
  timetable(fake, { 0: RUNNING, 2_500: DONE });
  fake.coder.sockets.set(LOGS, () => apiFailure(403, "Forbidden."));
  await waitForBuild(fake.steps, IDS.build);
  assert.equal(
    lines(fake).filter((line) => line.startsWith("Cannot show the build log: ")).length,
    1,
  );
});

Deno.test("A log stream that talks nonsense or never ends does not hold the build up", async () => {
  for (const text of ["{", '{"id":"x"}', "[]"]) {
    using fake = fakeSteps();
    timetable(fake, { 0: RUNNING, 2_500: DONE });
    fake.coder.sockets.set(LOGS, () => {
      const stream = new FakeTextStream();
      stream.messages.push(text);
      return stream;
    });
    await waitForBuild(fake.steps, IDS.build);
    assert.ok(fake.host.clock.now() < 10_000);
  }
});

Deno.test("Polling rides out a server that is away, and says so", async () => {
  using fake = fakeSteps();
  timetable(fake, { 0: DONE });
  fake.coder.routes.set(
    `GET /workspacebuilds/${IDS.build}`,
    failing(2, { body: DONE }),
  );
  await waitForBuild(fake.steps, IDS.build);
  assert.match(fake.host.stderr.text, /connection refused; trying again in 2s/);
});

Deno.test("Errors of polling are wrapped as upstream's (docs/protocol/ssh.md#build-output)", async () => {
  using fake = fakeSteps();
  fake.coder.routes.set(
    `GET /workspacebuilds/${IDS.build}`,
    () => apiFailure(404, "Resource not found"),
  );
  await assert.rejects(waitForBuild(fake.steps, IDS.build), {
    name: "StepError",
    message: "fetch",
  });
});

Deno.test("No silent wait: off a terminal plain lines say what for and how long (issue 4)", async () => {
  using fake = fakeSteps();
  timetable(fake, {
    0: job({ status: "pending", started_at: null, queue_position: 2 }),
    75_500: DONE,
  });
  await waitForBuild(fake.steps, IDS.build);
  assert.deepEqual(fake.host.stderr.lines.filter((line) => line.startsWith("... ")), [
    "... Waiting for the workspace build: Queued (position: 2) (2s)",
    "... Waiting for the workspace build: Queued (position: 2) (10s)",
    "... Waiting for the workspace build: Queued (position: 2) (30s)",
  ]);
});

Deno.test("Canceling the wait ends it with the signal's reason", async () => {
  using fake = fakeSteps();
  timetable(fake, { 0: RUNNING });
  fake.coder.sockets.set(LOGS, () => new FakeTextStream());
  const reason = new CanceledError();
  fake.host.clock.after(5_000, () => fake.abort.abort(reason));
  await assert.rejects(waitForBuild(fake.steps, IDS.build), (error) => error === reason);
});

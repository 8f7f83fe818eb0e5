/** Counterparts of coder/coder `cli/cliui/agent_test.go`: the exact ordered lines (docs/protocol/ssh.md#waiting-for-the-agent). */
import assert from "node:assert/strict";
import {
  type AgentWaitOptions,
  pollIntervalMs,
  waitForAgent,
} from "../../../lib/cli/ready/agent_wait.ts";
import { UserError } from "../../../lib/base/errors.ts";
import { CanceledError, describe } from "../../../lib/coder/errors.ts";
import { TransportError } from "../../../lib/base/http.ts";
import { apiFailure, FakeTextStream } from "../../support/fake_coder.ts";
import { IDS, type Wire, wireAgent } from "../../support/fake_coder_objects.ts";
import { fakeSteps, type FakeSurroundings } from "../../support/fake_steps.ts";

const DOCS = "https://coder.com/docs/@v2.36.0";
const HINT = "==> ℹ︎ To connect immediately, reconnect with --wait=no or CODER_SSH_WAIT=no, " +
  "see --help for more information.";
const CONNECT = "Waiting for the workspace agent to connect";
const LOST = "The workspace agent lost connection";
const SCRIPTS = "Running workspace agent startup scripts";
const TROUBLE = "The workspace agent is having trouble connecting, wait for it to connect or " +
  "restart your workspace.";
const LOGS = `/workspaceagents/${IDS.agent}/logs`;

const CONNECTING = wireAgent({
  status: "connecting",
  lifecycle_state: "created",
  first_connected_at: null,
  last_connected_at: null,
  started_at: null,
  ready_at: null,
});
const TIMED_OUT = { ...CONNECTING, status: "timeout" };
const STARTING = wireAgent({ lifecycle_state: "starting", ready_at: null });
const READY = wireAgent();

function more(anchor: string, own = ""): string {
  return "For more information and troubleshooting, see " +
    `${DOCS}/admin/templates/troubleshooting#${anchor}${own}`;
}

function timetable(fake: FakeSurroundings, states: Record<number, Wire>): void {
  for (const [atMs, state] of Object.entries(states)) {
    if (Number(atMs) === 0) fake.coder.agent = state;
    else fake.host.clock.after(Number(atMs), () => fake.coder.agent = state);
  }
}

function wait(fake: FakeSurroundings, options: Partial<AgentWaitOptions> = {}) {
  return waitForAgent(fake.steps, { agentId: IDS.agent, wait: "auto", docsUrl: DOCS, ...options });
}

/** Lines without those that only say that the wait goes on; our own time stamps cut. */
function lines(fake: FakeSurroundings): string[] {
  return fake.host.stderr.lines.filter((line) => !line.startsWith("... "))
    .map((line) => line.replace(/^2026-07-24 10:00:\d\d\.\d{3}Z /, "<now> "));
}

function log(id: number, output: string, source_id = "s1"): Wire {
  return { id, created_at: "2026-07-24T11:00:00.5Z", level: "info", output, source_id };
}

Deno.test("agent NotInfinite: a ready agent costs one fetch and no line", async () => {
  using fake = fakeSteps();
  const agent = await wait(fake);
  assert.equal(agent.name, "dev");
  assert.deepEqual(fake.coder.calls, [`GET /workspaceagents/${IDS.agent}`]);
  assert.equal(fake.host.stderr.text, "");
});

Deno.test("agent Initial connection", async () => {
  using fake = fakeSteps();
  timetable(fake, { 0: CONNECTING, 1_200: READY });
  await wait(fake);
  assert.deepEqual(lines(fake), [
    `==> ⧗ ${CONNECT}`,
    `=== ✔ ${CONNECT} [2500ms]`,
    `==> ⧗ ${SCRIPTS} (non-blocking)`,
    `=== ✔ ${SCRIPTS} (non-blocking) [10250ms]`,
  ]);
});

Deno.test("agent Start timeout", async () => {
  using fake = fakeSteps();
  timetable(fake, { 0: CONNECTING, 700: wireAgent({ lifecycle_state: "start_timeout" }) });
  await wait(fake);
  assert.deepEqual(lines(fake).slice(2), [
    `==> ⧗ ${SCRIPTS} (non-blocking)`,
    `=== ✘ ${SCRIPTS} (non-blocking) [10250ms]`,
    "Warning: A startup script timed out and your workspace may be incomplete.",
  ]);
});

Deno.test("agent Initial connection timeout", async () => {
  using fake = fakeSteps();
  timetable(fake, { 0: TIMED_OUT, 700: READY });
  await wait(fake);
  assert.deepEqual(lines(fake).slice(0, 4), [
    `==> ⧗ ${CONNECT}`,
    `<now> ${TROUBLE}`,
    `<now> ${more("agent-connection-issues")}`,
    `=== ✔ ${CONNECT} [2500ms]`,
  ]);
});

Deno.test("agent Disconnected", async () => {
  using fake = fakeSteps();
  timetable(fake, {
    0: wireAgent({ status: "disconnected", disconnected_at: "2026-07-24T09:58:59Z" }),
    700: READY,
  });
  await wait(fake);
  const told = [
    `==> ⧗ ${LOST}`,
    "<now> Wait for it to reconnect or restart your workspace.",
    `<now> ${more("agent-connection-issues")}`,
    `=== ✔ ${LOST} [1000ms]`,
  ];
  assert.deepEqual(lines(fake), told);

  using starting = fakeSteps();
  timetable(starting, {
    0: { ...STARTING, status: "disconnected", disconnected_at: "2026-07-24T09:58:59Z" },
    700: READY,
  });
  await wait(starting);
  assert.deepEqual(lines(starting), [
    ...told,
    `==> ⧗ ${SCRIPTS} (non-blocking)`,
    `=== ✔ ${SCRIPTS} (non-blocking) [10250ms]`,
  ]);
});

Deno.test("agent Startup Logs: streamed, the rest fetched once, sources named", async () => {
  using fake = fakeSteps();
  timetable(fake, { 0: STARTING, 1_700: READY });
  fake.coder.sockets.set(
    LOGS,
    () => new FakeTextStream().send([], [log(1, "Hello world")], [log(2, "", "s9")]),
  );
  fake.coder.routes.set(
    `GET ${LOGS}`,
    () => ({ body: [log(2, "twice"), log(3, "Bye \x1b[1mnow\x1b[0m")] }),
  );
  await wait(fake, { wait: "yes" });
  assert.deepEqual(lines(fake), [
    `==> ⧗ ${SCRIPTS}`,
    HINT,
    "2026-07-24 11:00:00.500Z Startup: Hello world",
    "2026-07-24 11:00:00.500Z ",
    "2026-07-24 11:00:00.500Z Startup: Bye now",
    `=== ✔ ${SCRIPTS} [10250ms]`,
  ]);
  assert.ok(fake.coder.calls.includes(`GET ${LOGS}?after=2`), String(fake.coder.calls));
});

Deno.test("agent Startup Logs: a dropped stream is opened again behind the last line", async () => {
  using fake = fakeSteps();
  timetable(fake, { 0: STARTING, 8_700: READY });
  const after: (string | null)[] = [];
  fake.coder.sockets.set(LOGS, (request) => {
    after.push(new URL(request.url).searchParams.get("after"));
    const stream = new FakeTextStream().send([log(1, "one"), log(2, "two")]);
    fake.host.clock.after(300, () => stream.messages.fail(new TransportError("reset", "reset")));
    return stream;
  });
  fake.coder.routes.set(`GET ${LOGS}`, () => ({ body: [] }));
  await wait(fake, { wait: "yes" });
  assert.equal(lines(fake).filter((line) => /one|two/.test(line)).length, 2);
  assert.deepEqual(after.slice(0, 2), ["0", "2"]);
});

Deno.test("agent Startup script exited with error", async () => {
  using fake = fakeSteps();
  const failed = wireAgent({ lifecycle_state: "start_error" });
  timetable(fake, { 0: failed });
  fake.coder.routes.set(`GET ${LOGS}`, () => ({ body: [log(1, "Hello world")] }));
  await wait(fake, { wait: "yes" });
  assert.deepEqual(lines(fake), [
    `==> ⧗ ${SCRIPTS} (non-blocking)`,
    "2026-07-24 11:00:00.500Z Startup: Hello world",
    `=== ✘ ${SCRIPTS} (non-blocking) [10250ms]`,
    "Warning: A startup script exited with an error and your workspace may be incomplete.",
    more("startup-script-exited-with-an-error"),
  ]);
});

Deno.test("agent No logs in non-blocking mode", async () => {
  using fake = fakeSteps();
  timetable(fake, { 0: wireAgent({ lifecycle_state: "start_error" }) });
  await wait(fake, { wait: "no" });
  assert.deepEqual(lines(fake)[1], `=== ✘ ${SCRIPTS} (non-blocking) [10250ms]`);
  assert.ok(!fake.coder.calls.some((call) => call.includes("/logs")));
});

Deno.test("agent No logs after connection wait in non-blocking mode", async () => {
  using fake = fakeSteps();
  timetable(fake, { 0: CONNECTING, 700: STARTING });
  await wait(fake, { wait: "no" });
  assert.deepEqual(lines(fake).slice(2), [
    `==> ⧗ ${SCRIPTS} (non-blocking)`,
    "Notice: The startup scripts are still running and your workspace may be incomplete.",
    more("your-workspace-may-be-incomplete"),
  ]);
  assert.ok(!fake.coder.calls.some((call) => call.includes("/logs")));
});

Deno.test("agent Error when shutting down", async () => {
  for (const lifecycle_state of ["shutting_down", "shutdown_timeout", "shutdown_error", "off"]) {
    using fake = fakeSteps();
    timetable(fake, { 0: wireAgent({ lifecycle_state }) });
    await assert.rejects(wait(fake), (error) => {
      assert.ok(error instanceof UserError);
      assert.equal(error.message, "agent is shutting down");
      assert.ok(error.hint !== undefined);
      return true;
    });
    assert.equal(fake.host.stderr.text, "");
  }
});

Deno.test("agent Error when shutting down while waiting", async () => {
  using fake = fakeSteps();
  timetable(fake, { 0: STARTING, 1_700: wireAgent({ lifecycle_state: "shutting_down" }) });
  fake.coder.sockets.set(LOGS, () => new FakeTextStream().send([log(1, "Hello world")]));
  await assert.rejects(wait(fake, { wait: "yes" }), { message: "agent is shutting down" });
  assert.deepEqual(lines(fake), [
    `==> ⧗ ${SCRIPTS}`,
    HINT,
    "2026-07-24 11:00:00.500Z Startup: Hello world",
    `=== ✔ ${SCRIPTS} [10250ms]`,
  ]);
});

Deno.test("agent Error during fetch", async () => {
  using fake = fakeSteps();
  fake.coder.routes.set(`GET /workspaceagents/${IDS.agent}`, () => apiFailure(403, "Forbidden."));
  await assert.rejects(wait(fake), (error) => {
    assert.match(
      describe(error),
      /^fetch: fetch workspace agent: GET .*: unexpected status code 403: Forbidden\.$/,
    );
    return true;
  });
});

Deno.test("ShowTroubleshootingURLAfterTimeout, agent Shows agent troubleshooting URL", async () => {
  using fake = fakeSteps();
  timetable(fake, { 0: { ...TIMED_OUT, troubleshooting_url: "https://trouble.example" } });
  fake.host.clock.after(5_000, () => fake.abort.abort(new CanceledError()));
  await assert.rejects(wait(fake), CanceledError);
  assert.equal(
    lines(fake)[2],
    `<now> ${more("agent-connection-issues", " and https://trouble.example")}`,
  );
});

Deno.test("agent ContextCancelDuringLogStreaming", async () => {
  using fake = fakeSteps();
  timetable(fake, { 0: STARTING });
  const streams: FakeTextStream[] = [];
  fake.coder.sockets.set(LOGS, () => {
    const stream = new FakeTextStream().send([log(1, "Hello world")]);
    streams.push(stream);
    return stream;
  });
  const reason = new CanceledError();
  fake.host.clock.after(5_000, () => fake.abort.abort(reason));
  await assert.rejects(wait(fake, { wait: "yes" }), (error) => error === reason);
  assert.deepEqual(streams.map((stream) => stream.isClosed), [true]);
});

Deno.test("agent timeout goes on without limit, and is warned of once", async () => {
  using fake = fakeSteps();
  timetable(fake, { 0: TIMED_OUT, 3_600_000: READY });
  await wait(fake);
  assert.equal(lines(fake).filter((line) => line.includes("having trouble")).length, 1);
  // Not one look each 500 ms for an hour: the pace slows down.
  assert.ok(fake.coder.requests.length < 800, String(fake.coder.requests.length));
});

Deno.test("agent lost while its scripts run: told, and followed again", async () => {
  using fake = fakeSteps();
  timetable(fake, {
    0: STARTING,
    1_700: { ...STARTING, status: "disconnected", disconnected_at: "2026-07-24T09:58:00Z" },
    3_700: STARTING,
    5_700: READY,
  });
  fake.coder.sockets.set(LOGS, () => new FakeTextStream().send([log(1, "Hello world")]));
  fake.coder.routes.set(`GET ${LOGS}`, () => ({ body: [log(1, "Hello world")] }));
  await wait(fake, { wait: "yes" });
  const seen = lines(fake);
  assert.ok(seen.includes(`==> ⧗ ${LOST}`));
  assert.equal(seen.filter((line) => line.includes("Hello world")).length, 1);
  assert.equal(seen.at(-1), `=== ✔ ${SCRIPTS} [10250ms]`);
});

Deno.test("A missing time is warned of, and counts as no time (docs/protocol/ssh.md#waiting-for-the-agent)", async () => {
  using fake = fakeSteps();
  timetable(fake, { 0: CONNECTING, 700: wireAgent({ ready_at: null }) });
  await wait(fake);
  assert.deepEqual(lines(fake).slice(3), [
    "<now> Warning: Failed to calculate duration from a time being <nil>.",
    `=== ✔ ${SCRIPTS} (non-blocking) [0ms]`,
  ]);
});

Deno.test("Words of newer servers are not ready and not gone (docs/protocol/api.md#words-that-are-not-known)", async () => {
  using fake = fakeSteps();
  timetable(fake, { 0: wireAgent({ status: "hibernating" }), 1_700: READY });
  await wait(fake);
  assert.equal(lines(fake)[0], `==> ⧗ ${CONNECT}`);
});

Deno.test("--wait=auto asks the template, in the words of each age of server (docs/protocol/ssh.md#wait)", async (t) => {
  const base = { ...STARTING, scripts: null };
  const rows: { name: string; agent: Wire; follows: boolean }[] = [
    {
      name: "a script blocks",
      agent: {
        ...STARTING,
        scripts: [{ start_blocks_login: false }, { start_blocks_login: true }],
      },
      follows: true,
    },
    {
      name: "no script blocks",
      agent: { ...STARTING, scripts: [{ start_blocks_login: false }] },
      follows: false,
    },
    {
      name: "v0.24: blocking",
      agent: { ...base, startup_script_behavior: "blocking", login_before_ready: true },
      follows: true,
    },
    {
      name: "v0.24: non-blocking",
      agent: { ...base, startup_script_behavior: "non-blocking" },
      follows: false,
    },
    {
      name: "v0.16: login before ready",
      agent: { ...base, login_before_ready: true },
      follows: false,
    },
    {
      name: "v0.16: not before ready",
      agent: { ...base, login_before_ready: false },
      follows: true,
    },
    { name: "nothing told", agent: base, follows: false },
  ];
  for (const row of rows) {
    await t.step(row.name, async () => {
      using fake = fakeSteps();
      timetable(fake, { 0: row.agent, 2_200: READY });
      fake.coder.sockets.set(LOGS, () => new FakeTextStream());
      fake.coder.routes.set(`GET ${LOGS}`, () => ({ body: [] }));
      await wait(fake);
      assert.equal(lines(fake).includes(HINT), row.follows);
    });
  }
});

Deno.test("Old servers have their log under another name (docs/protocol/api.md#agent-logs)", async () => {
  using fake = fakeSteps();
  timetable(fake, { 0: STARTING, 700: READY });
  const old = LOGS.replace("/logs", "/startup-logs");
  fake.coder.sockets.set(old, () => new FakeTextStream().send([log(1, "old", "")]));
  fake.coder.routes.set(`GET ${old}`, () => ({ body: [log(2, "older", "")] }));
  await wait(fake, { wait: "yes" });
  assert.deepEqual(lines(fake).filter((line) => line.includes("old")), [
    "2026-07-24 11:00:00.500Z old",
    "2026-07-24 11:00:00.500Z older",
  ]);
});

Deno.test("TestGetProgressiveInterval (docs/protocol/ssh.md#waiting-for-the-agent)", () => {
  const rows = [[0, 500], [59_999, 500], [60_000, 1_000], [120_000, 2_000], [300_000, 4_000], [
    600_000,
    8_000,
  ]];
  for (const [elapsed = 0, interval] of rows) assert.equal(pollIntervalMs(elapsed), interval);
});

Deno.test("On a terminal a spinner shows what is waited for and how long (issue 4)", async () => {
  using fake = fakeSteps({ stderrIsTerminal: true });
  timetable(fake, { 0: CONNECTING, 65_000: READY });
  await wait(fake);
  const { text } = fake.host.stderr;
  assert.ok(text.includes("\r\x1b[K⠋ Waiting for the workspace agent to connect (4s)"));
  assert.match(text, /Waiting for the workspace agent to connect \(1m2s\)/);
  assert.ok(!text.includes("... "));
  // What stays is on lines of its own, and no spinner is left behind.
  assert.ok(text.includes("\r\x1b[K=== ✔ Waiting for the workspace agent to connect [2500ms]\n"));
  assert.ok(!/\(\d+s\)$/.test(text));
});

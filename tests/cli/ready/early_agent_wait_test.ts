/** The words of the command of June 2023, by what the agent's state is (docs/protocol/ssh.md#waiting-for-the-agent). */
import assert from "node:assert/strict";
import {
  type EarlyAgentWaitOptions,
  waitForEarlyAgent,
} from "../../../lib/cli/ready/early_agent_wait.ts";
import { describe } from "../../../lib/coder/errors.ts";
import { apiFailure } from "../../support/fake_coder.ts";
import { IDS, type Wire, wireAgent } from "../../support/fake_coder_objects.ts";
import { fakeSteps, type FakeSurroundings } from "../../support/fake_steps.ts";

/** What a server of v0.24 says of an agent, or one before it, which has `login_before_ready` alone. */
function early(fields: Wire, says: "behaviour" | "flag" = "behaviour"): Wire {
  const { scripts: _scripts, log_sources: _sources, ...agent } = wireAgent(fields);
  const blocks = fields["blocks"] === true;
  const behaviour = { startup_script_behavior: blocks ? "blocking" : "non-blocking" };
  return { ...agent, login_before_ready: !blocks, ...(says === "behaviour" ? behaviour : {}) };
}

const READY = early({ blocks: true });
const CONNECTING = early({ status: "connecting", lifecycle_state: "created", blocks: true });
const STARTING = early({ lifecycle_state: "starting", blocks: true });
const of = (lifecycle_state: string, more: Wire = {}) =>
  early({ lifecycle_state, blocks: true, ...more });

const AGAIN = " Wait for it to (re)connect or restart your workspace.";

function wait(fake: FakeSurroundings, options: Partial<EarlyAgentWaitOptions> = {}) {
  return waitForEarlyAgent(fake.steps, {
    agentId: IDS.agent,
    wait: "auto",
    ...options,
  });
}

function timetable(fake: FakeSurroundings, states: Record<number, Wire>): void {
  for (const [atMs, state] of Object.entries(states)) {
    if (Number(atMs) === 0) fake.coder.agent = state;
    else fake.host.clock.after(Number(atMs), () => fake.coder.agent = state);
  }
}

/** The messages, each as one line. */
function messages(fake: FakeSurroundings): string[] {
  const { text } = fake.host.stderr;
  return text.split("\n\n").flatMap((part) => {
    const lines = part.split("\n").filter((line) => line !== "" && !line.startsWith("... "));
    if (lines.length === 0) return [];
    assert.ok(lines.every((line, at) => line.startsWith(at === 0 ? " > " : "   ")), part);
    assert.ok(lines.every((line) => line.length <= 3 + 56), part);
    return [lines.map((line) => line.slice(3)).join(" ")];
  });
}

for (const says of ["behaviour", "flag"] as const) {
  Deno.test(`LoginBeforeReadyEnabled (${says}): a connected agent is enough, without a word`, async () => {
    for (
      const lifecycle_state of ["created", "starting", "start_timeout", "start_error", "ready"]
    ) {
      using fake = fakeSteps();
      fake.coder.agent = early({ lifecycle_state, blocks: false }, says);
      for (const how of ["auto", "no", "yes"] as const) await wait(fake, { wait: how });
      assert.equal(fake.host.stderr.text, "", lifecycle_state);
      assert.equal(fake.coder.calls.length, 3);
    }
  });

  Deno.test(`NoWait (${says}): one message, and on`, async () => {
    using fake = fakeSteps();
    fake.coder.agent = early({ lifecycle_state: "starting", blocks: true }, says);
    await wait(fake, { wait: "no" });
    assert.equal(
      fake.host.stderr.text,
      "\n > Your workspace is still getting ready, it may be in an\n   incomplete state.\n\n",
    );
    assert.equal(fake.coder.calls.length, 1);
  });
}

Deno.test("a ready agent, and one of a server that tells no life cycle, costs one fetch and no line", async () => {
  for (const agent of [READY, of("")]) {
    using fake = fakeSteps();
    fake.coder.agent = agent;
    await wait(fake);
    assert.equal(fake.coder.calls.length, 1);
    assert.equal(fake.host.stderr.text, "");
  }
});

Deno.test("a start that is quick is waited for without a message", async () => {
  using fake = fakeSteps();
  timetable(fake, { 0: CONNECTING, 2_000: STARTING, 4_000: READY });
  await wait(fake);
  assert.deepEqual(messages(fake), []);
  assert.match(
    fake.host.stderr.text,
    /^\.\.\. Waiting for (connection from dev|dev to become ready)\.\.\. /,
  );
});

Deno.test("after half a minute what is normal is told, and again at each change", async () => {
  using fake = fakeSteps();
  timetable(fake, { 0: CONNECTING, 40_000: STARTING, 50_000: READY });
  await wait(fake);
  assert.deepEqual(messages(fake), [
    "Don't panic, your workspace is booting up!",
    "Don't panic, your workspace agent has connected and the workspace is getting ready!",
  ]);
});

Deno.test("TimeoutWithTroubleshootingURL: a timeout and a loss are told at once, with the way to help", async () => {
  using fake = fakeSteps();
  const url = "https://example.com/a/rather/long/page/on/what/to/do/when/nothing/helps";
  timetable(fake, {
    0: CONNECTING,
    1_000: { ...CONNECTING, status: "timeout", troubleshooting_url: url },
    2_000: { ...CONNECTING, status: "disconnected", troubleshooting_url: "" },
    3_000: READY,
  });
  await wait(fake, { wait: "no" });
  const trouble = " > The workspace agent is having trouble connecting. See\n" +
    `   troubleshooting instructions at:\n   ${url}\n`;
  assert.ok(fake.host.stderr.text.includes(trouble), fake.host.stderr.text);
  assert.ok(
    fake.host.stderr.text.includes(" > The workspace agent lost connection! Wait for it to\n"),
  );
});

Deno.test("StartupTimeout: a start that takes too long is told and goes on being waited for", async () => {
  using fake = fakeSteps();
  timetable(fake, {
    0: STARTING,
    1_000: of("start_timeout", { troubleshooting_url: "" }),
    5_000: READY,
  });
  await wait(fake);
  assert.deepEqual(messages(fake), [
    "The workspace is taking longer than expected to get ready, the agent startup script is " +
    `still executing.${AGAIN}`,
  ]);
});

Deno.test("StartErrorExit: a script that failed is told, and the login goes on", async () => {
  using fake = fakeSteps();
  timetable(fake, { 0: STARTING, 1_000: of("start_error", { troubleshooting_url: "" }) });
  const agent = await wait(fake);
  assert.equal(agent.lifecycle, "start_error");
  assert.deepEqual(messages(fake), [
    "The workspace ran into a problem while getting ready, the agent startup script exited " +
    `with non-zero status.${AGAIN}`,
  ]);
});

for (
  const [lifecycle, text] of [
    ["shutting_down", "The workspace is shutting down."],
    ["off", "The workspace is not running."],
    [
      "shutdown_timeout",
      "The workspace is shutting down, but is taking longer than expected to shut down and the " +
      `agent shutdown script is still executing.${AGAIN}`,
    ],
    [
      "shutdown_error",
      "The workspace ran into a problem while shutting down, the agent shutdown script exited " +
      `with non-zero status.${AGAIN}`,
    ],
  ] as const
) {
  Deno.test(`an agent that is ${lifecycle} ends the wait, at the start and later`, async () => {
    for (const startsAt of [0, 1_000]) {
      for (const how of ["yes", "no"] as const) {
        using fake = fakeSteps();
        timetable(fake, {
          0: { ...CONNECTING },
          [startsAt]: of(lifecycle, { troubleshooting_url: "" }),
        });
        await assert.rejects(wait(fake, { wait: how }), (error: Error) => {
          assert.match(describe(error), /await agent: .*agent is shutting down/s);
          return true;
        });
        assert.deepEqual(messages(fake), [text]);
      }
    }
  });
}

Deno.test("an API that fails is told as `await agent: fetch`", async () => {
  using fake = fakeSteps();
  fake.coder.routes.set(`GET /workspaceagents/${IDS.agent}`, () => apiFailure(403, "Forbidden."));
  await assert.rejects(wait(fake), (error: Error) => {
    assert.match(describe(error), /await agent: fetch/);
    return true;
  });
});

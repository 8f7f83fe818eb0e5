import assert from "node:assert/strict";
import { Progress } from "../../../lib/cli/terminal/progress.ts";
import { clip, renderSpinner } from "../../../lib/cli/terminal/spinner.ts";
import { localStamp, localTimeWithZone } from "../../../lib/cli/terminal/local_time.ts";
import { FakeHost } from "../../support/fake_host.ts";
import { JumpingClock, WALL_START_MS } from "../../support/jumping_clock.ts";

Deno.test("renderSpinner() fits the width and shows whole seconds", () => {
  const state = { what: "Waiting for the workspace agent to connect", elapsedMs: 65_432 };
  assert.equal(renderSpinner(state, 80), "⠼ Waiting for the workspace agent to connect (1m5s)");
  for (let width = 0; width < 60; width++) {
    assert.ok([...renderSpinner(state, width)].length <= width, String(width));
  }
  assert.equal(renderSpinner(state, 24), "⠼ Waiting for th… (1m5s)");
  assert.equal(clip("abc", 3), "abc");
  assert.equal(clip("abcd", 3), "ab…");
});

Deno.test("Progress off a terminal: silent under two seconds, then seldom", async () => {
  using host = new FakeHost();
  const progress = new Progress(host);
  await progress.during("short", () => host.clock.sleep(1_900));
  assert.equal(host.stderr.text, "");
  await progress.during("long\x1b[31m\nthing", () => host.clock.sleep(200_000));
  assert.deepEqual(host.stderr.lines, [
    "... long thing (2s)",
    "... long thing (10s)",
    "... long thing (30s)",
    "... long thing (1m30s)",
    "... long thing (2m30s)",
  ]);
});

Deno.test("Progress counts anew when something else is waited for, and shows the innermost wait", async () => {
  using host = new FakeHost();
  const progress = new Progress(host);
  await progress.during("first", async (wait) => {
    await host.clock.sleep(3_000);
    wait.now("second");
    await host.clock.sleep(3_000);
    await progress.during("inner", () => host.clock.sleep(3_000));
  });
  assert.deepEqual(host.stderr.lines, ["... first (2s)", "... second (2s)", "... inner (2s)"]);
});

Deno.test("Progress on a terminal: no flicker, and nothing is left behind whatever happens", async () => {
  using host = new FakeHost({ stderrIsTerminal: true });
  const progress = new Progress(host);
  await progress.during("short", () => host.clock.sleep(200));
  assert.equal(host.stderr.text, "");
  await assert.rejects(progress.during("long", async () => {
    await host.clock.sleep(1_050);
    progress.line("a line");
    await host.clock.sleep(500);
    throw new Error("x");
  }));
  assert.ok(host.stderr.text.includes("\r\x1b[K⠋ long (1s)\r\x1b[Ka line\n\r\x1b[K"));
  assert.ok(host.stderr.text.endsWith("\r\x1b[K"));
});

Deno.test("Progress colours on terminals only, never with NO_COLOR", () => {
  const useColor = (options: object) => new Progress(new FakeHost(options)).useColor;
  assert.ok(useColor({ stderrIsTerminal: true }));
  assert.ok(!useColor({}));
  assert.ok(!useColor({ stderrIsTerminal: true, env: { NO_COLOR: "1" } }));
  assert.ok(!useColor({ stderrIsTerminal: true, env: { TERM: "dumb" } }));
});

Deno.test("Local times carry their zone (behaviour §1.3)", () => {
  const clock = new JumpingClock();
  assert.equal(localTimeWithZone(clock, WALL_START_MS + 7), "2026-07-24 10:00:00.007Z");
  clock.offsetMinutes = -570;
  assert.equal(localTimeWithZone(clock, WALL_START_MS), "2026-07-24 00:30:00.000-09:30");
  assert.equal(localStamp(clock, WALL_START_MS), "20260724-003000");
});

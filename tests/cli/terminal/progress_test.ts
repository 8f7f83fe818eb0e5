import assert from "node:assert/strict";
import { Progress } from "../../../lib/cli/terminal/progress.ts";
import { cellsOf } from "../../../lib/base/cells.ts";
import { renderSpinner } from "../../../lib/cli/terminal/spinner.ts";
import { localStamp, localTimeWithZone } from "../../../lib/cli/terminal/local_time.ts";
import { printNotice } from "../../../lib/cli/terminal/print.ts";
import { StageWriter } from "../../../lib/cli/terminal/stages.ts";
import { timelineLog } from "../../../lib/cli/terminal/timeline.ts";
import { FakeHost } from "../../support/fake_host.ts";
import { JumpingClock, WALL_START_MS } from "../../support/jumping_clock.ts";

Deno.test("renderSpinner() fits the width and shows whole seconds", () => {
  const state = { what: "Waiting for the workspace agent to connect", elapsedMs: 65_432 };
  assert.equal(renderSpinner(state, 80), "⠼ Waiting for the workspace agent to connect (1m5s)");
  for (let width = 0; width < 60; width++) {
    assert.ok(cellsOf(renderSpinner(state, width)) <= width, String(width));
    assert.ok(
      cellsOf(renderSpinner({ ...state, what: "待っています" }, width)) <= width,
      String(width),
    );
  }
  assert.equal(renderSpinner(state, 24), "⠼ Waiting for th… (1m5s)");
});

Deno.test("Progress off a terminal: silent under two seconds, then seldom", async () => {
  using host = new FakeHost();
  const progress = new Progress(host);
  await progress.during("short", () => host.clock.sleep(1_900));
  assert.equal(host.stderr.text, "");
  await progress.during("long\x1b[31m\n\u202ething", () => host.clock.sleep(200_000));
  assert.deepEqual(host.stderr.lines, [
    "... long thing (2s)",
    "... long thing (10s)",
    "... long thing (30s)",
    "... long thing (1m30s)",
    "... long thing (2m30s)",
  ]);
});

Deno.test("Progress shows the innermost wait, and never begins to count anew within one", async () => {
  using host = new FakeHost();
  const progress = new Progress(host);
  await progress.during("first", async (wait) => {
    await host.clock.sleep(3_000);
    wait.now("second");
    await host.clock.sleep(3_000);
    await progress.during("inner", () => host.clock.sleep(3_000));
    wait.now("second again");
    await host.clock.sleep(11_000);
  });
  await progress.during("another wait", () => host.clock.sleep(3_000));
  assert.deepEqual(host.stderr.lines, [
    "... first (2s)",
    "... second (5s)",
    "... inner (8s)",
    "... second again (11s)",
    "... second again (19s)",
    "... another wait (2s)",
  ]);
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

Deno.test("Progress on a terminal: the time goes on when the text changes", async () => {
  using host = new FakeHost({ stderrIsTerminal: true });
  await new Progress(host).during("first", async (wait) => {
    await host.clock.sleep(3_050);
    wait.now("second");
    await host.clock.sleep(1_050);
  });
  const times = [...host.stderr.text.matchAll(/second \((\d+)s\)/g)].map(([, s]) => s);
  assert.deepEqual([times[0], times.at(-1)], ["3", "4"]);
});

/** What servers, workspaces and files try on a terminal, with what may be left of it. */
const HOSTILE: readonly { readonly in: string; readonly out: string }[] = [
  { in: "nope\x1b[2J\x1b]0;owned\x07\x1b]52;c;cm0gLXJmIH4K\x07", out: "nope" },
  { in: "a\rerror: b", out: "a error: b" },
  { in: "a\nerror: b", out: "a error: b" },
  { in: "a\x9b2J\x9d0;x\x9cb", out: "ab" },
  { in: "a\u202eb\u200bc\u{e0041}\ufeff\u2028d", out: "abcd" },
  { in: "\x08\x08\x07\x7fa\x00", out: "a" },
];

Deno.test("No word that Progress prints is obeyed by the terminal, or begins another line", () => {
  for (const { in: text, out } of HOSTILE) {
    using host = new FakeHost({ stderrIsTerminal: true });
    const progress = new Progress(host);
    progress.line(text);
    progress.warning(text);
    progress.coloredLine(text, "red");
    const stages = new StageWriter(host, progress, () => undefined);
    stages.start(text);
    stages.end(text, { end: "failed", durationMs: 1 });
    stages.info(text);
    timelineLog({ clock: host.clock, progress, startedAt: 0 }).warn(text, { reason: text });
    const shown = text.replaceAll("\n", " "); // lines of a log are lines, and each has its time
    stages.log(shown, { atMs: 0, level: "warn" });
    stages.log(shown, { atMs: 0, level: "info" });
    printNotice(host.stderr, text);
    const [, reason = ""] = /reason=(.*)\n/.exec(host.stderr.text) ?? [];
    assert.match(reason, /^(?:[!-~]+|"[ -~]*")$/);
    const line = `${out}\n`;
    assert.equal(
      host.stderr.text.replace(/reason=.*\n/, "\n"),
      `${line}WARN: ${line}\r\n\x1b[31m${out}\x1b[0m\n==> ⧗ ${line}=== ✘ ${out} [1ms]\n` +
        `==> ℹ︎ ${line}+     0ms ${out}  \n\x1b[33m1970-01-01 00:00:00.000Z ${out}\x1b[0m\n` +
        `1970-01-01 00:00:00.000Z ${line}\x07\r\n${out}\r\n`,
    );
  }
});

Deno.test("The spinner draws no word of a server as anything but text", async () => {
  for (const { in: text, out } of HOSTILE) {
    using host = new FakeHost({ stderrIsTerminal: true });
    await new Progress(host).during(text, async (wait) => {
      await host.clock.sleep(350);
      wait.now(`${text}!`);
      await host.clock.sleep(100);
    });
    const drawn = host.stderr.text.replaceAll("\r\x1b[K", "|");
    // deno-lint-ignore no-control-regex -- it is what must not be there
    assert.doesNotMatch(drawn, /[\x00-\x1f\x7f-\x9f]/);
    assert.ok(drawn.includes(` ${out} (0s)|`), drawn);
    assert.ok(drawn.includes(` ${out}! (0s)|`), drawn);
  }
});

Deno.test("Lines of a log: each has its time, levels that upstream hides are hidden", () => {
  const host = new FakeHost();
  const stages = new StageWriter(host, new Progress(host), () => undefined);
  stages.log("one\n=== ✔ two", { atMs: 0, level: "info" });
  for (const level of ["debug", "trace"]) stages.log("noise", { atMs: 0, level });
  stages.log("known to nobody", { atMs: undefined, level: "constructor" });
  assert.deepEqual(host.stderr.lines, [
    "1970-01-01 00:00:00.000Z one",
    "1970-01-01 00:00:00.000Z === ✔ two",
    "known to nobody",
  ]);
});

Deno.test("Local times carry their zone (docs/protocol/ssh.md#build-output)", () => {
  const clock = new JumpingClock();
  assert.equal(localTimeWithZone(clock, WALL_START_MS + 7), "2026-07-24 10:00:00.007Z");
  clock.offsetMinutes = -570;
  assert.equal(localTimeWithZone(clock, WALL_START_MS), "2026-07-24 00:30:00.000-09:30");
  assert.equal(localStamp(clock, WALL_START_MS), "20260724-003000");
});

import assert from "node:assert/strict";
import { UserError } from "../../../lib/base/errors.ts";
import { HostError } from "../../../lib/base/host.ts";
import { logDirOf, openLogFile, renderFields } from "../../../lib/cli/terminal/log_file.ts";
import { Progress } from "../../../lib/cli/terminal/progress.ts";
import { teeLog, timelineLog } from "../../../lib/cli/terminal/timeline.ts";
import { FakeHost } from "../../support/fake_host.ts";

Deno.test("FileLogging: exactly one file, name and mode as the official command's (docs/protocol/ssh.md#log-file)", async () => {
  const host = new FakeHost();
  const file = await openLogFile(host, { dir: "/logs", stdio: false, verbose: false });
  assert.deepEqual([...host.files.entries.keys()], [file.path]);
  assert.match(file.path, /^\/logs\/coder-ssh-20260724-100000-[a-z]{5}\.log$/);
  assert.equal(host.files.entries.get(file.path)?.mode, 0o600);
  const stdio = await openLogFile(host, { dir: "/logs/", stdio: true, verbose: false });
  assert.match(stdio.path, /^\/logs\/coder-ssh-20260724-100000-[a-z]{5}-1234\.log$/);
});

Deno.test("The lines are the official command's (docs/protocol/ssh.md#log-file)", async () => {
  const host = new FakeHost();
  host.clock.offsetMinutes = 60;
  for (const verbose of [false, true]) {
    const file = await openLogFile(host, { dir: "/logs", stdio: false, verbose });
    const log = file.log.child("net").child("derp");
    log.debug("frame received", { type: 4 });
    log.info("connected", { url: "https://x", region: "a b", none: "", ok: true });
    log.warn('odd\n"thing"\x1b[31m', { key: 'q"uote' });
    file.log.error("command exit");
    await file.close();
    file.log.info("too late");
    assert.deepEqual(host.files.entries.get(file.path)?.text.trimEnd().split("\n"), [
      ...(verbose ? ["2026-07-24 11:00:00.000 [debu]  net.derp: frame received  type=4"] : []),
      '2026-07-24 11:00:00.000 [info]  net.derp: connected  url=https://x  region="a b"  none=""  ok=true',
      '2026-07-24 11:00:00.000 [warn]  net.derp: odd "thing"  key="q\\"uote"',
      "2026-07-24 11:00:00.000 [erro]  command exit",
    ]);
  }
});

Deno.test("Fields of a log line hold nothing that a terminal obeys or that looks like another field", () => {
  const rows: readonly (readonly [value: string, shown: string])[] = [
    ["plain-1.2/3:4", "plain-1.2/3:4"],
    ["\u009b2J\u009b31mowned", '"\\u009b2J\\u009b31mowned"'],
    ["\u202eturned", '"\\u202eturned"'],
    ["\u200bhidden", '"\\u200bhidden"'],
    ["\x1b]0;title\x07", '"\\x1b]0;title\\a"'],
    ["a\nb", '"a\\nb"'],
    ["a=b", '"a=b"'],
    ['"', '"\\""'],
  ];
  for (const [value, shown] of rows) assert.equal(renderFields({ key: value }), `  key=${shown}`);
});

Deno.test("A folder that is missing, full or forbidden is told (issue 4, Bad input)", async () => {
  for (const code of ["not-found", "no-space", "read-only", "not-permitted"] as const) {
    const host = new FakeHost();
    host.files.broken.set("/logs", new HostError(code, `it is ${code}`));
    await assert.rejects(
      openLogFile(host, { dir: "/logs", stdio: false, verbose: false }),
      (error) => {
        assert.ok(error instanceof UserError);
        assert.equal(error.message, `error opening /logs for logging: it is ${code}`);
        return true;
      },
    );
  }
});

Deno.test("logDirOf() honours the retired --log-to-file", () => {
  const host = new FakeHost();
  assert.equal(logDirOf(host, { logDir: "", logToFile: false }), undefined);
  assert.equal(logDirOf(host, { logDir: "", logToFile: true }), "/tmp");
  assert.equal(logDirOf(host, { logDir: "/l", logToFile: true }), "/l");
});

Deno.test("The timeline of -v counts milliseconds", async () => {
  using host = new FakeHost();
  const log = timelineLog({ clock: host.clock, progress: new Progress(host), startedAt: 0 });
  const both = teeLog([log, log.child("net")]).child("derp");
  await host.clock.sleep(1_234);
  both.debug("relay connected", { region: 999 });
  assert.deepEqual(host.stderr.lines, [
    "+  1234ms derp: relay connected  region=999",
    "+  1234ms net.derp: relay connected  region=999",
  ]);
});

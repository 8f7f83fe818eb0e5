/** The notice as a user meets it: sessions as processes of their own, a notifier found on the path. */
import { deepStrictEqual, ok } from "node:assert/strict";

const PROCESS = new URL("./notify_process.ts", import.meta.url).pathname;
const CONFIG = new URL("../../../../deno.json", import.meta.url).pathname;
/** Keeps each call's arguments, a line for each. */
const STAND_IN = `#!/bin/sh\nfor word in "$@"; do printf '%s\\n' "$word"; done >>"$NOTICES"\n`;

/** A session whose log is read until `message`. */
async function session(dir: string, message: string) {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-q",
      `--config=${CONFIG}`,
      "--no-lock",
      "--allow-env",
      `--allow-read=${dir}`,
      `--allow-write=${dir}`,
      "--allow-run=notify-send",
      PROCESS,
    ],
    env: {
      PATH: `${dir}:/usr/bin:/bin`,
      TMPDIR: dir,
      NOTICES: `${dir}/notices`,
      DBUS_SESSION_BUS_ADDRESS: "unix:path=/nonexistent",
    },
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.includes(`${message}\n`)) {
    const { value, done } = await reader.read();
    ok(!done, `the session ended after: ${text}`);
    text += value;
  }
  return {
    async end() {
      await child.stdin.close();
      deepStrictEqual((await child.status).code, 0);
      await reader.cancel();
    },
  };
}

Deno.test({
  name: "one of two sessions tells that the workspace stops; the next one does when it is gone",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const dir = await Deno.makeTempDir();
    const notices = async () =>
      (await Deno.readTextFile(`${dir}/notices`)).split("\n").slice(0, -1);
    const once = [
      "--app-name=Coder",
      "--expire-time=30000",
      "--",
      "Workspace myworkspace stopping soon",
      "Your Coder workspace myworkspace is scheduled to stop in 20 mins",
    ];
    try {
      await Deno.writeTextFile(`${dir}/notify-send`, STAND_IN, { mode: 0o755 });
      const first = await session(dir, "autostop notice");
      const second = await session(dir, "another process notifies");
      // The deadline is cut to its minute, so that 19 or 20 are left of twenty.
      const seen = (await notices()).map((line) => line.replace("in 19 mins", "in 20 mins"));
      deepStrictEqual(seen, once);
      await second.end();
      await first.end();
      await (await session(dir, "autostop notice")).end();
      deepStrictEqual((await notices()).length, 2 * once.length);
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  },
});

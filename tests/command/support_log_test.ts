/** `hawser support` shows the end of the log that `ssh --log-dir` left: the last one, within bounds, and without secrets. */
import { doesNotMatch, match, ok, strictEqual } from "node:assert/strict";
import { commandTest, type Desk } from "./support.ts";

const MAX_REPORT_BYTES = 128 * 1024;

async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "hawser-logs-" });
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function report(desk: Desk, ...args: readonly string[]): Promise<string> {
  const { code, stdout } = await desk.runAny(["support", ...args]);
  strictEqual(code, 0);
  return stdout;
}

commandTest(
  "support shows the log of the last session that was told to leave one",
  async (desk) => {
    await withFolder(async (folder) => {
      await Deno.writeTextFile(`${folder}/coder-ssh-20200101-000000-aaaaa.log`, "an old one\n");
      await Deno.writeTextFile(`${folder}/zzz.log`, "no log of ours\n");
      const { code } = await desk.run(["-v", "--log-dir", folder, "myworkspace", "exit 3"]);
      strictEqual(code, 3);
      const text = await report(desk, "--log-dir", folder);
      match(text, /^Log: the end of .*coder-ssh-\d{8}-\d{6}-[a-z]{5}\.log, lines: \d+$/m);
      match(text, /^\d{4}-\d\d-\d\d [\d:.]+ \[info\] {2}net: agent reachable/m);
      doesNotMatch(text, /an old one|no log of ours/);
    });
  },
);

commandTest("support says how to get a log where there is none", async (desk) => {
  await withFolder(async (folder) => {
    match(await report(desk), /^Log: none is kept\. Run 'hawser ssh --log-dir <folder> -v/m);
    match(await report(desk, "-l", folder), /^Log: no file of 'hawser ssh --log-dir' is in /m);
    match(await report(desk, "-l", `${folder}/none`), /^Log: no file of /m);
    await Deno.writeTextFile(`${folder}/file`, "");
    match(await report(desk, "-l", `${folder}/file`), /^Log: .*not a directory/m);
  });
});

commandTest(
  "a log leaves no secret in the report, obeys no terminal, and is cut to its end",
  async (desk) => {
    await withFolder(async (folder) => {
      const { token } = desk.sandbox;
      const lines = Array.from({ length: 20_000 }, (_, at) => `line ${at}`);
      const last = [
        `of this deployment ${token} twice ${token}`,
        "of another one abcdefghij-0123456789012345678901.",
        "proxy=http://me:hunter2@proxy.example:3128 via socks5h://u:hunter3@h",
        "header X=hunter4",
        "\x1b[2Jwiped \u202e turned",
      ];
      const name = `${folder}/coder-ssh-20260101-000000-abcde-4711.log`;
      await Deno.writeTextFile(name, [...lines, ...last, ""].join("\n"));
      const text = await report(desk, "--log-dir", folder, "--header", "X=hunter4");
      doesNotMatch(text, /hunter|0123456789012345678901/);
      ok(!text.includes(token));
      match(text, /^of this deployment \[left out\] twice \[left out\]$/m);
      match(
        text,
        /^proxy=http:\/\/\[left out\]@proxy\.example:3128 via socks5h:\/\/\[left out\]@h$/m,
      );
      // deno-lint-ignore no-control-regex -- it is what must not be there
      doesNotMatch(text, /\x1b|\u202e/);
      match(text, /^Log: the end of .*, lines: 200$/m);
      doesNotMatch(text, /line 19000$/m);
      ok(text.length < MAX_REPORT_BYTES);
      // One line without an end is within bounds as well.
      await Deno.writeTextFile(name, "x".repeat(1_000_000));
      ok((await report(desk, "--log-dir", folder)).length < MAX_REPORT_BYTES);
    });
  },
);

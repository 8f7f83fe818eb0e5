/** Fewer permissions cost features, and no words: what was withheld is no news to whoever withheld it. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { denoDir } from "../support/deno_dir.ts";
import { commandTest } from "./support.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;

/** From the least that works; each with everything before it. */
const LEVELS: readonly (readonly string[])[] = [
  ["--allow-net", "--allow-env"],
  ["--allow-net", "--allow-env", "--allow-sys"],
  ["--allow-net", "--allow-env", "--allow-read"],
  ["--allow-net", "--allow-env", "--allow-read", "--allow-write"],
];

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the program with these permissions alone, and a home folder. */
async function runWith(
  level: readonly string[],
  words: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Ended> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", "--no-check", "--frozen", ...level, MAIN]
      .concat(words),
    env: {
      ...env,
      XDG_CONFIG_HOME: "",
      XDG_CACHE_HOME: "",
      CODER_NO_VERSION_WARNING: "1",
      DENO_DIR: denoDir(),
      NO_COLOR: "1",
    },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

commandTest(
  "without --allow-env the environment is blamed, not who did not log in",
  async (desk) => {
    const rows = [
      { level: ["--allow-net"], says: "CODER_URL, CODER_SESSION_TOKEN are not read" },
      {
        level: ["--allow-net", "--allow-env=HOME"],
        says: "CODER_URL, CODER_SESSION_TOKEN are not read",
      },
    ];
    for (const { level, says } of rows) {
      for (const words of [["list"], ["ssh", "myworkspace"], ["whoami"]]) {
        const { code, stderr } = await runWith(level, words, { ...desk.env, HOME: "" });
        strictEqual(code, 1);
        match(
          stderr,
          /^error: No deployment and session are known: Deno may not read the environment$/m,
        );
        ok(
          stderr.includes(`Start with --allow-env, or give --url and --token (${says})\n`),
          stderr,
        );
      }
    }
  },
);

for (const level of LEVELS) {
  commandTest(`ssh with ${level.join(" ")} says nothing of what it may not do`, async (desk) => {
    const home = await Deno.makeTempDir({ prefix: "hawser-permissions-" });
    try {
      const env = { ...desk.env, HOME: home };
      const run = (...words: readonly string[]) => runWith(level, words, env);
      deepStrictEqual(await run("ssh", "myworkspace", "echo in; exit 3"), {
        code: 3,
        stdout: "in\n",
        stderr: "",
      });
      const { code, stderr } = await run("ssh", "--stdio", "myworkspace");
      deepStrictEqual({ code, stderr }, { code: 0, stderr: "" });
      if (!level.includes("--allow-read")) return;
      const section = await run("config-ssh", "--dry-run", "--ssh-config-file", `${home}/none`);
      const [, start = "", flags = ""] =
        /ProxyCommand (.*) run (.*) \S+main\.ts /.exec(section.stdout) ?? [];
      match(start, /^\/usr\/bin\/env DENO_NO_UPDATE_CHECK=1 .*deno/);
      ok(section.stdout.includes(`!exec "${start} run ${flags} `), section.stdout);
      // What nobody granted is handed on to nobody.
      deepStrictEqual(flags.split(" "), ["--no-prompt", "--unstable-net", ...level]);
    } finally {
      await Deno.remove(home, { recursive: true });
    }
  });
}

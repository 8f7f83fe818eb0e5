/** Fewer permissions cost features, and no words: what was withheld is no news to whoever withheld it. */
import { deepStrictEqual, match, ok } from "node:assert/strict";
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

for (const level of LEVELS) {
  commandTest(`ssh with ${level.join(" ")} says nothing of what it may not do`, async (desk) => {
    const home = await Deno.makeTempDir({ prefix: "hawser-permissions-" });
    try {
      const run = async (...words: readonly string[]) => {
        const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
          args: ["run", "--quiet", "--no-prompt", "--no-check", "--frozen", ...level, MAIN]
            .concat(words),
          env: {
            ...desk.env,
            HOME: home,
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
      };
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

/** The pictures of the README: which there are, and a real run of each in a terminal against a deployment in this process. */
import { instantBuild, Sandbox, type SandboxOptions, slowBuild } from "../../lib/sandbox/mod.ts";
import { denoDir } from "../../tests/support/deno_dir.ts";
import { runInTerminal } from "../../tests/support/terminal_run.ts";
import { Screen } from "./screen.ts";

export interface Picture {
  /** Of its file, without `.svg`. */
  readonly name: string;
  /** What it shows, for those who do not see it. */
  readonly title: string;
  readonly line: string;
  readonly size: { readonly columns: number; readonly rows: number };
  readonly sandbox?: SandboxOptions;
  readonly keys?: readonly (readonly [after: RegExp, keys: string])[];
  /** The exit code. @default 0 */
  readonly code?: number;
  /** Taken when that many keys were typed. @default at the end */
  readonly shotAt?: number;
}

const MAIN = new URL("../../main.ts", import.meta.url).pathname;
const HOME_SHOWN = "/home/me";

export const PICTURES: readonly Picture[] = [
  {
    name: "demo",
    title: "hawser demo: commands, a forwarded port, a file there and back, a terminal",
    line: "hawser demo </dev/null",
    size: { columns: 80, rows: 32 },
  },
  {
    name: "waiting",
    title:
      "hawser ssh into a stopped workspace: it is started, and each stage is said with its time",
    line: "hawser ssh stopped 'echo here'",
    size: { columns: 92, rows: 24 },
    sandbox: {
      workspaces: [{ name: "stopped", transition: "stop" }],
      // Stopped from the first instant, then with a build that one can watch.
      buildScript: (build) => {
        build.provisioners = { count: 1, available: 1 };
        return build.number === 1 ? instantBuild(build) : slowBuild()(build);
      },
    },
  },
  {
    name: "picker",
    title: "hawser ssh without a name: workspaces to pick from, narrowed by what is typed",
    line: "hawser ssh",
    size: { columns: 72, rows: 12 },
    sandbox: {
      workspaces: ["dev", "docs", "gpu-box", "staging"].map((name) => ({ name })),
    },
    keys: [[/staging/, "d"], [/\? d\n/, "\x03"]],
    shotAt: 2,
    code: 1,
  },
  {
    name: "timeline",
    title: "hawser ssh -v: each step with the milliseconds since the start",
    line: "hawser ssh -v dev true",
    size: { columns: 150, rows: 44 },
  },
  {
    name: "ping",
    title: "hawser ping: the way to the agent, relay first, and a table at the end",
    line: "hawser ping -n 4 dev",
    size: { columns: 88, rows: 24 },
    sandbox: { settings: { disablesDirect: false } },
  },
];

/** The screen of a real run, `$` and the line above it. */
export async function record(picture: Picture): Promise<Screen> {
  const { line, size, keys = [] } = picture;
  const home = await Deno.makeTempDir({ prefix: "hawser-picture-" });
  await using sandbox = await Sandbox.start({ user: "me", ...picture.sandbox });
  try {
    await Deno.mkdir(`${home}/bin`);
    const launcher = `#!/bin/sh\nDENO_DIR='${denoDir()}' exec '${Deno.execPath()}' run --quiet ` +
      `--no-prompt --no-check --frozen -A --unstable-net '${MAIN}' "$@"\n`;
    await Deno.writeTextFile(`${home}/bin/hawser`, launcher, { mode: 0o755 });
    const { code, shown, marks } = await runInTerminal(line, {
      env: {
        HOME: home,
        USER: "me",
        SHELL: "/bin/sh",
        LANG: "C.UTF-8",
        PATH: `${home}/bin:${Deno.env.get("PATH") ?? ""}`,
        DENO_NO_UPDATE_CHECK: "1",
        CODER_URL: sandbox.url.href,
        CODER_SESSION_TOKEN: sandbox.token,
      },
      directory: home,
      size,
      keys,
    });
    if (code !== (picture.code ?? 0)) throw new Error(`${line} ended with ${code}:\n${shown}`);
    const end = picture.shotAt === undefined ? undefined : marks[picture.shotAt - 1];
    const screen = new Screen(size);
    screen.print(`\x1b[1;32m$\x1b[0m ${line}\r\n`);
    screen.print(shown.slice(0, end).replaceAll(home, HOME_SHOWN));
    return screen;
  } finally {
    await Deno.remove(home, { recursive: true });
  }
}

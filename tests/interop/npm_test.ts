/** The npm package as people get it: packed, installed by npm, started, and named in an SSH configuration. */
import { match, ok, strictEqual } from "node:assert/strict";
import { isInstalled, testWith } from "../live/check.ts";
import { OPENSSH_CHECKS } from "../live/checks/openssh.ts";
import { fromFileUrl } from "../live/names.ts";
import { type Exit, Process } from "../live/process.ts";
import { openSite, PEER_NEEDS } from "./site.ts";

const ROOT = fromFileUrl(new URL("../../", import.meta.url));
const NEEDS = ["sh", "npm", "node"].filter((program) => !isInstalled(program));
const WITHOUT_NODE = ["env", "PATH=/nowhere"];
/** npm makes a folder of 190 MB, on a machine that has other things to do. */
const LIMIT_MS = 300_000;

/** A folder that npm installs into. */
class Prefix implements AsyncDisposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "hawser-npm-" });
  readonly #env = Object.fromEntries(
    ["PATH", "HOME", "TMPDIR", "DENO_DIR", "npm_config_cache", "npm_config_registry"]
      .map((name) => [name, Deno.env.get(name) ?? ""]).filter(([, value]) => value !== ""),
  );

  /** Packs this checkout and installs what comes of it. */
  async install(...flags: readonly string[]): Promise<void> {
    await this.must([Deno.execPath(), "run", "-A", "--quiet", ".ci/npm.ts", this.folder]);
    const packed = [...Deno.readDirSync(this.folder)].map(({ name }) => name)
      .find((name) => name.endsWith(".tgz"));
    // What the tests themselves run in came from there: nothing need be fetched.
    const quiet = ["--prefer-offline", "--no-audit", "--no-fund", "--no-update-notifier"];
    await this.must(
      ["npm", "install", "-g", ...quiet, ...flags, "--prefix", this.folder].concat(
        `${this.folder}/${packed}`,
      ),
    );
  }

  get program(): string {
    return `${this.folder}/bin/hawser`;
  }

  async run(argv: readonly string[]): Promise<Exit> {
    const options = { cwd: ROOT, stdin: "null", limitMs: LIMIT_MS } as const;
    await using process = new Process(argv, { ...options, env: this.#env });
    return await process.exit();
  }

  async must(argv: readonly string[]): Promise<void> {
    const { code, stdout, stderr } = await this.run(argv);
    ok(code === 0, `${argv.join(" ")}: status ${code}: ${stdout}${stderr}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.folder, { recursive: true });
  }
}

testWith(
  "npm: the installed package starts without node, as soon as the bundle",
  NEEDS,
  async () => {
    await using prefix = new Prefix();
    await prefix.install();
    const version = await prefix.run([...WITHOUT_NODE, prefix.program, "--version"]);
    strictEqual(version.stderr, "");
    match(version.stdout, /^hawser v\d+\.\d+\.\d+\n$/);
    const [shebang = "", ...lines] = (await Deno.readTextFile(prefix.program)).split("\n");
    strictEqual(shebang, "#!/bin/sh");
    ok(lines.some((line) => line.includes(" exec ")), "nothing stays between OpenSSH and hawser");
    strictEqual((await prefix.run([prefix.program, "nonsense"])).code, 1);
  },
);

testWith(
  "npm: with install scripts switched off node starts it once, then nobody",
  NEEDS,
  async () => {
    await using prefix = new Prefix();
    await prefix.install("--ignore-scripts");
    ok((await Deno.readTextFile(prefix.program)).startsWith("#!/usr/bin/env node\n"));
    const first = await prefix.run([prefix.program, "nonsense"]);
    strictEqual(first.code, 1);
    ok(first.stderr.startsWith('hawser: unknown command "nonsense"\n'), first.stderr);
    const second = await prefix.run([...WITHOUT_NODE, prefix.program, "--version"]);
    match(second.stdout, /^hawser v\d/);
  },
);

testWith(
  "npm: the installed package, config-ssh and OpenSSH find the workspace",
  [...NEEDS, ...["ssh", ...PEER_NEEDS].filter((program) => !isInstalled(program))],
  async () => {
    await using prefix = new Prefix();
    await prefix.install();
    await using site = await openSite({ desk: { program: [prefix.program] } });
    const check = OPENSSH_CHECKS.find(({ name }) => name.includes("config-ssh"));
    ok(check !== undefined);
    await check.run(site.desk);
  },
);

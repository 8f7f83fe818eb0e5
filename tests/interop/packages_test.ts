/** Packages as people get them: made, installed or unpacked, started, and named in an SSH configuration. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { Sandbox } from "../../lib/sandbox/mod.ts";
import { isInstalled, testWith } from "../live/check.ts";
import { OPENSSH_CHECKS } from "../live/checks/openssh.ts";
import { Bench, succeeded } from "./package_bench.ts";
import { openSite, PEER_NEEDS } from "./site.ts";

/** All are fetched before the first line runs. */
const MAX_FILES = 30;
const WITHOUT_NODE = ["env", "PATH=/nowhere"];

const missing = (...programs: readonly string[]) => programs.filter((name) => !isInstalled(name));
const NPM_MISSING = missing("sh", "npm", "node");
const SITE_MISSING = missing("sh", "ssh", ...PEER_NEEDS);

/** OpenSSH finds the program in what it wrote. */
async function checkConfigSsh(program: string): Promise<void> {
  await using site = await openSite({ desk: { program: [program] } });
  const check = OPENSSH_CHECKS.find(({ name }) => name.includes("config-ssh"));
  ok(check !== undefined);
  await check.run(site.desk);
}

const START = "npm: the installed package starts without node, as soon as the bundle";
testWith(START, NPM_MISSING, async () => {
  await using bench = new Bench();
  const program = await bench.install();
  const version = await bench.run([...WITHOUT_NODE, program, "--version"]);
  strictEqual(version.stderr, "");
  match(version.stdout, /^hawser v\d+\.\d+\.\d+\n$/);
  const [shebang = "", ...lines] = (await Deno.readTextFile(program)).split("\n");
  strictEqual(shebang, "#!/bin/sh");
  ok(lines.some((line) => line.includes(" exec ")), "nothing stays between OpenSSH and hawser");
  strictEqual((await bench.run([program, "nonsense"])).code, 1);
});

const ONCE = "npm: with install scripts switched off node starts it once, then nobody";
testWith(ONCE, NPM_MISSING, async () => {
  await using bench = new Bench();
  const program = await bench.install("--ignore-scripts");
  ok((await Deno.readTextFile(program)).startsWith("#!/usr/bin/env node\n"));
  const first = await bench.run([program, "nonsense"]);
  strictEqual(first.code, 1);
  ok(first.stderr.startsWith('hawser: unknown command "nonsense"\n'), first.stderr);
  const second = await bench.run([...WITHOUT_NODE, program, "--version"]);
  match(second.stdout, /^hawser v\d/);
});

const FOUND = "npm: OpenSSH finds the workspace by what the installed package wrote";
testWith(FOUND, [...NPM_MISSING, ...SITE_MISSING], async () => {
  await using bench = new Bench();
  await checkConfigSsh(await bench.install());
});

const ANYWHERE = "archive: it runs wherever it is unpacked, through links, under OpenSSH";
testWith(ANYWHERE, [...missing("tar", "cp"), ...SITE_MISSING], async () => {
  await using bench = new Bench();
  succeeded(await bench.make("archives.ts", "here"));
  const place = `${bench.folder}/some where`;
  await Deno.mkdir(`${place}/bin`, { recursive: true });
  succeeded(await bench.run(["tar", "-C", place, "-xzf", bench.made()]));
  const [unpacked] = [...Deno.readDirSync(place)].filter(({ name }) => name !== "bin");
  await Deno.symlink(`../${unpacked?.name}/hawser`, `${place}/bin/middle`);
  await Deno.symlink(`${place}/bin/middle`, `${bench.folder}/hawser`);
  const version = await bench.run([`${bench.folder}/hawser`, "--version"]);
  match(version.stdout, /^hawser v\d/, version.stderr);
  await checkConfigSsh(`${bench.folder}/hawser`);
});

testWith("compile: the program links; where it can be whole it runs", [], async () => {
  await using bench = new Bench();
  succeeded(await bench.make("compile.ts", "--link-only"));
  // No way out: what is not cached cannot be fetched, and that is said.
  const made = await bench.make("compile.ts", "HTTPS_PROXY=http://127.0.0.1:1");
  if (made.code === 0) {
    const [executable] = [...Deno.readDirSync(bench.folder)];
    const version = await bench.run([`${bench.folder}/${executable?.name}`, "--version"]);
    match(version.stdout, /^hawser v\d/);
  } else {
    match(made.stdout, /: Deno's runtime for \S+ could not be fetched: error sending request/);
    match(made.stdout, /DENORT_BIN\nThe program itself links\n$/);
  }
});

/** OpenSSH starts from a URL what was started from there. */
async function checkUrl(program: readonly string[], bench: Bench): Promise<void> {
  await using sandbox = await Sandbox.start({
    workspaces: [{ name: "dev", agents: [{ name: "main", shell: "sh" }] }],
  });
  const env = [
    ...["env", `CODER_URL=${sandbox.url.href}`, `CODER_SESSION_TOKEN=${sandbox.token}`],
    ...[`CODER_CONFIG_DIR=${bench.folder}/coder`, program[0] ?? ""],
  ];
  const config = `${bench.folder}/ssh_config`;
  succeeded(
    await bench.run(
      [...env, ...program.slice(1), "config-ssh", "--yes", "--ssh-config-file", config],
    ),
  );
  match(await Deno.readTextFile(config), / --no-config .* http:\S+\/main\.js --global-config /);
  const there = await bench.run([...env, "ssh", "-F", config, "dev.coder", "echo over there"]);
  strictEqual(there.stdout, "over there\n", there.stderr);
}

testWith("bundle: from a URL it comes in few pieces, and all of it is there", [], async () => {
  await using bench = new Bench();
  const folder = `${bench.folder}/bundle`;
  succeeded(
    await bench.run([Deno.execPath(), "run", "-A", "--quiet", ".ci/bundle.ts", folder]),
  );
  const asked: string[] = [];
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    (request) => {
      const name = new URL(request.url).pathname.slice(1);
      asked.push(name);
      return Deno.readFile(`${folder}/${name}`).then(
        (code) => new Response(code, { headers: { "Content-Type": "text/javascript" } }),
        () => new Response(null, { status: 404 }),
      );
    },
  );
  const url = `http://127.0.0.1:${server.addr.port}/main.js`;
  // A cache of its own, in which nothing of it is.
  const run = [`DENO_DIR=${bench.folder}/deno`, Deno.execPath(), "run", "--quiet", "--no-prompt"];
  const help = await bench.run(["env", ...run, "--allow-net", "--allow-env", url, "ssh", "--help"]);
  ok(help.stdout.startsWith("USAGE:\n  hawser ssh"), help.stderr);
  const files = [...Deno.readDirSync(folder)].map(({ name }) => name);
  deepStrictEqual(asked.toSorted(), files.toSorted());
  ok(files.length <= MAX_FILES, `${files.length} files`);
  const demo = await bench.run([
    "env",
    ...run,
    "-A",
    "--unstable-net",
    url,
    "demo",
    "echo in; exit 5",
  ]);
  deepStrictEqual({ code: demo.code, stdout: demo.stdout }, { code: 5, stdout: "in\n" });
  if (isInstalled("ssh")) await checkUrl([...run, "-A", "--unstable-net", url], bench);
});

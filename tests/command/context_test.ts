/** Several deployments side by side: contexts from login to logout, against two sandboxes that write down what they are told. */
import { deepStrictEqual, doesNotMatch, match, ok, strictEqual } from "node:assert/strict";
import { Sandbox } from "../../lib/sandbox/mod.ts";
import { type CommandOptions, runToEnd } from "../support/command_host.ts";
import { HAS_SSH, sshOptionsOf } from "./config_ssh_support.ts";
import { WORKSPACE } from "./support.ts";

class Sides implements AsyncDisposable {
  readonly dir = Deno.makeTempDirSync({ prefix: "hawser-context-" });
  readonly a: Sandbox;
  readonly b: Sandbox;

  constructor(a: Sandbox, b: Sandbox) {
    this.a = a;
    this.b = b;
  }

  get config(): string {
    return `${this.dir}/cfg`;
  }

  run(args: readonly string[], options: CommandOptions = {}) {
    return runToEnd(args, { ...options, env: { CODER_CONFIG_DIR: this.config, ...options.env } });
  }

  async ok(args: readonly string[], options: CommandOptions = {}): Promise<string> {
    const { code, stdout, stderr } = await this.run(args, options);
    strictEqual(code, 0, stderr);
    return stdout;
  }

  /** Logs in to `a` as the default, and to `b` as `work`. */
  async logIn(): Promise<void> {
    await this.ok(["login", "--use-token-as-session", "--token", this.a.token, this.a.url.origin]);
    await this.ok([
      "login",
      "--context",
      "work",
      "--use-token-as-session",
      "--token",
      this.b.token,
      this.b.url.origin,
    ]);
  }

  /** What a deployment was told as a session token. */
  tokensAt(sandbox: Sandbox): Set<string> {
    return new Set(
      sandbox.api.requests.map(({ headers }) => headers.get("coder-session-token") ?? "")
        .filter((token) => token !== ""),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.dir, { recursive: true });
  }
}

function sidesTest(name: string, body: (sides: Sides) => Promise<void>): void {
  Deno.test(name, async () => {
    await using a = await Sandbox.start({ user: "myuser", workspaces: [WORKSPACE] });
    await using b = await Sandbox.start({ user: "worker", workspaces: [WORKSPACE] });
    await using sides = new Sides(a, b);
    await body(sides);
  });
}

sidesTest("login --context makes one, and each command goes where it is told", async (sides) => {
  await sides.logIn();
  const { a, b } = sides;
  const who = (args: string[], env = {}) => sides.ok(["whoami", ...args], { env });
  match(await who([]), /authenticated as myuser/);
  match(await who(["--context", "work"]), /authenticated as worker/);
  match(await who([], { HAWSER_CONTEXT: "work" }), /authenticated as worker/);
  strictEqual(await sides.ok(["login", "token", "--context=work"]), `${b.token}\n`);
  strictEqual(
    await sides.ok(["ssh", "--context", "work", "myworkspace", "echo", "in"]),
    "in\n",
  );
  const folder = `${sides.config}/contexts/work`;
  for (
    const [path, mode] of [[folder, 0o700], [`${folder}/session`, 0o600], [
      `${folder}/url`,
      0o600,
    ]] as const
  ) {
    strictEqual((Deno.statSync(path).mode ?? 0) & 0o777, mode);
  }
  const env = { CODER_URL: a.url.href, CODER_SESSION_TOKEN: a.token };
  match(await who(["--context", "work"], env), /authenticated as worker/);
  match(
    await sides.ok(["list", "--context", "work", "-v"], { env }),
    /worker\/myworkspace/,
  );
  const refused = await sides.run(["whoami", "--url", b.url.href], { env });
  strictEqual(refused.code, 1);
  match(refused.stderr, /CODER_SESSION_TOKEN is for "http:.*not for http:/);
  deepStrictEqual([...sides.tokensAt(a)], [a.token]);
  deepStrictEqual([...sides.tokensAt(b)], [b.token]);
});

sidesTest("context list, use, rename and remove", async (sides) => {
  await sides.logIn();
  const { a, b } = sides;
  const list = async () => JSON.parse(await sides.ok(["context", "list", "-o", "json"]));
  const [at, there] = [a.url.origin, b.url.origin];
  deepStrictEqual(await list(), [
    { name: "default", url: at, in_use: true, folder: sides.config },
    { name: "work", url: there, in_use: false, folder: `${sides.config}/contexts/work` },
  ]);
  strictEqual(await sides.ok(["context", "use", "work"]), 'Commands use context "work" now.\n');
  match(await sides.ok(["whoami"]), /worker/);
  match(await sides.ok(["context", "ls"]), /^default {2}no {6}http\S+ {2}\nwork {5}yes {5}http/m);
  strictEqual((Deno.statSync(`${sides.config}/context`).mode ?? 0) & 0o777, 0o600);
  strictEqual(
    await sides.ok(["context", "rename", "work", "office"]),
    'Context "work" is called "office" now.\n',
  );
  match(await sides.ok(["whoami"]), /worker/);
  const failing = async (args: string[], message: RegExp) => {
    const { code, stderr } = await sides.run(["context", ...args]);
    strictEqual(code, 1);
    match(stderr, message);
  };
  await failing(["use", "work"], /There is no context "work"\n/);
  await failing(["use", "../x"], /"\.\.\/x" is no name of a context/);
  await failing(["rename", "default", "x"], /The context "default" is the coder command's login/);
  await failing(["rename", "office", "default"], /The context "default" is/);
  await failing(["rename", "gone", "x"], /There is no context "gone"/);
  Deno.mkdirSync(`${sides.config}/contexts/other`);
  await failing(["rename", "office", "other"], /There is a context "other" already/);
  await failing(["remove", "default"], /hawser logout --context default/);
  await failing(["remove", "office"], /error: EOF\n--yes asks nothing/);
  ok((await list()).some(({ name }: { name: string }) => name === "office"));
  strictEqual(
    await sides.ok(["context", "remove", "office", "-y"]),
    'Context "office" is forgotten.\n',
  );
  match(await sides.ok(["whoami"]), /myuser/);
  deepStrictEqual((await list()).map(({ name }: { name: string }) => name), ["default", "other"]);
});

sidesTest("login while a named context is in use does not make it another's", async (sides) => {
  await sides.logIn();
  await sides.ok(["context", "use", "work"]);
  const again = ["login", "--use-token-as-session", "--token"];
  const { code, stderr } = await sides.run([...again, sides.a.token, sides.a.url.origin]);
  strictEqual(code, 1);
  match(
    stderr,
    /The context in use, "work", is of http:.*, not of http:.*\nName one for it: --context/,
  );
  await sides.ok([...again, sides.b.token]);
  // Said aloud it may.
  const said = await sides.run([...again, sides.a.token, "--context", "work", sides.a.url.origin]);
  match(
    said.stderr,
    /^The login to http:\S+ was replaced\.\nKept as context "work": --context work/,
  );
  match(await sides.ok(["whoami"]), /myuser/);
  deepStrictEqual([...sides.tokensAt(sides.b)], [sides.b.token]);
});

sidesTest(
  "login in a context asks for its own token, whatever the environment holds",
  async (sides) => {
    const { a, b } = sides;
    const env = { CODER_URL: a.url.href, CODER_SESSION_TOKEN: a.token };
    const asked = await sides.run(["login", "--context", "w", b.url.origin], {
      env,
      stdin: `${b.token}\n`,
    });
    strictEqual(asked.code, 0, asked.stderr);
    match(await sides.ok(["whoami", "--context", "w"], { env }), /worker/);
    const kept = await sides.run(
      ["login", "--context", "v", "--use-token-as-session", b.url.origin],
      { env: { CODER_SESSION_TOKEN: b.token } },
    );
    strictEqual(kept.code, 0, kept.stderr);
    const foreign = await sides.run(["login", "--use-token-as-session", b.url.origin], { env });
    match(foreign.stderr, /CODER_SESSION_TOKEN is for "http/);
    deepStrictEqual([...sides.tokensAt(b)], [b.token]);
  },
);

sidesTest("logout --context forgets that login alone", async (sides) => {
  await sides.logIn();
  await sides.ok(["logout", "--context", "work", "-y"]);
  match(await sides.ok(["whoami"]), /myuser/);
  const { stderr } = await sides.run(["whoami", "--context", "work"]);
  match(
    stderr,
    /You are not logged in in context "work"\nLog in: hawser login --context work <url>/,
  );
  match(await sides.ok(["context", "list"]), /work {5}no {6}not logged in/);
});

sidesTest("-v says which context is used", async (sides) => {
  await sides.logIn();
  const said = async (args: string[]) => (await sides.run([...args, "-v"])).stderr;
  for (
    const command of [["list"], ["whoami"], ["ssh", "myworkspace", "true"], [
      "ping",
      "myworkspace",
      "-n",
      "1",
    ]]
  ) {
    match(
      await said(command),
      /^\+ +\d+ms context {2}name=default {2}by=nobody {2}folder=\S+ {2}deployment=http/m,
    );
    match(
      await said([...command, "--context=work"]),
      /context {2}name=work {2}by=--context {2}folder=\S+contexts\/work /,
    );
  }
});

sidesTest("config-ssh names the context, and what it wrote stays where it led", async (sides) => {
  await sides.logIn();
  const file = `${sides.dir}/ssh_config`;
  const write = ["config-ssh", "-y", "--ssh-config-file", file];
  await sides.ok(write);
  doesNotMatch(Deno.readTextFileSync(file), /--context/);
  await sides.ok(["context", "use", "work"]);
  // The section's own words, whatever is in use and in the environment.
  const carried = ["--global-config", sides.config, "ssh", "--stdio", "myworkspace"];
  const before = sides.b.api.requests.length;
  await sides.run(carried, { stdin: "SSH-2.0-test\r\n", env: { HAWSER_CONTEXT: "work" } });
  strictEqual(sides.b.api.requests.length, before);
  await sides.ok(write);
  match(
    Deno.readTextFileSync(file),
    new RegExp(`ProxyCommand .* --global-config ${sides.config} --context work ssh --stdio`),
  );
  await sides.ok(["context", "use", "default"]);
  await sides.run([...carried, "--context", "work"], { stdin: "SSH-2.0-test\r\n" });
  ok(sides.b.api.requests.length > before);
});

sidesTest(
  "two contexts have a file each, and each host leads to its own (docs/ssh-config.md)",
  async (sides) => {
    await sides.logIn();
    const [file, work] = [`${sides.dir}/config`, `${sides.dir}/config.work`];
    const program = { program: ["/nowhere/hawser"] }; // so Coder Connect is not there, as ssh(1) sees it
    await sides.ok(["config-ssh", "-y", "--ssh-config-file", file], program);
    const names = ["--ssh-host-prefix", "work.", "--hostname-suffix", "work"];
    const words = ["config-ssh", "-y", "--context", "work", "--ssh-config-file", work, ...names];
    await sides.ok(words, program);
    await Deno.writeTextFile(file, `Include ${work}\n${await Deno.readTextFile(file)}`);
    if (!HAS_SSH) return;
    for (const host of ["dev.work", "work.dev", "dev.coder", "coder.dev"]) {
      const proxy = (await sshOptionsOf(file, host)).get("proxycommand") ?? "";
      const isWork = host.includes("work");
      deepStrictEqual([host, proxy.includes(" --context work ")], [host, isWork]);
      match(proxy, / ssh --stdio --/);
    }
  },
);

sidesTest("context list and remove with what lies in the way", async (sides) => {
  await sides.logIn();
  const contexts = `${sides.config}/contexts`;
  Deno.symlinkSync("loop", `${contexts}/loop`);
  Deno.mkdirSync(`${contexts}/huge`);
  Deno.writeTextFileSync(`${contexts}/huge/url`, "x".repeat(70_000));
  Deno.mkdirSync(`${contexts}/named`);
  Deno.writeTextFileSync(`${contexts}/named/url`, "https://me:secret@a.example/\u202e\x1b[2J");
  Deno.mkdirSync(`${contexts}/not a name`);
  Deno.writeTextFileSync(`${contexts}/file`, "");
  Deno.mkdirSync(`${sides.dir}/elsewhere`);
  Deno.writeTextFileSync(`${sides.dir}/elsewhere/mine`, "mine");
  Deno.symlinkSync(`${sides.dir}/elsewhere`, `${contexts}/linked`);
  Deno.mkdirSync(`${contexts}/full/sub`, { recursive: true });
  Deno.writeTextFileSync(`${contexts}/full/session`, "s");
  const table = await sides.ok(["context", "list"]);
  deepStrictEqual(
    table.split("\n").map((line) => line.split(" ")[0]),
    ["NAME", "default", "full", "huge", "linked", "loop", "named", "work", ""],
  );
  match(table, /^huge .*70000 bytes exceed 65536/m);
  match(table, /^loop .*Cannot read the configuration file/m);
  // deno-lint-ignore no-control-regex -- nothing of it may reach a terminal
  doesNotMatch(table, /secret|\x1b|\u202e/);
  const full = await sides.run(["context", "remove", "full", "-y"]);
  match(full.stderr, /"\S+\/full\/sub" is no part of a login: nothing was removed/);
  strictEqual(Deno.readTextFileSync(`${contexts}/full/session`), "s");
  for (const name of ["linked", "loop", "huge"]) await sides.ok(["context", "remove", name, "-y"]);
  strictEqual(Deno.readTextFileSync(`${sides.dir}/elsewhere/mine`), "mine");
  Deno.writeTextFileSync(`${sides.config}/context`, "\x1b]0;x\x07");
  const damaged = await sides.run(["context", "list"]);
  strictEqual(damaged.code, 0);
  match(damaged.stderr, /names no context\. Choose one anew: hawser context use default/);
  match((await sides.run(["whoami"])).stderr, /names no context\nChoose one anew/);
  await sides.ok(["context", "use", "default"]);
  match(await sides.ok(["whoami"]), /myuser/);
});

/** Host keys as the whole command treats them: files as people have them, and deployments that say what suits them. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { HostError } from "../../lib/base/host.ts";
import { hmacSha1 } from "../../lib/crypto/sha1.ts";
import { textAnswer } from "../../lib/sandbox/http/messages.ts";
import type { CommandOptions, CommandResult } from "../support/command_host.ts";
import { startCommand } from "../support/command_host.ts";
import { commandTest, type Desk, TERMINAL } from "./support.ts";
import { checkClean, checkFailure } from "./support_bad.ts";

const NEVER = "Set HOME or CODER_CONFIG_DIR, or name a file with --known-hosts";

/** A known_hosts file, and the command with it. */
class KnownHosts implements AsyncDisposable {
  readonly #desk: Desk;
  readonly folder: string;
  readonly path: string;

  constructor(desk: Desk) {
    this.#desk = desk;
    this.folder = Deno.makeTempDirSync({ prefix: "hawser-known-" });
    this.path = `${this.folder}/known hosts`;
  }

  get text(): string {
    return Deno.readTextFileSync(this.path);
  }

  set text(text: string) {
    Deno.writeTextFileSync(this.path, text);
  }

  /** The names, type and key of the last line. */
  get lastLine(): string[] {
    return this.text.trimEnd().split("\n").at(-1)?.split(" ") ?? [];
  }

  run(
    policy: string,
    { workspace = "myworkspace", ...options }: CommandOptions & { workspace?: string } = {},
  ): Promise<CommandResult> {
    const args = ["--known-hosts", this.path, `--host-key-check=${policy}`];
    return this.#desk.run([...args, workspace, "echo in"], options);
  }

  /** Records the key that the agent has now. */
  async pin(): Promise<void> {
    deepStrictEqual(await this.run("accept-new"), { code: 0, stdout: "in\n", stderr: "" });
  }

  /** Refused by both policies that refuse, with nothing run and nothing written. */
  async refuses(message: RegExp, workspace = "myworkspace"): Promise<void> {
    const before = this.text;
    for (const policy of ["accept-new", "yes"]) {
      const result = await this.run(policy, { workspace });
      strictEqual(result.code, 255, result.stderr);
      checkClean(result);
      match(result.stderr, message);
    }
    strictEqual(this.text, before);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.folder, { recursive: true });
  }
}

/** The agent has another key from now on, as if somebody else answered. */
async function changeKey({ sandbox }: Desk): Promise<void> {
  sandbox.workspace.changeHostKey("dev");
  await sandbox.workspace.agent().restart();
}

function hashed(name: string): string {
  const salt = new Uint8Array(20).fill(name.length);
  const hash = hmacSha1(salt, new TextEncoder().encode(name.toLowerCase()));
  return `|1|${salt.toBase64()}|${hash.toBase64()}`;
}

const CHANGED = /REMOTE HOST IDENTIFICATION HAS CHANGED/;

commandTest(
  "A host key is pinned by workspace id and by names, with a word for people",
  async (desk) => {
    await using known = new KnownHosts(desk);
    await known.pin();
    const { workspace, url } = desk.sandbox;
    const [names, type, , comment] = known.lastLine;
    const byId = `[dev.${workspace.id}.127.0.0.1]:${url.port}`;
    const byDisplay = `dev.myworkspace.myuser.127.0.0.1_${url.port}`;
    strictEqual(names, `${byId},${byDisplay}`);
    strictEqual(type, "ssh-ed25519");
    strictEqual(comment, "myuser/myworkspace.dev");
    strictEqual((await known.run("yes")).code, 0);
  },
);

commandTest("A host key that changed is refused, and the way to accept it told", async (desk) => {
  await using known = new KnownHosts(desk);
  await known.pin();
  await changeKey(desk);
  await known.refuses(CHANGED);
  const { stderr } = await known.run("accept-new", { terminal: TERMINAL });
  match(stderr, /by hand or with: ssh-keygen -f '.*known hosts' -R 'dev\.myworkspace\.myuser\./);
});

commandTest("A changed host key that is let in anyway is told line by line", async (desk) => {
  await using known = new KnownHosts(desk);
  await known.pin();
  await changeKey(desk);
  const { code, stdout, stderr } = await known.run("no");
  deepStrictEqual({ code, stdout }, { code: 0, stdout: "in\n" });
  const lines = stderr.split("\n");
  deepStrictEqual(lines.slice(0, 4), [
    "@".repeat(59),
    "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @",
    "@".repeat(59),
    "IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!",
  ]);
  match(lines[8] ?? "", /^Offending key for dev\.myworkspace\.myuser\..* in .*known hosts:1$/);
  strictEqual(lines.length, 10);
});

commandTest("A pin counts whatever the deployment says of the agent's version", async (desk) => {
  await using known = new KnownHosts(desk);
  await known.pin();
  await changeKey(desk);
  desk.sandbox.settings.version = "v2.19.0";
  await known.refuses(CHANGED);
});

commandTest(
  "A revoked key is refused whatever the deployment says of the agent's version",
  async (desk) => {
    await using known = new KnownHosts(desk);
    await known.pin();
    const [, type, key] = known.lastLine;
    known.text = `@revoked * ${type} ${key}\n`;
    for (const version of ["v2.36.0", "v2.19.0"]) {
      desk.sandbox.settings.version = version;
      await known.refuses(/error: The host key of .* is marked as revoked in .*known hosts:1\n/);
      strictEqual((await known.run("no")).code, 255);
    }
  },
);

commandTest(
  "Strict checking needs a pin, of old agents as well, which are not recorded",
  async (desk) => {
    await using known = new KnownHosts(desk);
    known.text = "";
    desk.sandbox.settings.version = "v2.19.0";
    const strict = await known.run("yes");
    strictEqual(strict.code, 255);
    match(
      strict.stderr,
      /error: No host key is known for .*\nAgent v2\.19\.0 is older than v2\.20 /,
    );
    await known.pin();
    strictEqual(known.text, "");
  },
);

const BY_NAME = "GET /users/{user}/workspace/{workspacename}";
const BY_ID = "GET /workspaces/{workspace}";

/** The deployment answers a question for the workspace with these names, or another id, instead. */
async function answerWith({ sandbox }: Desk, route: string, changes: object): Promise<void> {
  const url = new URL(`/api/v2/workspaces/${sandbox.workspace.id}`, sandbox.url);
  const answer = await fetch(url, { headers: { "Coder-Session-Token": sandbox.token } });
  const body: Record<string, unknown> = await answer.json();
  const text = JSON.stringify({ ...body, ...changes });
  sandbox.api.override(route, textAnswer(200, text, "application/json"));
}

commandTest(
  "Other names for a workspace that was asked for by id give no fresh start",
  async (desk) => {
    await using known = new KnownHosts(desk);
    await known.pin();
    await changeKey(desk);
    await answerWith(desk, BY_ID, { name: "dev2", owner_name: "else" });
    await known.refuses(CHANGED, desk.sandbox.workspace.id);
  },
);

commandTest(
  "Another id for a workspace that was asked for by name gives no fresh start",
  async (desk) => {
    await using known = new KnownHosts(desk);
    await known.pin();
    await changeKey(desk);
    await answerWith(desk, BY_NAME, { id: crypto.randomUUID() });
    await known.refuses(CHANGED);
  },
);

commandTest("Another workspace than the one that was asked for is refused", async (desk) => {
  const rows = [
    { asked: "myworkspace", changes: { name: "dev2" }, answered: "myuser/dev2" },
    { asked: "myuser/myworkspace", changes: { owner_name: "else" }, answered: "else/myworkspace" },
  ];
  for (const { asked, changes, answered } of rows) {
    await answerWith(desk, BY_NAME, changes);
    const result = await desk.run([asked, "echo in"]);
    const name = asked.includes("/") ? asked : `me/${asked}`;
    checkFailure(result, [
      `error: asked for workspace "${name}", the deployment answered with "${answered}"`,
      "Do not trust it, and tell its administrator",
    ]);
    desk.sandbox.api.restore(BY_NAME);
  }
  const { id } = desk.sandbox.workspace;
  await answerWith(desk, BY_ID, { id: crypto.randomUUID() });
  match(
    (await desk.run([id, "echo in"])).stderr,
    /error: asked for workspace ".*", the deployment/,
  );
});

commandTest("Hashed lines count, for the key they hold and against any other", async (desk) => {
  await using known = new KnownHosts(desk);
  await known.pin();
  const [names = "", type, key] = known.lastLine;
  for (const name of names.split(",")) {
    known.text = `# hashed\r\n${hashed(name)} ${type} ${key}\r\n`;
    const { code, stdout } = await known.run("yes");
    deepStrictEqual({ code, stdout }, { code: 0, stdout: "in\n" });
  }
  known.text = names.split(",").map((name) => `${hashed(name)} ${type} ${key}\n`).join("");
  await changeKey(desk);
  await known.refuses(CHANGED);
});

commandTest(
  "A pin of version 0.1 counts, and the file keeps its lines, line ends and mode",
  async (desk) => {
    await using known = new KnownHosts(desk);
    await known.pin();
    const [names = "", type, key] = known.lastLine;
    const before = `# mine\r\n\r\n${names.split(",")[1]} ${type} ${key} \r\nother ${type} ${key}`;
    known.text = before;
    if (Deno.build.os !== "windows") await Deno.chmod(known.path, 0o644);
    strictEqual((await known.run("yes")).code, 0);
    strictEqual(
      known.text,
      `${before}\n${names.split(",")[0]} ${type} ${key} myuser/myworkspace.dev\n`,
    );
    if (Deno.build.os !== "windows") {
      strictEqual(((await Deno.stat(known.path)).mode ?? 0) & 0o777, 0o644);
    }
    await changeKey(desk);
    await known.refuses(CHANGED);
  },
);

const readOnly = (path: string) =>
  Promise.reject(new HostError("read-only", `open ${path}: read-only file system`));

commandTest(
  "known_hosts that cannot be written costs a line, the session goes on",
  async (desk) => {
    const { code, stdout, stderr } = await desk.run(["myworkspace", "echo in"], {
      files: { writeText: readOnly, mkdir: readOnly },
    });
    deepStrictEqual({ code, stdout }, { code: 0, stdout: "in\n" });
    match(
      stderr,
      /^Failed to add the host to the list of known hosts: open .+: read-only file system\n$/,
    );
  },
);

commandTest(
  "A folder in the place of known_hosts is said, and refused under strict checking",
  async (desk) => {
    await using known = new KnownHosts(desk);
    await Deno.mkdir(known.path);
    const { code, stdout, stderr } = await known.run("accept-new");
    deepStrictEqual({ code, stdout }, { code: 0, stdout: "in\n" });
    match(
      stderr,
      /^Cannot read the known hosts file, so host keys are not checked: open .*known hosts: is a directory\n$/,
    );
    strictEqual((await known.run("yes")).code, 255);
  },
);

commandTest(
  "No home folder: no pins, said aloud, and never in the folder of temporary files",
  async (desk) => {
    const homeless = { homeDir: null, env: { ...desk.env, CODER_CONFIG_DIR: "" } } as const;
    const run = async (...flags: string[]) => {
      await using command = startCommand(["ssh", ...flags, "myworkspace", "echo in"], {
        stdin: "",
        ...homeless,
      });
      // The folder of temporary files: what others put there is not asked, either.
      const planted = `${command.folder}/hawser_known_hosts`;
      await Deno.writeTextFile(planted, "@revoked * ssh-ed25519 AAAA\n");
      const result = await command.result();
      const pins = [...Deno.readDirSync(command.folder)].filter(({ name }) =>
        name.includes("known")
      );
      strictEqual(pins.length, 1);
      strictEqual(await Deno.readTextFile(planted), "@revoked * ssh-ed25519 AAAA\n");
      return result;
    };
    deepStrictEqual(await run(), {
      code: 0,
      stdout: "in\n",
      stderr: `Host keys are not remembered: no home folder is known. ${NEVER}\n`,
    });
    deepStrictEqual(await run("--host-key-check=no"), { code: 0, stdout: "in\n", stderr: "" });
    const strict = await run("--host-key-check=yes");
    strictEqual(strict.code, 255);
    match(strict.stderr, /error: No host key is known for /);
    ok(strict.stderr.endsWith(`Host keys are not remembered: no home folder is known. ${NEVER}\n`));
  },
);

commandTest("--known-hosts none remembers nothing, as UserKnownHostsFile none", async (desk) => {
  const args = ["--known-hosts", "none", "myworkspace", "echo in"];
  deepStrictEqual(await desk.run(args), { code: 0, stdout: "in\n", stderr: "" });
  strictEqual((await desk.run(["--host-key-check=yes", ...args])).code, 255);
});

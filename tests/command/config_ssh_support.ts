/** `hawser config-ssh` against a sandbox, on a file of the test's own, read back by OpenSSH. */
import { Sandbox, type SandboxOptions } from "../../lib/sandbox/mod.ts";
import { type CommandOptions, type CommandResult, runToEnd } from "../support/command_host.ts";
import { WORKSPACE } from "./support.ts";

export const HEADER_START = [
  "# ------------START-CODER-----------",
  "# This section is managed by coder. DO NOT EDIT.",
  "#",
  "# You should not hand-edit this section unless you are removing it, all",
  '# changes will be lost when running "coder config-ssh".',
  "#",
].join("\n");
export const HEADER_END = "# ------------END-CODER------------";
export const BASE_HEADER = `${HEADER_START}\n${HEADER_END}`;

/** A folder with `.ssh/config` in it, and a deployment. */
export class ConfigDesk implements AsyncDisposable {
  readonly sandbox: Sandbox;
  readonly home = Deno.makeTempDirSync({ prefix: "hawser-config-ssh-" });

  private constructor(sandbox: Sandbox) {
    this.sandbox = sandbox;
  }

  static async open(options: SandboxOptions = {}): Promise<ConfigDesk> {
    const desk = new ConfigDesk(
      await Sandbox.start({ user: "myuser", workspaces: [WORKSPACE], ...options }),
    );
    await Deno.mkdir(`${desk.home}/bin`);
    await Deno.writeTextFile(desk.program, "");
    return desk;
  }

  get path(): string {
    return `${this.home}/.ssh/config`;
  }

  /** Stands where PATH looks. */
  get program(): string {
    return `${this.home}/bin/hawser`;
  }

  /** What stands before the flags of `ssh` in every `ProxyCommand`. */
  get proxy(): string {
    return `${this.program} --global-config ${this.home}/cfg`;
  }

  async put(text: string | Uint8Array): Promise<void> {
    await Deno.mkdir(`${this.home}/.ssh`, { recursive: true, mode: 0o700 });
    if (typeof text === "string") await Deno.writeTextFile(this.path, text);
    else await Deno.writeFile(this.path, text);
  }

  async text(): Promise<string> {
    return await Deno.readTextFile(this.path);
  }

  async run(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    return await runToEnd(["config-ssh", "--ssh-config-file", this.path, ...args], {
      program: [this.program],
      ...options,
      env: {
        CODER_URL: this.sandbox.url.href,
        CODER_SESSION_TOKEN: this.sandbox.token,
        CODER_CONFIG_DIR: `${this.home}/cfg`,
        PATH: `/nowhere:${this.home}/bin:/bin`,
        ...options.env,
      },
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sandbox[Symbol.asyncDispose]();
    await Deno.remove(this.home, { recursive: true });
  }
}

export const HAS_SSH = await (async () => {
  try {
    return (await new Deno.Command("ssh", { args: ["-V"], stderr: "null" }).output()).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
})();
if (!HAS_SSH) {
  // deno-lint-ignore no-console -- a test that is left out says so
  console.warn("no ssh on this machine: what it makes of the written files is not looked at");
}

/** What OpenSSH makes of a host with this file: each keyword's first value. Throws its words when it refuses the file. */
export async function sshOptionsOf(path: string, host: string): Promise<Map<string, string>> {
  const { success, stdout, stderr } = await new Deno.Command("ssh", {
    args: ["-G", "-F", path, host],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  const options = new Map<string, string>();
  for (const line of new TextDecoder().decode(stdout).split("\n")) {
    const [, key = "", value = ""] = /^(\S+) (.*)$/.exec(line) ?? [];
    if (!options.has(key)) options.set(key, value);
  }
  return options;
}

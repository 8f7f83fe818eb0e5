/** `hawser ssh` as a whole against a sandbox: upstream's set-up of user, workspace and agent, and short ways to run it. */
import { isEarly } from "../../lib/base/version.ts";
import { Sandbox, type SandboxOptions, type WorkspaceSpec } from "../../lib/sandbox/mod.ts";
import {
  type CommandOptions,
  type CommandResult,
  type CommandRun,
  runToEnd,
  startCommand,
} from "../support/command_host.ts";

export const SHELL = { name: "dev", shell: "/bin/sh" } as const;

/** Upstream's `setupWorkspaceForAgent`: user `myuser`, workspace `myworkspace`, agent `dev`. */
export const WORKSPACE: WorkspaceSpec = { name: "myworkspace", agents: [SHELL] };

/** Runs commands against one deployment. */
export class Desk {
  readonly sandbox: Sandbox;

  constructor(sandbox: Sandbox) {
    this.sandbox = sandbox;
  }

  /** Where the deployment is and who we are. */
  get env(): Readonly<Record<string, string>> {
    return { CODER_URL: this.sandbox.url.href, CODER_SESSION_TOKEN: this.sandbox.token };
  }

  start(args: readonly string[], options: CommandOptions = {}): CommandRun {
    return startCommand(["ssh", ...args], { ...options, env: { ...this.env, ...options.env } });
  }

  /** Any command, named by its first words, without `stdin` with empty input. */
  runAny(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    return runToEnd(args, { ...options, env: { ...this.env, ...options.env } });
  }

  /** Any command, to be watched while it runs. */
  startAny(args: readonly string[], options: CommandOptions = {}): CommandRun {
    return startCommand(args, { ...options, env: { ...this.env, ...options.env } });
  }

  /** Without `stdin` the input is empty. */
  run(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    return runToEnd(["ssh", ...args], { ...options, env: { ...this.env, ...options.env } });
  }
}

/** A test with a deployment of its own. */
export function commandTest(
  name: string,
  body: (desk: Desk) => Promise<void>,
  options: SandboxOptions = {},
): void {
  Deno.test(name, async () => {
    await using sandbox = await Sandbox.start({
      user: "myuser",
      workspaces: [WORKSPACE],
      ...options,
    });
    await body(new Desk(sandbox));
  });
}

/** The first release that is known, the last that coordinates by JSON and is, the first that does not, and the newest. */
export const RELEASES = ["v0.24.0", "v2.5.1", "v2.8.0", "v2.36.0"] as const;

/** The two that are furthest apart, for what has little to do with the release and takes long. */
export const FAR_RELEASES = [RELEASES[0], RELEASES[3]] as const;

/** Those at which a stopped workspace is started. */
export const STARTING_RELEASES = RELEASES.filter((version) => !isEarly(version));

/** What says that the agent has not come, at any release. */
export const AWAITS_AGENT = /Waiting for (the workspace agent to connect|connection from dev)/;

/** A test at each release of the server, with agents of the same. */
export function commandTestAtEach(
  name: string,
  body: (desk: Desk) => Promise<void>,
  options: SandboxOptions = {},
  releases: readonly string[] = RELEASES,
): void {
  for (const version of releases) {
    const settings = { ...options.settings, version };
    commandTest(`${version}: ${name}`, body, { ...options, settings });
  }
}

export const TERMINAL = { columns: 80, rows: 24 } as const;

/** Ways to write the folder of a `Home`. */
export const HOME_FORMS = ["~", "$HOME", "${HOME}", "$MINE", "${MINE}"];

/** Somebody's home, and ways to write a file in it. */
export class Home implements AsyncDisposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "hawser-home-" });
  readonly #desk: Desk;

  constructor(desk: Desk) {
    this.#desk = desk;
  }

  run(
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<CommandResult> {
    return this.#desk.run(args, { homeDir: this.folder, env: { MINE: this.folder, ...env } });
  }

  has(name: string): boolean {
    return [...Deno.readDirSync(this.folder)].some((entry) => entry.name === name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.folder, { recursive: true });
  }
}

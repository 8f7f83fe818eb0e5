/**
 * Somebody's desk before a deployment: a home folder of its own, a configuration of OpenSSH that knows one host,
 * `workspace`, reached by the program under test, and a temporary folder in the workspace. Nothing of the real home is
 * seen or touched.
 *
 * The program under test is this checkout, or what `HAWSER_PROGRAM` says (words separated by spaces): a compiled
 * executable, say, or the official CLI.
 */
import { ok } from "node:assert/strict";
import { denoDir } from "../support/deno_dir.ts";
import { fromFileUrl, shellQuote } from "./names.ts";
import { type Exit, Process, type StartOptions } from "./process.ts";

/** Where a deployment is and who we are there. */
export interface Deployment {
  readonly url: string;
  readonly token: string;
  readonly workspace: string;
}

export interface DeskOptions {
  /** Behind `ssh` whenever the program is called. @default none */
  readonly flags?: readonly string[];
  /** The program under test, in words. @default see above */
  readonly program?: readonly string[];
  /** In front of them, as of a program that runs it elsewhere. @default none */
  readonly within?: readonly string[];
}

type RunOptions = Partial<StartOptions>;

/** What of our own environment a program may see. */
const PASSED_ENV = ["PATH", "TMPDIR", "LANG", "SSL_CERT_FILE", "DENO_CERT", "DENO_TLS_CA_STORE"];

export class Desk implements AsyncDisposable {
  readonly deployment: Deployment;
  /** The home folder, absolute; free for the checks. */
  readonly home: string;
  readonly env: Readonly<Record<string, string>>;
  readonly #words: readonly string[];
  readonly #program: readonly string[];
  #remoteDir: Promise<string> | undefined;
  #names = 0;

  static async open(deployment: Deployment, options: DeskOptions = {}): Promise<Desk> {
    const { flags = [], program = programUnderTest(), within = [] } = options;
    // Short: paths of sockets have an end at about 100 bytes.
    const home = await Deno.makeTempDir({ prefix: "hawser-" });
    const desk = new Desk(deployment, home, { words: [...within, ...program], flags });
    await desk.#writeConfig();
    return desk;
  }

  private constructor(
    deployment: Deployment,
    home: string,
    { words, flags }: { readonly words: readonly string[]; readonly flags: readonly string[] },
  ) {
    this.deployment = deployment;
    this.home = home;
    this.#words = words;
    this.#program = [...words, "ssh", ...flags];
    const passed = PASSED_ENV.map((name) => [name, Deno.env.get(name)] as const);
    const given = passed.filter((pair): pair is [string, string] => pair[1] !== undefined);
    this.env = {
      ...Object.fromEntries(given),
      HOME: home,
      USER: "tester",
      SHELL: "/bin/sh",
      TERM: "xterm-256color",
      DENO_DIR: denoDir(),
      DENO_NO_UPDATE_CHECK: "1",
      CODER_URL: deployment.url,
      CODER_SESSION_TOKEN: deployment.token,
      CODER_CONFIG_DIR: `${home}/coder`,
      GIT_CONFIG_NOSYSTEM: "1",
      GIT_SSH_COMMAND: this.sshCommand(),
    };
  }

  get workspace(): string {
    return this.deployment.workspace;
  }

  get configPath(): string {
    return `${this.home}/config`;
  }

  /** OpenSSH as one string, for programs that want it so. */
  sshCommand(): string {
    return `ssh -F ${shellQuote(this.configPath)}`;
  }

  /** The program under test as one string: `… ssh <args>`. */
  programCommand(...args: readonly string[]): string {
    return [...this.#program, ...args].map(shellQuote).join(" ");
  }

  /** Another command of it, as one string. */
  commandLine(...words: readonly string[]): string {
    return [...this.#words, ...words].map(shellQuote).join(" ");
  }

  /** A path in the home folder that no other check uses. */
  local(name: string): string {
    return `${this.home}/${++this.#names}-${name}`;
  }

  /** A path in the temporary folder of the workspace that no other check uses. */
  async remote(name: string): Promise<string> {
    this.#remoteDir ??= this.#makeRemoteDir();
    return `${await this.#remoteDir}/${++this.#names}-${name}`;
  }

  start(argv: readonly string[], options: RunOptions = {}): Process {
    return new Process(argv, { env: this.env, cwd: this.home, ...options });
  }

  async run(argv: readonly string[], options: RunOptions = {}): Promise<Exit> {
    await using process = this.start(argv, { stdin: "null", ...options });
    return await process.exit();
  }

  /** Runs a program of this machine that must succeed. */
  async must(argv: readonly string[], options: RunOptions = {}): Promise<Exit> {
    const exit = await this.run(argv, options);
    ok(exit.code === 0, `${argv.join(" ")}: status ${exit.code}: ${exit.stdout}${exit.stderr}`);
    return exit;
  }

  /** The program under test: `ssh <args>`. */
  startProgram(args: readonly string[], options: RunOptions = {}): Process {
    return this.start([...this.#program, ...args], options);
  }

  /** Another command of the program under test. */
  runCommand(words: readonly string[], options: RunOptions = {}): Promise<Exit> {
    return this.run([...this.#words, ...words], options);
  }

  /** The same, to be watched while it runs. */
  startCommand(words: readonly string[], options: RunOptions = {}): Process {
    return this.start([...this.#words, ...words], options);
  }

  runProgram(args: readonly string[], options: RunOptions = {}): Promise<Exit> {
    return this.run([...this.#program, ...args], options);
  }

  /** OpenSSH through the program under test. */
  startSsh(args: readonly string[], options: RunOptions = {}): Process {
    return this.start(["ssh", "-F", this.configPath, ...args], options);
  }

  /** `args` without flags of OpenSSH: the remote command. */
  ssh(...command: readonly string[]): Promise<Exit> {
    return this.run(["ssh", "-F", this.configPath, "workspace", ...command]);
  }

  async mustSsh(...command: readonly string[]): Promise<string> {
    return (await this.must(["ssh", "-F", this.configPath, "workspace", ...command])).stdout;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (this.#remoteDir !== undefined) await this.mustSsh(`rm -rf ${await this.#remoteDir}`);
    } finally {
      await Deno.remove(this.home, { recursive: true });
    }
  }

  async #makeRemoteDir(): Promise<string> {
    const name = `hawser-${crypto.randomUUID().slice(0, 8)}`;
    const made = await this.mustSsh(
      `d="\${TMPDIR:-/tmp}/${name}" && mkdir -m 700 "$d" && echo "$d"`,
    );
    return made.trim();
  }

  async #writeConfig(): Promise<void> {
    const lines = [
      "Host workspace",
      `ProxyCommand ${this.programCommand("--stdio", this.workspace).replaceAll("%", "%%")}`,
      "User tester",
      "BatchMode yes",
      "StrictHostKeyChecking no",
      `UserKnownHostsFile ${this.home}/known_hosts`,
      "GlobalKnownHostsFile /dev/null",
      "IdentitiesOnly yes",
      "IdentityAgent none",
      "LogLevel ERROR",
    ];
    await Deno.writeTextFile(this.configPath, `${lines.join("\n")}\n`);
  }
}

function programUnderTest(): string[] {
  const given = Deno.env.get("HAWSER_PROGRAM")?.trim();
  if (given !== undefined && given !== "") return given.split(/\s+/);
  const root = new URL("../../", import.meta.url);
  const config = fromFileUrl(new URL("deno.json", root));
  const permissions = ["net", "env", "read", "write", "sys", "run", "ffi"];
  return [
    ...[
      Deno.execPath(),
      "run",
      "--quiet",
      "--no-prompt",
      ...permissions.map((p) => `--allow-${p}`),
    ],
    // Frozen: many programs at once must not write the lock file; without it versions would be asked of the registry.
    ...["--frozen", "--config", config, fromFileUrl(new URL("main.ts", root))],
  ];
}

/** Deno with the permissions that the README asks for. */
export function denoRun(): string[] {
  const permissions = ["net", "env", "read", "write", "run", "sys"];
  return [
    ...[Deno.execPath(), "run", "--quiet", "--no-prompt", "--unstable-net"],
    ...permissions.map((name) => `--allow-${name}`),
  ];
}

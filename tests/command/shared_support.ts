/** A user of a machine whose runs of hawser are processes, and share their tunnels. */
import { ok } from "node:assert/strict";
import { Sandbox } from "../../lib/sandbox/mod.ts";
import { within } from "../support/command_host.ts";
import { denoDir } from "../support/deno_dir.ts";
import { WORKSPACE } from "./support.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;
const IS_LINUX = Deno.build.os === "linux";
/** Many processes at once on a machine that has others to run. */
const PROCESS_LIMIT_MS = 60_000;
const UNTIL_PAUSE_MS = 20;
const UNTIL_ATTEMPTS = 1_500;

export interface Told {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** One user of a machine, with a home of its own, at one deployment. */
export class User implements AsyncDisposable {
  readonly home = Deno.makeTempDirSync({ prefix: "hs-" });
  readonly folder = `${this.home}/.cache/hawser/shared`;
  readonly sandbox: Sandbox;
  readonly #env: Readonly<Record<string, string>>;

  constructor(sandbox: Sandbox) {
    this.sandbox = sandbox;
    this.#env = {
      HOME: this.home,
      DENO_DIR: denoDir(),
      XDG_RUNTIME_DIR: "",
      XDG_CACHE_HOME: `${this.home}/.cache`,
      USER: "",
      NO_COLOR: "1",
      CODER_URL: sandbox.url.href,
      CODER_SESSION_TOKEN: sandbox.token,
      HAWSER_SHARED_TUNNEL: "true",
    };
  }

  spawn(args: readonly string[], env: Readonly<Record<string, string>> = {}): Deno.ChildProcess {
    return new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-prompt", "--no-check", "--unstable-net", MAIN, "-v", ...args],
      env: { ...this.#env, ...env },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  }

  async run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Told> {
    const child = this.spawn(args, env);
    await child.stdin.close();
    const { code, stdout, stderr } = await within(
      child.output(),
      () => `the end of ${args}`,
      PROCESS_LIMIT_MS,
    );
    const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return { code, stdout: decode(stdout), stderr: decode(stderr) };
  }

  /** As `run`, through the shared tunnel: its holder may be too slow on a machine that has too much to do, or too young. */
  async runShared(args: readonly string[]): Promise<Told> {
    for (let attempt = 0; attempt < 10; attempt++) {
      const told = await this.run(args);
      if (!/no shared tunnel {2}/.test(told.stderr)) return told;
    }
    throw new Error("The holder is never heard");
  }

  /** As `runShared`, in the SSH connection that is held. */
  async runHeld(args: readonly string[]): Promise<Told> {
    for (let attempt = 0; attempt < 10; attempt++) {
      const told = await this.runShared(args);
      if (!/no shared SSH connection {2}/.test(told.stderr)) return told;
    }
    throw new Error("There is never an SSH connection");
  }

  /** A session that ends when its tunnel is left to others; what it said. */
  async leave(env: Readonly<Record<string, string>> = {}): Promise<string> {
    const child = this.spawn(["ssh", "myworkspace", "cat"], env);
    const session = new Said(child);
    await session.waitFor(/tunnel is left|(?:no|uses the) shared tunnel {2}|no tunnel is left/);
    await session.end();
    return session.text;
  }

  /** What other processes do is not told: looked at again and again. */
  async until(isReached: () => boolean): Promise<void> {
    for (let attempt = 0; attempt < UNTIL_ATTEMPTS; attempt++) {
      if (isReached()) return;
      await new Promise((resolve) => setTimeout(resolve, UNTIL_PAUSE_MS));
    }
    throw new Error(`Waited in vain for ${isReached}`);
  }

  /** The names of the sockets in the folder. */
  sockets(folder = this.folder): string[] {
    return [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) => name !== "lock");
  }

  /** The path of the one socket there is. */
  get socket(): string {
    const [name, ...others] = this.sockets();
    ok(name !== undefined && others.length === 0, `one socket: ${this.sockets()}`);
    return `${this.folder}/${name}`;
  }

  /** The processes that hold tunnels of ours (Linux). */
  holders(): number[] {
    const pids: number[] = [];
    for (const { name } of Deno.readDirSync("/proc")) {
      if (!/^\d+$/.test(name)) continue;
      try {
        const words = Deno.readTextFileSync(`/proc/${name}/cmdline`).split("\0");
        const env = Deno.readTextFileSync(`/proc/${name}/environ`).split("\0");
        if (words.includes("hold-tunnel") && env.includes(`HOME=${this.home}`)) {
          pids.push(Number(name));
        }
      } catch (error) {
        // It has ended, or is none of ours.
        if (
          !(error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied)
        ) {
          if (!/ESRCH|os error 3\b/.test(String(error))) throw error;
        }
      }
    }
    return pids;
  }

  /** Elsewhere than on Linux, what is held ends by itself in a minute. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const pid of IS_LINUX ? this.holders() : []) {
      Deno.kill(pid, "SIGTERM");
      Deno.kill(pid, "SIGCONT");
    }
    await this.sandbox[Symbol.asyncDispose]();
    await Deno.remove(this.home, { recursive: true });
  }
}

/** What a process says on standard error, while it runs. */
export class Said {
  text = "";
  stdout = "";
  readonly #child: Deno.ChildProcess;
  readonly #reading: Promise<void>;
  #wake: () => void = () => {};
  #isOver = false;

  constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.#reading = this.#read();
  }

  async #read(): Promise<void> {
    const stdout = (async () => {
      const decoder = new TextDecoder();
      for await (const chunk of this.#child.stdout) {
        this.stdout += decoder.decode(chunk, { stream: true });
        this.#wake();
      }
    })();
    const decoder = new TextDecoder();
    for await (const chunk of this.#child.stderr) {
      this.text += decoder.decode(chunk, { stream: true });
      this.#wake();
    }
    await stdout;
    this.#isOver = true;
    this.#wake();
  }

  async waitFor(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.text + this.stdout)) {
      ok(!this.#isOver, `ended without ${pattern}: ${this.text}`);
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await within(promise, () => `${pattern} in ${this.text}`, PROCESS_LIMIT_MS);
    }
  }

  /** Ends its input, waits for its end; its exit code. */
  async end(): Promise<number> {
    await this.#child.stdin.close();
    return await this.ended();
  }

  async ended(): Promise<number> {
    const { code } = await within(
      this.#child.status,
      () => `the end after ${this.text}`,
      PROCESS_LIMIT_MS,
    );
    await this.#reading;
    return code;
  }
}

export async function userAt(): Promise<User> {
  return new User(await Sandbox.start({ user: "myuser", workspaces: [WORKSPACE] }));
}

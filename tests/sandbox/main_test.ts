/** The whole program, `main(["ssh", …])`, against the sandbox: what it prints, how it ends, what it asks the API. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { main } from "../../lib/cli/main.ts";
import type { HostInput, HostOutput } from "../../lib/base/host.ts";
import { createHost } from "../../lib/io/host.ts";
import {
  failureAnswer,
  type Sandbox,
  type SandboxBuild,
  StartupFailure,
} from "../../lib/sandbox/mod.ts";
import { concatBytes } from "../../lib/base/bytes.ts";
import { decode, encode, LIMIT_MS, sandboxTest } from "./support.ts";

const SHELL = "/bin/sh";
const IS_UNIX = Deno.build.os !== "windows";
const BUILDS = "POST /workspaces/{workspace}/builds";

/** A standard output that keeps what is written and tells who waits for it. */
class Output implements HostOutput {
  readonly isTerminal = false;
  readonly #parts: Uint8Array[] = [];
  #waiting: { readonly wanted: RegExp; readonly resolve: () => void }[] = [];

  get text(): string {
    return decode(concatBytes(...this.#parts));
  }

  size(): undefined {
    return undefined;
  }

  write(bytes: Uint8Array): Promise<void> {
    this.#parts.push(bytes.slice());
    for (const { wanted, resolve } of this.#waiting) if (wanted.test(this.text)) resolve();
    return Promise.resolve();
  }

  print(text: string): void {
    this.write(encode(text));
  }

  /** Resolves when it holds `wanted`; rejects when it does not in time. */
  async until(wanted: RegExp): Promise<void> {
    if (wanted.test(this.text)) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push({ wanted, resolve });
    const limit = setTimeout(() => {
      reject(new Error(`Nothing like ${wanted} in ${JSON.stringify(this.text)}`));
    }, LIMIT_MS);
    await promise.finally(() => clearTimeout(limit));
  }
}

interface Run {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly code: Promise<number>;
}

/** Begins `hawser ssh` with these words. Standard input is at its end, or stays open. */
function ssh(sandbox: Sandbox, words: readonly string[], input: "empty" | "open" = "empty"): Run {
  const stdout = new Output();
  const stderr = new Output();
  const stdin: HostInput = {
    isTerminal: false,
    read: () => input === "empty" ? Promise.resolve(null) : new Promise(() => {}),
    size: () => undefined,
    enterRawMode: () => () => {},
  };
  const run = async () => {
    const folder = await sandbox.folder();
    const env: Readonly<Record<string, string>> = {
      CODER_URL: sandbox.url.origin,
      CODER_SESSION_TOKEN: sandbox.token,
      // Nothing is to be read from this machine's user, and nothing written.
      CODER_CONFIG_DIR: folder,
    };
    const host = { ...createHost(), stdin, stdout, stderr, env: (name: string) => env[name] };
    return main(["ssh", ...words], host);
  };
  return { stdout, stderr, code: run() };
}

if (IS_UNIX) {
  const agents = [{ shell: SHELL }];

  sandboxTest("a command, with the calls of the real one", async (sandbox) => {
    const { stdout, stderr, code } = ssh(sandbox, ["dev", "--", "echo out; echo err >&2; exit 3"]);
    strictEqual(await code, 3);
    deepStrictEqual([stdout.text, stderr.text], ["out\n", "err\n"]);
    for (
      const route of [
        "GET /users/{user}/workspace/{workspacename}",
        "GET /workspaceagents/{workspaceagent}/connection",
        "GET /workspaceagents/{workspaceagent}/coordinate",
        "GET /derp",
        "POST /workspaces/{workspace}/usage",
      ]
    ) ok(sandbox.api.requestsTo(route).length > 0, route);
  }, { workspaces: [{ agents }] });

  for (
    const [what, disturb] of [
      ["the relay is restarted", (sandbox: Sandbox) => sandbox.relay.restart()],
      ["the coordinator is restarted", (sandbox: Sandbox) => sandbox.coordinator.restart()],
      [
        "the watch stream breaks",
        (sandbox: Sandbox) =>
          sandbox.api.override("GET /workspaces/{workspace}/watch", failureAnswer(502, "x")),
      ],
    ] as const
  ) {
    sandboxTest(`a session goes on when ${what}`, async (sandbox) => {
      const folder = await Deno.makeTempDir();
      try {
        const { stdout, code } = ssh(sandbox, [
          "dev",
          "--",
          `echo up; while [ ! -e ${folder}/go ]; do sleep 0.02; done; echo down`,
        ]);
        await stdout.until(/up/);
        disturb(sandbox);
        await Deno.writeTextFile(`${folder}/go`, "");
        strictEqual(await code, 0);
        strictEqual(stdout.text, "up\ndown\n");
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    }, { workspaces: [{ agents }] });
  }

  sandboxTest(
    "a session ends with 255 and a reason when its workspace is stopped",
    async (sandbox) => {
      const { stdout, stderr, code } = ssh(sandbox, ["dev", "--", "echo up; sleep 600"], "open");
      await stdout.until(/up/);
      await sandbox.workspace.buildToEnd("stop");
      strictEqual(await code, 255);
      match(stderr.text, /workspace|agent|connection/i);
    },
    { workspaces: [{ agents }] },
  );

  sandboxTest("a session ends with 255 when the agent was restarted", async (sandbox) => {
    const { stdout, code } = ssh(sandbox, ["dev", "--", "echo up; sleep 600"], "open");
    await stdout.until(/up/);
    await sandbox.workspace.agent().restart();
    strictEqual(await code, 255);
  }, { workspaces: [{ agents }] });

  sandboxTest("a stopped, dormant workspace is woken, queued, built and used", async (sandbox) => {
    const { workspace } = sandbox;
    workspace.putToSleep();
    const { stdout, stderr, code } = ssh(sandbox, ["dev", "--", "echo started"]);
    await sandbox.api.waitFor(BUILDS);
    const build = workspace.latestBuild;
    deepStrictEqual([build.transition, build.reason], ["start", "ssh_connection"]);
    build.queue(2, 2);
    await stderr.until(/Queued \(position: 2\)/);
    build.start();
    await sandbox.api.waitFor("GET /workspacebuilds/{workspacebuild}/logs");
    build.log("Starting workspace");
    build.log("Starting workspace", "thing: Creating...");
    await stderr.until(/thing: Creating/);
    build.succeed();
    strictEqual(await code, 0);
    strictEqual(stdout.text, "started\n");
    match(stderr.text, /Workspace was stopped, starting workspace/);
    strictEqual(workspace.dormantAtMs, undefined);
  }, { workspaces: [{ agents, transition: "stop", buildScript: firstOnly }] });

  sandboxTest("a build that fails is told with its error", async (sandbox) => {
    const { stderr, code } = ssh(sandbox, ["dev", "--", "true"]);
    await sandbox.api.waitFor(BUILDS);
    sandbox.workspace.latestBuild.start();
    sandbox.workspace.latestBuild.fail("terraform apply: no more clouds");
    strictEqual(await code, 1);
    match(stderr.text, /no more clouds/);
  }, { workspaces: [{ agents, transition: "stop", buildScript: firstOnly }] });

  for (
    const [status, message, words] of [
      [409, "A workspace build is already active.", /due to conflict/],
      [403, "You do not have permission to start this workspace.", /permission/],
    ] as const
  ) {
    sandboxTest(`a start that is refused with ${status} is told of`, async (sandbox) => {
      sandbox.api.override(BUILDS, failureAnswer(status, message));
      const { stderr, code } = ssh(sandbox, ["dev", "--", "true"]);
      strictEqual(await code, 1);
      match(stderr.text, words);
    }, { workspaces: [{ agents, transition: "stop" }] });
  }

  sandboxTest("start-up scripts are waited for and their log is shown", async (sandbox) => {
    const { stdout, stderr, code } = ssh(sandbox, ["--wait=yes", "dev", "--", "echo ready"]);
    await stderr.until(/installing things/);
    await sandbox.api.waitFor("GET /workspaceagents/{workspaceagent}/logs");
    release.resolve();
    strictEqual(await code, 0);
    strictEqual(stdout.text, "ready\n");
  }, {
    workspaces: [{
      agents: [{
        shell: SHELL,
        blocksLogin: true,
        startup: async (agent) => {
          agent.log("installing things");
          await release.promise;
        },
      }],
    }],
  });

  sandboxTest("start-up scripts that failed do not keep anybody out", async (sandbox) => {
    await sandbox.workspace.changes.until(() =>
      sandbox.workspace.agent().lifecycle === "start_error"
    );
    const { stdout, stderr, code } = ssh(sandbox, ["--wait=yes", "dev", "--", "echo in"]);
    strictEqual(await code, 0);
    strictEqual(stdout.text, "in\n");
    match(stderr.text, /startup script exited with an error/);
  }, {
    workspaces: [{
      agents: [{
        shell: SHELL,
        blocksLogin: true,
        startup: () => {
          throw new StartupFailure();
        },
      }],
    }],
  });

  sandboxTest("another name, another token", async (sandbox) => {
    const unknown = ssh(sandbox, ["nothere", "--", "true"]);
    strictEqual(await unknown.code, 1);
    match(unknown.stderr.text, /Resource not found|not found/);
    sandbox.api.override(
      "GET /users/{user}/workspace/{workspacename}",
      failureAnswer(401, "You are signed out"),
    );
    const { stderr, code } = ssh(sandbox, ["dev", "--", "true"]);
    strictEqual(await code, 1);
    match(stderr.text, /hawser login/);
  }, { workspaces: [{ agents }] });
}

const release = Promise.withResolvers<void>();

/** The first build succeeds; later ones are the test's. */
function firstOnly(build: SandboxBuild): void {
  if (build.number > 1) return;
  build.start();
  build.succeed();
}

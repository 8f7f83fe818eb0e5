/** `hawser ssh --stdio` under an SSH client on its pipes (upstream cli/ssh_test.go, the Stdio rows). */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { equalBytes } from "../../lib/base/bytes.ts";
import { isAtLeast } from "../../lib/base/version.ts";
import { SystemClock } from "../../lib/io/clock.ts";
import { connectSsh, type SshConnection } from "../../lib/ssh/connection.ts";
import { createBytePipe } from "../support/byte_pipe.ts";
import { HurryingClock } from "../support/hurrying_clock.ts";
import { type CommandOptions, type CommandRun, within } from "../support/command_host.ts";
import {
  AWAITS_AGENT,
  commandTestAtEach,
  type Desk,
  SHELL,
  STARTING_RELEASES,
  WORKSPACE,
} from "./support.ts";

interface Outer {
  readonly run: CommandRun;
  readonly ssh: SshConnection;
}

/** A client of its own over the command's standard streams, as OpenSSH with a ProxyCommand. */
async function overStdio(
  desk: Desk,
  args: readonly string[],
  body: (outer: Outer) => Promise<void>,
  options: CommandOptions & { readonly onHostKey?: (key: Uint8Array) => void } = {},
): Promise<void> {
  const [outer, inner] = createBytePipe();
  await using run = desk.start(["--stdio", ...args], { ...options, pipe: inner });
  run.exitCode.then(() => inner.abort("The process is over"));
  const ssh = await connectSsh(outer, {
    clock: new SystemClock(),
    verifyHostKey: (key) => Promise.resolve(options.onHostKey?.(key)),
  });
  await body({ run, ssh });
  await ssh.close();
  outer.abort();
}

async function output(ssh: SshConnection, command: string): Promise<string> {
  const session = await ssh.openSession({ command });
  await session.closeStdin();
  const buffer = new Uint8Array(65_536);
  const decoder = new TextDecoder();
  let text = "";
  for (
    let n = await session.readStdout(buffer);
    n !== null;
    n = await session.readStdout(buffer)
  ) text += decoder.decode(buffer.subarray(0, n), { stream: true });
  return text;
}

commandTestAtEach(
  "TestSSH/Stdio: a session runs, and the end of input ends with 0",
  async (desk) => {
    await overStdio(desk, ["myworkspace"], async ({ run, ssh }) => {
      strictEqual(await output(ssh, "echo here"), "here\n");
      await ssh.close();
      const { code, stderr } = await run.result();
      deepStrictEqual({ code, stderr }, { code: 0, stderr: "" });
    });
  },
);

commandTestAtEach(
  "TestSSH/DeterministicHostKey: the same after a restart of the agent",
  async (desk) => {
    const keys: Uint8Array[] = [];
    const onHostKey = (key: Uint8Array) => void keys.push(key.slice());
    for (let round = 0; round < 2; round++) {
      await overStdio(desk, ["myworkspace"], () => Promise.resolve(), { onHostKey });
      await desk.sandbox.workspace.buildToEnd("stop");
    }
    const [first, second] = keys;
    ok(first !== undefined && second !== undefined && equalBytes(first, second));
  },
  {},
  // Agents before that draw a key with each process.
  STARTING_RELEASES.filter((version) => isAtLeast(version, "v2.20.0")),
);

commandTestAtEach(
  "TestSSH/Stdio_StartStoppedWorkspace_CleanStdout: SSH alone on standard output",
  async (desk) => {
    await using run = desk.start(["--stdio", "myworkspace"]);
    await run.stdout.waitFor(/\r\n/);
    strictEqual(run.stdout.text.split("\r\n")[0], "SSH-2.0-Go");
    match(run.stderr.text, /^Workspace was stopped, starting workspace to allow connecting/);
    await run.typeEnd();
    run.raise("SIGHUP");
    strictEqual((await run.result()).code, 0);
  },
  { workspaces: [{ ...WORKSPACE, transition: "stop" }] },
  STARTING_RELEASES,
);

commandTestAtEach(
  "TestSSH/Stdio_StartStoppedWorkspace_CleanStdout: a session works",
  async (desk) => {
    await overStdio(desk, ["myworkspace"], async ({ ssh }) => {
      strictEqual(await output(ssh, "echo here"), "here\n");
    });
  },
  { workspaces: [{ ...WORKSPACE, transition: "stop" }] },
  STARTING_RELEASES,
);

commandTestAtEach(
  "TestSSH/Stdio_BrokenConn: pipes that break end the command with 0",
  async (desk) => {
    await using run = desk.start(["--stdio", "myworkspace"]);
    await run.stdout.waitFor("SSH-2.0-Go");
    run.breakStreams();
    const { code, stderr } = await run.result();
    deepStrictEqual({ code, stderr }, { code: 0, stderr: "" });
  },
);

commandTestAtEach("TestSSH/StdioExitOnStop: a stop of the workspace ends with 0", async (desk) => {
  await overStdio(desk, ["myworkspace"], async ({ run, ssh }) => {
    await ssh.openSession({});
    desk.sandbox.workspace.build("stop");
    const { code, stderr } = await run.result();
    strictEqual(code, 0);
    match(stderr, /^(Workspace "myworkspace" (was|is being) stopped\n)?$/);
    await ssh.closed;
  });
});

commandTestAtEach(
  "A transport that is lost ends --stdio with 255 (docs/protocol/ssh.md#what-we-do-otherwise)",
  async (desk) => {
    await overStdio(desk, ["myworkspace"], async ({ run, ssh }) => {
      strictEqual(await output(ssh, "echo here"), "here\n");
      await desk.sandbox.workspace.agent().disconnect({ graceful: true });
      const { code, stderr } = await run.result();
      strictEqual(code, 255);
      match(stderr, /^hawser: connection to the workspace lost: .+\n$/);
    });
  },
);

const NEVER_CONNECTS = {
  workspaces: [{ name: "myworkspace", agents: [{ ...SHELL, connects: false }] }],
};

commandTestAtEach("OpenSSH that was killed while we wait ends the wait with 0", async (desk) => {
  let parentPid = 4_321;
  const clock = new HurryingClock(40);
  await using run = desk.start(["--stdio", "myworkspace"], { clock, parentPid: () => parentPid });
  await run.stderr.waitFor(AWAITS_AGENT);
  parentPid = 1;
  await run.typeEnd();
  const { code, stdout } = await run.result();
  deepStrictEqual({ code, stdout }, { code: 0, stdout: "" });
}, NEVER_CONNECTS);

commandTestAtEach(
  "Input that has ended does not end a wait: there is still an answer to give",
  async (desk) => {
    const clock = new HurryingClock(40);
    await using run = desk.start(["--stdio", "myworkspace"], { clock, stdin: "" });
    await run.stderr.waitFor(AWAITS_AGENT);
    await clock.sleep(10_000);
    desk.sandbox.workspace.agent().connect();
    const { code, stdout } = await run.result();
    deepStrictEqual({ code, stdout }, { code: 0, stdout: "SSH-2.0-Go\r\n" });
  },
  NEVER_CONNECTS,
);

for (const stdin of ["", "\n", "SSH-2.0-probe\r\n", "GET / HTTP/1.0\r\n\r\n"]) {
  commandTestAtEach(`A probe of ${JSON.stringify(stdin)} has the greeting, and 0`, async (desk) => {
    const { code, stdout, stderr } = await desk.run(["--stdio", "myworkspace"], { stdin });
    deepStrictEqual({ code, stderr }, { code: 0, stderr: "" });
    match(stdout, /^SSH-2\.0-Go\r\n/);
  });

  commandTestAtEach(
    `A probe of ${JSON.stringify(stdin)} hears every error, and has 1`,
    async (desk) => {
      const token = { CODER_SESSION_TOKEN: "nobody-0123456789012345678901" };
      for (
        const { name, env = {}, says } of [
          {
            name: "nosuch",
            says: /^error: Resource not found or you do not have access to this resource$/m,
          },
          { name: "two", says: /^error: multiple agents found, .*: \[a b\]$/m },
          {
            name: "myworkspace",
            env: token,
            says: /You are signed out or your session has expired/,
          },
        ]
      ) {
        const { code, stdout, stderr } = await desk.run(["--stdio", name], { stdin, env });
        deepStrictEqual({ name, code, stdout }, { name, code: 1, stdout: "" });
        match(stderr, says);
      }
    },
    { workspaces: [WORKSPACE, { name: "two", agents: [{ name: "a" }, { name: "b" }] }] },
  );
}

for (
  const [name, args] of [
    ["Prefix", ["--ssh-host-prefix", "coder.dummy.com--", "coder.dummy.com--myuser--myworkspace"]],
    ["Suffix", ["--hostname-suffix", "coder", "dev.myworkspace.myuser.coder"]],
    ["Both", [
      ...["--ssh-host-prefix", "coder.dummy.com--", "--hostname-suffix", "coder"],
      "coder.dummy.com--myuser--myworkspace",
    ]],
  ] as const
) {
  commandTestAtEach(`TestSSH/SSHHost/${name}: a session over stdio works`, async (desk) => {
    await overStdio(desk, args, async ({ ssh }) => {
      strictEqual(await output(ssh, "echo here"), "here\n");
    });
  });
}

commandTestAtEach(
  "TestSSH_CoderConnect/Disabled: --force-new-tunnel takes our tunnel",
  async (desk) => {
    await overStdio(desk, ["--force-new-tunnel", "myworkspace"], async ({ ssh }) => {
      strictEqual(await output(ssh, "echo here"), "here\n");
    });
  },
);

commandTestAtEach("TestSSH_CoderConnect/OneShotStdio: a command is ignored", async (desk) => {
  const folder = await Deno.makeTempDir();
  await overStdio(desk, ["myworkspace", `touch ${folder}/ran`], async ({ ssh }) => {
    strictEqual(await output(ssh, `ls ${folder}`), "");
  });
  await Deno.remove(folder);
});

commandTestAtEach(
  "TestSSH/NetworkInfo: a file with the official keys, under --stdio",
  async (desk) => {
    const args = ["--network-info-interval", "25ms", "--network-info-dir"];
    const folder = await Deno.makeTempDir();
    await overStdio(desk, [...args, `${folder}/net`, "myworkspace"], async ({ ssh }) => {
      strictEqual(await output(ssh, "echo here"), "here\n");
      const watching = Deno.watchFs(folder, { recursive: true });
      const found = (async () => {
        for (;;) {
          for await (const { name } of Deno.readDir(`${folder}/net`)) {
            if (/^\d+\.json$/.test(name)) return await Deno.readTextFile(`${folder}/net/${name}`);
          }
          await watching[Symbol.asyncIterator]().next();
        }
      })();
      const info = JSON.parse(await within(found, () => "the network file"));
      watching.close();
      ok("latency" in info && "preferred_derp" in info && "upload_bytes_sec" in info);
    });
    await Deno.remove(folder, { recursive: true });
  },
);

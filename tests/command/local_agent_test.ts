/**
 * The local SSH agent: how it is named, and what is said when it is not there. Deno names each path of a unix socket in its
 * permissions, so that tests, which may use 127.0.0.1 only, run these in a process of their own.
 */
import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { Sandbox } from "../../lib/sandbox/mod.ts";
import { Toolbox } from "../support/fake_tmux.ts";
import { commandTestAtEach, Desk, FAR_RELEASES, Home, HOME_FORMS, TERMINAL } from "./support.ts";
import { MAY_USE_SOCKETS, runWithSockets } from "../support/socket_process.ts";

const IS_WINDOWS = Deno.build.os === "windows";

if (MAY_USE_SOCKETS && !IS_WINDOWS) {
  for (const form of HOME_FORMS) {
    commandTestAtEach(
      `${form} in the path of an SSH agent`,
      async (desk) => {
        await using home = new Home(desk);
        using _agent = Deno.listen({ transport: "unix", path: `${home.folder}/agent` });
        const told = await home.run([
          "-A",
          ...[
            "--identity-agent",
            `${form}/agent`,
            "myworkspace",
            'test -S "$SSH_AUTH_SOCK" && echo in',
          ],
        ]);
        deepStrictEqual(told, { code: 0, stdout: "in\n", stderr: "" });
      },
      {},
      FAR_RELEASES,
    );
  }

  commandTestAtEach(
    "$NAME and ${NAME} alone name an agent's socket, as IdentityAgent has it",
    async (desk) => {
      await using home = new Home(desk);
      const path = `${home.folder}/agent`;
      using _agent = Deno.listen({ transport: "unix", path });
      for (const text of ["$SOCK", "${SOCK}", "SSH_AUTH_SOCK"]) {
        const args = ["-A", "--identity-agent", text, "myworkspace", 'test -S "$SSH_AUTH_SOCK"'];
        strictEqual((await home.run(args, { SOCK: path, SSH_AUTH_SOCK: path })).code, 0, text);
      }
    },
  );

  const keepers = [
    { by: "tmux", hasTmux: true },
    { by: "the agent", hasTmux: false },
    { by: "the agent, whose machine is slow", hasTmux: false, slow: ["ln"] },
  ];
  for (const { by, ...kept } of keepers) {
    Deno.test(`-A --persist by ${by}: one path in the shell, over all connections`, async () => {
      await using tools = new Toolbox(kept);
      const agents = [{ name: "dev", shell: "/bin/sh", env: tools.env }];
      const workspaces = [{ name: "myworkspace", agents }];
      await using sandbox = await Sandbox.start({ user: "myuser", workspaces });
      const desk = new Desk(sandbox);
      const path = `${tools.folder}/local`;
      using _agent = Deno.listen({ transport: "unix", path });
      const args = ["-A", "--identity-agent", path, "--persist", "myworkspace"];
      {
        await using run = desk.start(args, { terminal: TERMINAL });
        await run.stdout.waitFor(/[$#] $/);
        await run.type('test -S "$SSH_AUTH_SOCK" && echo "at $SSH_AUTH_SOCK"\r');
        await run.stdout.waitFor(`at ${tools.folder}/.cache/hawser/agent.main`);
        await run.type("\r~.");
        await run.result();
      }
      await using again = desk.start(args, { terminal: TERMINAL });
      await again.stderr.waitFor(/Back in the shell/);
      await again.type('test -S "$SSH_AUTH_SOCK" && echo st""ill; exit\r');
      await again.stdout.waitFor(/still/);
      strictEqual((await again.result()).code, 0);
    });
  }

  commandTestAtEach(
    "An agent that is not there is told, and what to do, before anything runs",
    async (desk) => {
      const long = `/tmp/${"long/".repeat(30)}agent`;
      const limit = Deno.build.os === "darwin" ? 103 : 107;
      const rows = [
        {
          env: {},
          lines: [
            "error: forward agent: no SSH agent found: SSH_AUTH_SOCK is not set",
            "Start one with: eval $(ssh-agent), or name its socket with --identity-agent",
          ],
        },
        {
          env: { SSH_AUTH_SOCK: "/nowhere/agent" },
          lines: [
            "error: forward agent: dial /nowhere/agent: no such file or directory",
            "Is the SSH agent at /nowhere/agent running? Try: ssh-add -l",
          ],
        },
        {
          env: { SSH_AUTH_SOCK: long },
          lines: [
            `error: forward agent: dial ${long}: the path of a socket may have ${limit} bytes at most, ` +
            `this one has ${long.length}`,
            "Give the agent a shorter path, for example: eval $(ssh-agent -a ~/.ssh/agent)",
          ],
        },
      ];
      for (const { env, lines } of rows) {
        const result = await desk.run(["-A", "myworkspace", "echo in"], { env });
        strictEqual(result.code, 1);
        strictEqual(result.stdout, "");
        deepStrictEqual(result.stderr.trimEnd().split("\n").slice(1), lines);
      }
      // Asked for by a variable or a configuration for all: a warning, and the session.
      const { stdout, stderr } = await desk.run(["myworkspace", "echo in"], {
        env: { CODER_SSH_FORWARD_AGENT: "true", SSH_AUTH_SOCK: long },
      });
      strictEqual(stdout, "in\n");
      match(
        stderr,
        /^forward agent: dial .*: the path of a socket may have .*; going on without\n$/,
      );
    },
  );
}

Deno.test({
  name: "the local SSH agent, in a process that may use sockets",
  ignore: IS_WINDOWS || MAY_USE_SOCKETS,
  fn: async () => void await runWithSockets(import.meta.url),
});
